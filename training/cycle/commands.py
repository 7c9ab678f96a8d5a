"""The commands that run unattended, and those of the person who looks after them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from training.errors import InputError
from training.options import (
    CycleCommandOptions,
    counting_options,
    cycle_options,
    days_of,
    drift_options,
    engine_option,
    gate_options,
    json_option,
    limit_options,
    outlook_options,
    reading_of,
    reading_options,
    search_options,
    seconds_of,
    settings_of,
    thresholds_of,
    tolerance_of,
)
from training.outcome_json import outcome_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.cycle.steps import Order
    from training.options import Command, Parameters, Result


def work_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """All that `segments cycle` and `segments watch` are told about the work."""
    options: list[Callable[[Command[Parameters, Result]], Command[Parameters, Result]]] = [
        reading_options,
        engine_option,
        counting_options,
        search_options,
        limit_options,
        gate_options,
        outlook_options,
        drift_options,
        cycle_options,
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="SOURCE...")
@work_options
def cycle(inputs: tuple[str, ...], **options: Unpack[CycleCommandOptions]) -> None:
    """Do what new data ask for: train, judge, promote, write lists, tell; nothing where nothing is to do.

    Made for cron and the like. Exit code 0: done, or nothing to do; 1: stopped by the gate, the limits or the reading;
    2: cannot run; 3: a version waits for approval; 4: another cycle is at work.
    """
    from training import processes
    from training.console import print_counted, print_verdict
    from training.cycle.steps import EXIT_BUSY, Said, run_cycle
    from training.signing import check_signing_key
    from training.store.connection import connect
    from training.store.lease import Busy
    from training.store.tracking import check_ready

    order = _order(inputs, options)
    ending = (signal.SIGTERM, signal.SIGHUP)
    with outcome_as_json(options["json_path"]) as outcome, processes.handled(ending, processes.leave):
        client = connect()
        check_ready(client)
        check_signing_key()
        try:
            result = run_cycle(client, order, Said(click.echo, print_counted, print_verdict))
        except Busy as busy:
            click.echo(str(busy), err=True)
            outcome |= {"outcome": "busy", "reason": str(busy), "exit_code": EXIT_BUSY}
            sys.exit(EXIT_BUSY)
        outcome |= result.as_json()
        if result.exit_code:
            sys.exit(result.exit_code)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--check-every", default="1h", metavar="1h", help="How long to wait from one cycle to the next."
)
@work_options
def watch(inputs: tuple[str, ...], check_every: str, **options: Unpack[CycleCommandOptions]) -> None:
    """Run `segments cycle` with the same options again and again; SIGTERM and Ctrl-C end it.

    A cycle that fails is told, and the next one tries again.
    """
    from training.cycle.watch import run_cycles, typed_words

    seconds = seconds_of("--check-every", check_every)
    _order(inputs, options)  # what cannot work is told at once
    run_cycles(typed_words(click.get_current_context(), without=("check_every",)), seconds)


@click.command()
@click.argument("version", default="")
@click.option("--reject", default="", metavar="REASON", help="Say no, and why.")
@json_option
def approve(version: str, reject: str, json_path: str) -> None:
    """Let VERSION become champion, by default the one that waits; the next cycle promotes it.

    Versions wait where `segments cycle --approve by-hand` left them.
    """
    from dataclasses import asdict

    from training.cycle.approval import decide
    from training.store.connection import connect

    with outcome_as_json(json_path) as outcome:
        number, approval = decide(connect(), version, reject.strip())
        outcome |= {"version": number, **asdict(approval)}
        done = "The next cycle tells it." if reject.strip() else "The next cycle makes it champion."
        click.echo(f"Version {number} is {approval}. {done}")


@click.command()
@click.option(
    "--keep", required=True, type=click.IntRange(1), help="How many of the latest trainings stay whole."
)
@click.option("--dry-run/--no-dry-run", default=False, help="Only say what would be deleted.")
@json_option
def prune(keep: int, dry_run: bool, json_path: str) -> None:
    """Delete what older trainings and cycles left: versions, runs, tables, artifacts.

    A version that has an alias, waits for approval, or was champion stays with its run; only its trials go.
    """
    from training.cycle.prune import delete, plan
    from training.cycle.steps import LEASE
    from training.store.connection import connect
    from training.store.lease import leased

    client = connect()
    with outcome_as_json(json_path) as outcome, leased(client, LEASE):
        planned = plan(client, keep)
        click.echo("\n".join(planned.sentences(dry_run)))
        outcome |= planned.as_json()
        if not dry_run:
            freed = delete(client, planned)
            outcome["freed_bytes"] = freed.bytes
            click.echo(freed.sentence)


COMMANDS = (cycle, watch, approve, prune)


def _order(inputs: Sequence[str], options: CycleCommandOptions) -> Order:
    """What a cycle is asked to do. Raises InputError when it cannot be done."""
    from training.audience import pairs_of
    from training.cycle.channels import channels_of
    from training.cycle.decision import Schedule
    from training.cycle.export import Export
    from training.cycle.steps import Order

    schedule = Schedule(days_of("--every", options["every"]), options["always"])
    if any(options["export_where"]) and not options["export"]:
        raise InputError(
            "--export-where was given without --export. Expected the folder of the list. Add it."
        )
    pairs_of(options["export_where"])
    export = Export(Path(options["export"]), options["export_where"], options["export_for"])
    channels = channels_of(options["notify"], options["notify_file"], options["notify_command"])
    thresholds, settings = thresholds_of(options), settings_of(options)
    return Order(
        inputs,
        reading_of(options),
        settings,
        tolerance_of(options),
        thresholds,
        schedule,
        options["approve"] == "by-hand",
        export if options["export"] else None,
        channels,
    )
