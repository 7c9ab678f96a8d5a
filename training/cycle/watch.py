"""Cycle after cycle, each in a process of its own: no failure of one ends the others, and memory is given back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from datetime import datetime
from types import FrameType

import click

from training.guard import guarded
from training.processes import ENDING, handled, start, stop_all

LOOK_SECONDS = 0.2  # from one look at the cycle's process to the next


def run_cycles(words: Sequence[str], seconds: float) -> None:
    """`segments cycle WORDS` every so many seconds, until a signal of ENDING; the cycle at work is ended, too."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    command = [sys.executable, "-m", "training.cli", "cycle", *words]
    with handled(ENDING, end), guarded() as mark:
        while not ended.is_set():
            process = start(command, os.environ | mark)
            code = _code(process, ended)
            if code is None:
                break
            click.echo(f"{datetime.now():%Y-%m-%d %H:%M:%S} {meaning(code)}")
            ended.wait(seconds)
    click.echo("Watching has ended.")


def meaning(code: int) -> str:
    """The exit code of a cycle in words."""
    meanings = {
        0: "The cycle is done.",
        1: "The cycle was stopped.",
        3: "A version waits for approval.",
        4: "Another cycle is at work.",
    }
    return meanings.get(code, f"The cycle failed (exit code {code}). The next one tries again.")


def _code(process: subprocess.Popen[bytes], ended: threading.Event) -> int | None:
    """The exit code of a cycle; None when it was ended, because the watching ends."""
    try:
        while process.poll() is None:
            if ended.wait(LOOK_SECONDS):
                return None
        return process.returncode
    finally:
        stop_all([process])


def typed_words(context: click.Context, without: Collection[str]) -> list[str]:
    """The words that the user typed, for another command that has the same parameters but those of `without`."""
    options, arguments = [], []
    for parameter in context.command.params:
        name = str(parameter.name)
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if name in without or not typed:
            continue
        value = context.params[name]
        if isinstance(parameter, click.Argument):
            arguments += list(value)
        elif isinstance(value, bool):
            options.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            for each in value if parameter.multiple else [value]:
                options += [parameter.opts[0], str(each)]
    return [*options, "--", *arguments]
