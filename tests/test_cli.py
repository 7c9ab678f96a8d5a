"""The command line: what it says to bad input, and that it registers nothing then."""

import json
import os

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner

from training.cli import main

HEAD = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"


def line(customer, invoice=1, day=1, quantity=1, price="2.50"):
    return f"{invoice},A,{quantity},2024-01-{day:02d} 10:00:00,{price},{customer}\n"


def many(customers, orders):
    return HEAD + "".join(
        line(c, f"{c}{o}", 1 + (c * 7 + o * 5) % 28, 1 + o, f"{1 + c % 17}.50")
        for c in range(customers)
        for o in range(orders(c))
    )


BAD = {
    "a missing file": (None, "nothing.csv", "nothing.csv"),
    "not a table": ("<!doctype html><html><body>Sign in</body></html>\n", "page.csv", "a web page"),
    "no customer column": (
        "Invoice,Nested,Date,Amount\n1,a,2024-01-01,2\n",
        "shop.csv",
        "--column customer=",
    ),
    "only the header": (HEAD, "shop.csv", "No purchase is left of 0 lines"),
    "no valid row": (HEAD + line(""), "shop.csv", "1 no customer id"),
    "too few customers": (many(9, lambda c: 1 + c % 3), "shop.csv", "9 customers are left"),
}


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("cli")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_clear_message_with_exit_code_2_and_nothing_registered(folder, name):
    content, file, message = BAD[name]
    if content is not None:
        (folder.folder / file).write_text(content)
    done = folder.run("train", file, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert folder.versions() == []


@pytest.mark.parametrize("command", [["train", "nothing.csv"], ["score", "nothing.csv", "-o", "out.xlsx"]])
def test_a_shell_sees_exit_code_2_and_one_line_on_stderr(folder, command):
    done = folder.process(*command, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_one_constant_feature_is_left_out_and_said(folder):
    (folder.folder / "once.csv").write_text(many(60, lambda _: 1))
    done = folder.run("train", "once.csv", "--features", "Frequency,Monetary", check=False)
    assert done.returncode == 2
    assert "Frequency is 1 for all 60 customers (all customers have one order)" in done.stderr


def test_limits_that_cannot_be_met_register_nothing_and_say_which_failed(folder):
    folder.run("demo")
    done = folder.run("train", "--trials", "4", "--min-share", "0.4", check=False)
    assert done.returncode == 2
    assert "min_share (0.4)" in done.stderr
    assert folder.versions() == []
    resumed = folder.run("train", "--trials", "4", "--min-share", "0.4", "--resume", check=False)
    assert "no interrupted training" in resumed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "Recency,Height"], "no known feature Height"),
        (["--column", "customer"], "Expected ROLE=NAME"),
        (["--as-of", "10/12/2011"], "Expected YYYY-MM-DD"),
        (["--as-of", "2001-01-01"], "on or after the as-of date"),
        (
            ["--min-segments", "5", "--max-segments", "4"],
            "--min-segments 5 and --max-segments 4 leave nothing between",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_named(folder, arguments, message):
    folder.run("demo")
    done = folder.run("train", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_help_answers_at_once(folder):
    before = os.times()
    assert "train" in folder.process("--help").stdout
    assert os.times().children_user - before.children_user < 1  # a tenth; importing MLflow takes two seconds


def test_the_demo_shop_is_written_only_where_there_is_nothing_else(new_folder):
    shop = new_folder("own")
    raw = shop.folder / "data" / "raw"
    shop.run("demo")
    (raw / "shop.csv").write_text(many(9, lambda c: 1 + c % 3))
    done = shop.run("train", check=False)
    assert "demo.csv.gz is left out" in done.stdout
    assert "9 customers are left" in done.stderr


def test_a_feature_table_is_scored_as_its_transactions_are(store, tmp_path):
    features, lines = store.artifact("data/features.parquet"), "data/raw/demo.csv.gz"
    unstamped = store.run("score", features, "--output", tmp_path / "a.parquet", "--json", "-")
    stamped = store.run("score", lines, "--output", tmp_path / "b.parquet", "--json", tmp_path / "b.json")
    assert "Name it with --as-of" in unstamped.stderr
    assert "Name it" not in stamped.stdout
    outcomes = json.loads(unstamped.stdout), json.loads((tmp_path / "b.json").read_text())
    assert [outcome["as_of"] for outcome in outcomes] == [None, "2024-12-21T17:45:00"]
    assert [outcome["customers"] for outcome in outcomes] == [1463, 1463]
    from_features, from_lines = (pd.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    left_out = ["as_of", "returns_note"]  # which a feature table has not
    pd.testing.assert_frame_equal(from_features.drop(columns="as_of"), from_lines.drop(columns=left_out))
    assert set(from_lines.model_version) == {1}
    assert set(from_lines.as_of) == {"2024-12-21T17:45:00"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Recency": -1.0}, "Row 0, column Recency: given -1"),
        ({"Monetary": None}, "Row 0, column Monetary: given nan"),
        ({"Monetary": "much"}, "Row 0, column Monetary: given 'much'"),
    ],
)
def test_a_bad_row_of_a_feature_table_is_named_and_nothing_is_written(store, tmp_path, change, message):
    table = pd.read_parquet(store.artifact("data/features.parquet")).head(3).astype(object)
    for name, value in change.items():
        table.loc[0, name] = value
    table.to_csv(tmp_path / "features.csv", index=False)
    done = store.run("score", tmp_path / "features.csv", "--output", tmp_path / "out.csv", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_an_output_of_another_kind_is_refused_before_any_work(store):
    done = store.run("score", "data/raw/demo.csv.gz", "--output", "out.xlsx", check=False)
    assert done.returncode == 2
    assert "Expected .parquet or .csv" in done.stderr


def test_what_was_scored_can_be_scored_again(store, tmp_path):
    store.run("score", "data/raw/demo.csv.gz", "--output", tmp_path / "once.csv")
    store.run("score", tmp_path / "once.csv", "--output", tmp_path / "twice.csv", "--as-of", "2024-12-22")
    once, twice = (pd.read_csv(tmp_path / name).drop(columns="as_of") for name in ("once.csv", "twice.csv"))
    pd.testing.assert_frame_equal(once, twice[once.columns])


def test_ids_of_a_feature_table_stay_as_they_are(store, tmp_path):
    (tmp_path / "features.csv").write_text(
        "CustomerID;Recency;Frequency;Monetary;AverageOrderValue;Tenure\n0010;5;2;300;150;100\nNA;5;2;300;150;100\n"
    )
    store.run("score", tmp_path / "features.csv", "--output", tmp_path / "out.csv")
    scored = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert scored.CustomerID.tolist() == ["0010", "NA"]
    assert scored.segment_name[0] == scored.segment_name[1] != ""


def test_a_feature_table_without_a_feature_names_it(store, tmp_path):
    (tmp_path / "four.csv").write_text("id,Recency,Frequency,Monetary,AverageOrderValue\na,5,2,300,150\n")
    done = store.run("score", tmp_path / "four.csv", "--output", tmp_path / "out.csv", check=False)
    assert done.returncode == 2
    assert "has no column Tenure" in done.stderr


@pytest.mark.parametrize("address", ["mlruns", "nothing://x"])
def test_a_store_that_cannot_be_used_is_named_without_a_traceback(folder, address):
    done = folder.run("rollback", check=False, MLFLOW_TRACKING_URI=address)
    assert done.returncode == 2
    assert f"The MLflow store at {address} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_shop_is_demo_data_however_it_is_named(api_store):
    client = mlflow.MlflowClient(*[api_store.environment["MLFLOW_TRACKING_URI"]] * 2)
    for version in ("1", "2"):  # trained on `data/raw`, and with no name given
        assert client.get_model_version("customer-segments", version).tags["data"] == "demo"


def test_several_columns_are_mapped_in_one_option(folder):
    (folder.folder / "kunden.csv").write_text("Kdnr,Wann,Summe\na,2024-01-05,3.50\n")
    done = folder.run("train", "kunden.csv", "--column", "customer=Kdnr,date=Wann,amount=Summe", check=False)
    assert "1 customers are left" in done.stderr


def test_scoring_without_a_champion_says_what_to_run(folder):
    folder.run("demo")
    done = folder.run("score", "data/raw/demo.csv.gz", "--output", "out.csv", check=False)
    assert done.returncode == 2
    assert "segments train" in done.stderr


@pytest.mark.parametrize("value", ["nan", "-0.1", "1.1", "inf"])
@pytest.mark.parametrize("option", ["--min-share", "--min-stability", "--max-anomaly-rate", "--max-moved"])
def test_a_share_is_from_0_to_1(option, value):
    done = CliRunner().invoke(main, ["promote", option, value])
    assert done.exit_code == 2
    assert f"{value} is not from 0 to 1" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--seed", "-1"],
        ["train", "--seed", "2147483648"],
        ["serve", "--port", "65536"],
        ["up", "--ui-port", "-1"],
    ],
    ids=" ".join,
)
def test_a_number_that_is_out_of_range_is_told(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "is not in the range" in done.stderr
