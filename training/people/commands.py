"""`segments forget`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from training.errors import InputError
from training.options import json_option
from training.outcome_json import outcome_as_json

EXIT_AT_WORK = 1


@click.command()
@click.argument("customers", nargs=-1, metavar="[ID]...")
@click.option(
    "--lists",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Lists that were written, or a folder of them: take the customer out there, too.",
)
@click.option("--undo/--no-undo", default=False, help="Let trainings count the customer again.")
@click.option(
    "--move-kept/--no-move-kept",
    default=False,
    help="Move e-mail addresses and the like of earlier releases out of their runs.",
)
@click.option("--dry-run/--no-dry-run", default=False, help="Only say what would be done.")
@json_option
def forget(
    customers: tuple[str, ...],
    lists: tuple[Path, ...],
    undo: bool,
    move_kept: bool,
    dry_run: bool,
    json_path: str,
) -> None:
    """Take the customers ID out of all runs, versions and kept columns, and leave them out of all trainings to come.

    Exit code 1: a training is at work that may have read them; run it again when it has ended.
    """
    from training.cycle.steps import LEASE
    from training.people import remembered
    from training.people.earlier import move_kept_columns
    from training.people.forgetting import check_ids
    from training.people.forgetting import forget as forget_customers
    from training.store.connection import connect
    from training.store.lease import leased

    ids = check_ids(customers)
    _check(ids, undo, move_kept, lists)
    client = connect()
    with outcome_as_json(json_path) as outcome, leased(client, LEASE):
        if move_kept:
            moved = move_kept_columns(client, dry_run)
            click.echo("\n".join(moved.sentences))
            outcome |= moved.as_json()
        elif undo:
            if not dry_run:
                remembered.let_back(client, ids)
            outcome |= {"let_back": ids, "dry_run": dry_run}
            verb = "would count" if dry_run else "counts"
            click.echo(
                f"The next training {verb} {', '.join(ids)} again, if the data still hold the customer."
            )
        else:
            forgotten = forget_customers(client, ids, lists, dry_run)
            outcome |= forgotten.as_json()
            click.echo("\n".join(forgotten.sentences))
            if forgotten.at_work:
                sys.exit(EXIT_AT_WORK)


def _check(ids: list[str], undo: bool, move_kept: bool, lists: tuple[Path, ...]) -> None:
    if move_kept and (ids or undo or lists):
        raise InputError("--move-kept was given with something else. Expected it alone, or with --dry-run.")
    if undo and lists:
        raise InputError("--undo was given with --lists. Expected one of them. Leave one out.")
    if not ids and not move_kept:
        raise InputError(
            "No id was given. Expected at least one: segments forget ID. Give the customer's id."
        )
