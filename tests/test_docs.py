"""The docs are true: their commands exist, are all there and run, and their links, files and pictures are there."""

import gzip
import json
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import requests
import yaml
from click import Argument

from training.cli import main
from training.demo import write_demo

ROOT = Path(__file__).parents[1]
PATHS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / folder / "README.md" for folder in ("data/raw", "mlruns")),
    ROOT / "benchmarks" / "RESULTS.md",
]
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PATHS}
README = PAGES["README.md"]
FOLDERS = ("contract", "training", "serving", "tests", "checks", "benchmarks", "docs", "data", "mlruns")
MOST_BYTES_OF_A_PICTURE = 300_000
SERVERS = ("serve", "api", "ui", "up")
FEW_TRIALS = ("--trials", "3")  # the pages show 100 trials; a test has no time for them
OPTIONS_OF_OTHERS = {  # options that the pages name and `segments` does not have
    "mlflow": {"--app-name", "--env-manager", "--experiment-name"},
    "checks": {"--command"},
    "flask": {"--app"},
    "Spark": {
        "--master",
        "--driver-memory",
        "--executor-memory",
        "--conf",
        "--cores",
        "--memory",
        "--webui-port",
        "--work-dir",
    },
    "docker": {"--detach", "--file"},
    "pg_dump, pg_restore": {"--dbname", "--format", "--no-owner"},
    "tar": {"--create", "--directory", "--extract", "--gzip"},
    "checks and benchmarks": {
        "--customers",
        "--seconds",
        "--seeds",
        "--seed",
        "--target",
        "--requests",
        "--lines",
        "--runs",
        "--copies",
        "--form",
        "--large",
        "--orders",
        "--cases",
        "--kills",
        "--rounds",
    },
}
# Commands of the README that are no `segments` command, by their first word, and the test that holds each.
HELD_BY = {
    "git": "nothing: the address of the repository is for the reader to fill in",
    "cd": "nothing: the folder is the one that git made",
    "make": "test_make_knows_the_pages_targets",
    "source": "test_the_environment_to_activate_is_the_one_that_make_makes",
    "curl": "test_the_readmes_request_gets_the_answer_it_shows",
    "export": "test_the_readmes_mlflow_run_names_parameters_that_exist",
    "mlflow": "test_the_readmes_mlflow_run_names_parameters_that_exist",
}


def console(text):
    """(command, what it printed) of each `$ ` line in console blocks; an indented line goes on with the one before."""
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [
        (re.sub(r"\n\s+", " ", command), output)
        for block in blocks
        for command, output in re.findall(
            r"^\$ (.*(?:\n {2,}.*)*)\n?((?:(?!\$ ).*\n?)*)", block, flags=re.MULTILINE
        )
    ]


def commands(text):
    return [command for command, _ in console(text)]


def words_of(command):
    """The words behind `segments`."""
    return shlex.split(command)[1:]


def first_cells(table):
    """The first cell of each line, which says what the line is about."""
    return [re.split(r" {2,}", line.strip())[0] for line in table.splitlines() if line.strip()]


def without_notes(output):
    """The three first paragraphs of an output: what comes after them speaks of the numbers, which differ with the trials."""
    return "\n".join(output.split("\n\n")[:3])


def output_of(page, command):
    """What a page shows that a command printed."""
    (output,) = [output for shown, output in console(PAGES[page]) if shown == command]
    return output


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_is_in_the_readme(name):
    assert f"| `segments {name}" in README


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_every_option_that_the_pages_name_exists(text):
    known = {
        option
        for command in main.commands.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    known = known.union({"--help"}, *OPTIONS_OF_OTHERS.values())
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_option_of_a_command_is_on_a_page(name):
    text = "\n".join(PAGES.values())
    for parameter in main.commands[name].params:
        if not isinstance(parameter, Argument):
            assert any(re.search(rf"(?<![\w-]){option}(?![\w-])", text) for option in parameter.opts), (
                parameter.opts
            )


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", PAGES[page]):
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings], (
                link
            )


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    names = re.findall(rf"(?<![\w/.])(?:{'|'.join(FOLDERS)})/[\w/-]*\.(?:py|md|png|html)\b", PAGES[page])
    missing = [
        name
        for name in names
        if not (ROOT / name).exists() and not (ROOT / page).parent.joinpath(name).exists()
    ]
    assert missing == []


def test_pictures_are_small_and_shown():
    pictures = sorted((ROOT / "docs" / "pictures").glob("*"))
    assert pictures
    text = "\n".join(PAGES.values())
    for picture in pictures:
        assert picture.suffix == ".png"
        assert picture.stat().st_size <= MOST_BYTES_OF_A_PICTURE, picture.name
        assert f"pictures/{picture.name})" in text, f"no page shows {picture.name}"


def test_make_knows_the_pages_targets():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for page, text in PAGES.items():
        assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", text)) <= set(targets), page


def test_the_environment_to_activate_is_the_one_that_make_makes():
    (command,) = [command for command in commands(README) if command.startswith("source")]
    make = [
        "make",
        "--no-print-directory",
        "--dry-run",
        "train",
    ]  # a make inside `make test` says where it is
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
    assert command == "source .venv/bin/activate"
    assert done.stdout.splitlines()[-1] == ".venv/bin/segments train --promote"


def test_every_command_of_the_readme_is_run_or_checked():
    others = {command.split()[0] for command in commands(README)} - {"segments"}
    assert others == set(HELD_BY)
    assert all(name in globals() for name in HELD_BY.values() if not name.startswith("nothing"))


def test_the_readmes_numbers_are_what_training_prints(store):
    shown = output_of("README.md", "make train")
    outcome = json.loads(store.artifact("summary.json").read_text())["outcome"]
    profiles = json.loads(store.artifact("profiles.json").read_text())
    assert outcome[0] in shown  # the store searches fewer trials; the counting is the same
    table = shown[shown.index("segment  name") :].split("\n\n")[0]
    assert [line.split()[0] for line in table.splitlines()[1:]] == [str(row["segment"]) for row in profiles]
    assert all(f"  {row['name']}  " in table for row in profiles)


def test_the_readmes_request_gets_the_answer_it_shows(served, store):
    (command,) = [command for command in commands(README) if command.startswith("curl")]
    words = shlex.split(command)
    payload = json.loads(words[words.index("-d") + 1])
    with served(["segments", "serve", "--port", "{port}"], store, "/ping") as address:
        answer = requests.post(f"{address}/invocations", json=payload, timeout=30).json()
    shown = json.loads(re.search(r'\{"predictions": .*?\]\}', README, flags=re.DOTALL).group())
    (served_row,), (shown_row,) = answer["predictions"], shown["predictions"]
    assert list(served_row) == list(shown_row)
    for column in ("segment", "segment_name", "state", "is_anomaly", "anomaly_reason"):
        assert served_row[column] == shown_row[column]


@pytest.fixture(scope="module")
def demo_lines(tmp_path_factory):
    """The lines of the demo shop, as text."""
    path = write_demo(tmp_path_factory.mktemp("demo") / "demo.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def write_export(lines, path):
    """The lines as a German shop's export, in the columns that the README maps."""
    total = lines.Quantity.astype(float) * lines.UnitPrice.astype(float)
    dates = [datetime.fromisoformat(text) for text in lines.InvoiceDate]
    pd.DataFrame(
        {
            "Kundennr": lines.CustomerID,
            "Datum": [f"{date:%d/%m/%Y %H:%M}" for date in dates],
            "Summe": [f"{money:.2f}".replace(".", ",") for money in total],
        }
    ).to_csv(path, index=False, sep=";")


def write_database(lines, path):
    """The lines as the table `orders` of a DuckDB file, with types."""
    with duckdb.connect(str(path)) as database:
        database.register("lines", lines)
        database.execute(
            "CREATE TABLE orders AS SELECT * REPLACE (CAST(Quantity AS BIGINT) AS Quantity, "
            "CAST(UnitPrice AS DECIMAL(12, 2)) AS UnitPrice, CAST(InvoiceDate AS TIMESTAMP) AS InvoiceDate) FROM lines"
        )


def test_the_readmes_commands_run_as_they_stand(new_folder, demo_lines):
    shop = new_folder("readme")
    write_export(demo_lines, shop.folder / "orders.csv")
    write_database(demo_lines, shop.folder / "shop.db")
    ran = []
    for command in commands(README):
        words = words_of(command)
        if command.startswith("segments") and words[0] not in SERVERS:
            done = shop.run(*words, *FEW_TRIALS)
            assert "Registered as version" in done.stdout, command
            ran.append(re.search(r"^([\d,]+) customers from", done.stdout, flags=re.MULTILINE).group(1))
    assert len(ran) == 2
    assert ran[1] == "1,463"  # the database holds the demo shop as it is
    assert (
        abs(int(ran[0].replace(",", "")) - 1463) < 5
    )  # an export without invoice numbers has more exact duplicates


def test_the_readmes_mlflow_run_names_parameters_that_exist():
    (command,) = [command for command in commands(README) if command.startswith("mlflow run")]
    words = shlex.split(command)
    given = [words[index + 1].split("=")[0] for index, word in enumerate(words) if word == "-P"]
    project = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
    assert given
    assert set(given) <= set(project["entry_points"]["main"]["parameters"])
    assert "export MLFLOW_TRACKING_URI=sqlite:///mlruns/mlflow.db" in commands(README)


@pytest.fixture(scope="module")
def retrained(new_folder):
    """The demo shop as the pages tell it: a champion, its drift, a second champion a month later; what they printed."""
    shop = new_folder("pages")
    shop.run("demo")
    shop.run("train", "--as-of", "2024-12-01", "--promote", *FEW_TRIALS)
    (drift,) = [
        command for command in commands(PAGES["docs/drift.md"]) if command.startswith("segments drift")
    ]
    printed = {drift: shop.run(*words_of(drift)).stdout}
    retraining = commands(PAGES["docs/retraining.md"])
    assert retraining == ["segments train --promote", "segments rollback", "segments history"]
    for command in retraining:
        printed[command] = shop.run(*words_of(command), *(FEW_TRIALS if "train" in command else ())).stdout
    (compare,) = [command for command in commands(PAGES["docs/results.md"]) if "compare" in command]
    return printed | {compare: shop.run(*words_of(compare)).stdout}


def test_drift_prints_what_its_page_shows(retrained):
    shown = output_of("docs/drift.md", "segments drift data/raw")
    printed = retrained["segments drift data/raw"]
    assert first_cells(without_notes(printed)) == first_cells(without_notes(shown))


def test_the_gate_prints_what_its_page_shows(retrained):
    shown = output_of("docs/retraining.md", "segments train --promote")
    printed = retrained["segments train --promote"]
    assert first_cells(shown[shown.index("rule  ") :]) == first_cells(printed[printed.index("rule  ") :])


def test_every_rule_of_the_gate_is_in_the_pages_table(retrained):
    printed = retrained["segments train --promote"]
    rules = first_cells(printed[printed.index("rule  ") :])[1:-1]
    table = re.findall(r"^\| (\w+) \|", PAGES["docs/retraining.md"], flags=re.MULTILINE)
    assert set(rules) <= set(table)


def test_rollback_and_history_print_what_their_page_shows(retrained):
    shown = output_of("docs/retraining.md", "segments rollback")
    assert retrained["segments rollback"].strip() == shown.strip()
    history = output_of("docs/retraining.md", "segments history")
    moves = [line.split()[2:4] for line in retrained["segments history"].splitlines()[1:]]
    assert moves == [line.split()[2:4] for line in history.splitlines()[1:]]


def test_compare_prints_what_its_page_shows(retrained):
    (command,) = [command for command in retrained if "compare" in command]
    shown = output_of("docs/results.md", command)
    assert first_cells(without_notes(retrained[command])) == first_cells(without_notes(shown))


def test_audience_and_lift_print_what_their_page_shows(store, tmp_path):
    audience, lift = commands(PAGES["docs/audiences.md"])
    words = words_of(audience)
    printed = store.run(*words[:-1], tmp_path / "highvalue.csv").stdout
    shown = output_of("docs/audiences.md", audience)
    without_numbers = [re.sub(r"[\d,]+", "N", text.replace(f"{tmp_path}/", "")) for text in (printed, shown)]
    assert without_numbers[0].strip() == without_numbers[1].strip()
    assert words_of(lift)[0] == "lift"
    head = output_of("docs/audiences.md", lift).splitlines()[1]
    orders = tmp_path / "orders.csv"
    ids = pd.read_csv(tmp_path / "highvalue.csv", dtype=str).customer_id
    day = pd.Timestamp(pd.read_csv(tmp_path / "highvalue.csv").as_of[0]) + pd.Timedelta(days=3)
    lines = {"CustomerID": ids, "InvoiceDate": str(day), "Quantity": 1, "UnitPrice": 9.5, "InvoiceNo": ids}
    pd.DataFrame(lines).to_csv(orders, index=False)
    assert head in store.run("lift", tmp_path / "highvalue.csv", orders).stdout.splitlines()
