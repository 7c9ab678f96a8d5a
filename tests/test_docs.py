"""The README is true: its commands exist, are all there, and run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import requests

from training.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {
    path.name: path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
}


def shell_commands(text):
    """The commands behind `$ ` in console blocks; a line that is indented goes on with the one before."""
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [
        re.sub(r"\n\s+", " ", command)
        for block in blocks
        for command in re.findall(r"^\$ (.*(?:\n[ ]{2,}.*)*)", block, flags=re.MULTILINE)
    ]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_is_in_the_readme(name):
    assert f"| `segments {name}" in README


@pytest.mark.parametrize("text", DOCS.values(), ids=DOCS)
def test_every_option_that_the_docs_name_exists(text):
    known = {
        option
        for command in main.commands.values()
        for p in command.params
        for option in (*p.opts, *p.secondary_opts)
    }
    known |= {"--help", "--env-manager", "--experiment-name", "--app"}
    known |= {"--master", "--driver-memory"}  # Spark's
    known |= {"--seconds", "--seed", "--target"}  # of checks/fuzz.py
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


@pytest.mark.parametrize("text", DOCS.values(), ids=DOCS)
def test_every_linked_file_exists(text):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / link).exists() or (ROOT / "docs" / link).exists(), link


def test_make_knows_the_readmes_targets():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", README)) <= set(targets)


def test_the_readmes_numbers_are_what_training_prints(store):
    shown = README.split("```console")[1]
    log = store.artifact("summary.json").read_text()
    assert json.loads(log)["outcome"][0] in shown  # the store searches fewer trials; the counting is the same


def test_the_readmes_request_gets_the_answer_it_shows(served, store):
    (command,) = [c for c in shell_commands(README) if c.startswith("curl")]
    words = shlex.split(command)
    payload = json.loads(words[words.index("-d") + 1])
    with served(["segments", "serve", "--port", "{port}"], store, "/ping") as address:
        answer = requests.post(f"{address}/invocations", json=payload, timeout=30).json()
    shown = json.loads(re.search(r'\{"predictions": .*?\]\}', README, flags=re.DOTALL).group())
    assert answer["predictions"][0].keys() == shown["predictions"][0].keys()
    assert answer["predictions"][0]["segment_name"] == shown["predictions"][0]["segment_name"]


def test_the_readmes_mapping_example_runs(new_folder):
    (command,) = [c for c in shell_commands(README) if c.startswith("segments train orders.csv")]
    shop = new_folder("readme")
    lines = ["Kundennr;Datum;Summe"]
    lines += [
        f"{c};{1 + (c * 3 + o * 5) % 28:02d}/{1 + (c + o) % 12:02d}/2024;{5 + (c * 37 + o * 11) % 400},50"
        for c in range(120)
        for o in range(1 + c % 5)
    ]
    (shop.folder / "orders.csv").write_text("\n".join(lines))
    done = shop.run(
        *shlex.split(command)[1:], "--trials", "3", "--min-stability", "0", "--min-share", "0.001"
    )
    assert "120 customers as of" in done.stdout
