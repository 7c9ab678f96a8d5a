"""What commands print: on a terminal, on a narrow one, in a log, and for other programs."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from training import console, outcome_json, progress
from training.clustering.sweep import Trial

ROWS = [
    ("segments", ">= 3", "4", "pass"),
    ("answers", "its input example over HTTP, as by itself", "Unanswered: the server ended at once", "FAIL"),
]
HEAD = ("rule", "expected", "found", "verdict")


def printed(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    console.print_table(HEAD, ROWS)
    return capsys.readouterr().out.splitlines()


def test_a_table_keeps_to_a_narrow_terminal_and_breaks_no_word(capsys, monkeypatch):
    lines = printed(capsys, monkeypatch, "60")
    assert max(map(len, lines)) <= 60
    assert lines[:2] == [
        "rule      expected             found                 verdict",
        "segments  >= 3                 4                     pass",
    ]
    assert lines[2].startswith("answers   its input example    Unanswered: the       FAIL")
    assert " ".join(line[10:31].strip() for line in lines[2:]).strip() == ROWS[1][1]


def test_a_table_is_one_line_a_row_where_nothing_limits_it(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    console.print_table(HEAD, ROWS)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(("no_color", "expected"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_they_are_not_wanted(tmp_path, no_color, expected):
    parent, child = pty.openpty()
    environment = os.environ | {"NO_COLOR": no_color, "TERM": "xterm"}
    command = [Path(sys.executable).with_name("segments"), "compare", "a.csv", "--from", "x", "--to", "y"]
    subprocess.run(command, stdout=child, stderr=child, env=environment, cwd=tmp_path)
    os.close(child)
    output = os.read(parent, 4096).decode()
    os.close(parent)
    assert "Error:" in output
    assert ("\x1b[31m" in output) is expected


def trials(silhouettes):
    return [
        Trial(number, 3, 0.5, 15, {"silhouette": silhouette}, {})
        for number, silhouette in enumerate(silhouettes)
    ]


def shown(monkeypatch, silhouettes, **options):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress.SweepProgress(len(silhouettes), **options) as sweep:
        for trial in trials(silhouettes):
            sweep.show(trial)
    return log.getvalue().splitlines()


def test_a_log_gets_a_few_whole_lines(monkeypatch):
    assert shown(monkeypatch, [0.1, 0.4, 0.3, 0.2, 0.5, 0.1, 0.1, 0.1]) == [
        "Sweep: 2 of 8 trials, best silhouette 0.4000 at k=3",
        "Sweep: 4 of 8 trials, best silhouette 0.4000 at k=3",
        "Sweep: 6 of 8 trials, best silhouette 0.5000 at k=3",
        "Sweep: 8 of 8 trials, best silhouette 0.5000 at k=3",
        "Testing stability, fitting, drawing ...",
    ]


def test_a_worker_of_one_trial_says_so_and_nothing_of_what_comes_after(monkeypatch):
    assert shown(monkeypatch, [0.0], only_trials=True) == ["Sweep: 1 of 1 trials, none within the limits yet"]


def test_the_outcome_goes_to_the_standard_output_and_the_text_to_stderr(capsys):
    with outcome_json.outcome_as_json("-") as outcome:
        click.echo("for people")
        outcome |= {"version": 3, "worth": float("nan"), "names": ("a", "b")}
    output = capsys.readouterr()
    assert json.loads(output.out) == {"version": 3, "worth": None, "names": ["a", "b"]}
    assert output.err == "for people\n"


def write_and_raise(path, error):
    with outcome_json.outcome_as_json(str(path)) as outcome:
        outcome |= {"promoted": False}
        raise error


def test_a_command_that_ends_with_an_exit_code_has_an_outcome_and_a_failed_one_has_none(tmp_path):
    with pytest.raises(SystemExit):
        write_and_raise(tmp_path / "new" / "a.json", SystemExit(1))
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"promoted": False}
    with pytest.raises(ValueError, match="bad"):
        write_and_raise(tmp_path / "b.json", ValueError("bad"))
    assert not (tmp_path / "b.json").exists()


def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path):
    command = f"{sys.executable} -m training.cli train --help | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Usage")
    assert done.stderr == ""
