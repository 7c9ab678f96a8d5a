"""What commands print: tables of text, numbers to the right."""

from __future__ import annotations

import re
import shutil
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

import click

from contract.words import NOTHING, WORDS, amount, measure, number, percent, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from training.gate import Verdict
    from training.lift import Lift
    from training.monitor import Report
    from training.shop import Shop
    from training.train import Outcome

NUMBER = re.compile(rf"((under|over) )?-?[0-9][0-9.,]*%?|{NOTHING}|")
GAP = "  "  # between two columns
UNLIMITED = 10_000  # columns of what is no terminal
COLOURS = {"pass": "green", "ok": "green", "watch": "yellow", "FAIL": "red", "drift": "red"}


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head; numbers to the right. On a narrow terminal, cells go on in the next line."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    columns = list(zip(head, *texts, strict=True))
    widths = _widths(columns, shutil.get_terminal_size(fallback=(UNLIMITED, 0)).columns)
    right = [all(map(NUMBER.fullmatch, column[1:])) for column in columns]
    for row, cells in enumerate([head, *texts]):
        wrapped = [_lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
        for line in zip_longest(*wrapped, fillvalue=""):
            placed = [
                _placed(cell, width, to_right, row == 0)
                for cell, width, to_right in zip(line, widths, right, strict=True)
            ]
            click.echo(GAP.join(placed).rstrip())


def _lines(cell: str, width: int) -> list[str]:
    return [cell] if len(cell) <= width else textwrap.wrap(cell, width)


def _widths(columns: Sequence[Sequence[str]], limit: int) -> list[int]:
    """The width of each column, so that all fit into `limit`: the widest gives way, but no word is broken."""
    widths = [max(map(len, column)) for column in columns]
    least = [max(len(word) for cell in column for word in (cell.split() or [""])) for column in columns]
    while sum(widths) + len(GAP) * (len(widths) - 1) > limit:
        room = [width - word for width, word in zip(widths, least, strict=True)]
        if max(room) <= 0:
            break
        widest = max(range(len(widths)), key=lambda column: (room[column] > 0, widths[column]))
        widths[widest] -= 1
    return widths


def _placed(cell: str, width: int, to_right: bool, is_head: bool) -> str:
    """A cell of one width: a head in bold, and a verdict in its colour, where the terminal has colours."""
    blanks = " " * (width - len(cell))
    styled = cell
    if cell in COLOURS:
        styled = click.style(cell, fg=COLOURS[cell])
    elif is_head and cell:
        styled = click.style(cell, bold=True)
    return blanks + styled if to_right else styled + blanks


def print_shop(shop: Shop) -> None:
    """Print how a shop's files were understood, what became of their lines, and what the customers spent in all."""
    if block := shop.understanding:
        rows = block.rows()
        width = max(len(what) for what, _ in rows)
        for what, text in rows:
            click.echo(f"{what.ljust(width)}  {text}")
        spent = f"{float(shop.customers.Monetary.sum()):,.2f} {block.currency}".rstrip()
        click.echo(f"{'spent'.ljust(width)}  {spent} by {len(shop.customers):,} customers\n")
    print_table(("step", "lines", "left"), shop.funnel.rows())
    for example in block.examples if block else ():
        titles = dict(shop.funnel.STEPS)
        click.echo(f"  {titles[example.step]}, such as {example}")


def print_counted(shop: Shop) -> None:
    """Print how a shop was understood, and how many customers there are."""
    print_shop(shop)
    counted = shop.sampled_from or len(shop.customers)
    click.echo(f"{counted:,} customers as of {shop.as_of:%Y-%m-%d %H:%M}")
    if others := shop.funnel.customers - counted:
        click.echo(f"{others:,} more bought nothing, or cancelled all they bought")
    if shop.sampled_from:
        click.echo(
            f"Training on a uniform sample of {len(shop.customers):,} customers; score scores them all"
        )
    click.echo()


def print_challenger(challenger: Outcome) -> None:
    """Print what a training came to, as soon as it is known."""
    click.echo("\n" + "\n".join(challenger.lines) + "\n")
    print_segments(challenger.profiles)
    click.echo("\n" + "\n".join([challenger.outlook, *challenger.warnings, challenger.identity]))


def print_registered(challenger: Outcome) -> None:
    """Print that a training is complete."""
    click.echo(f"Registered as version {challenger.version}, alias 'challenger' (run {challenger.run_id}).")


def print_verdict(verdict: Verdict) -> None:
    """Print the rules of the gate, and which of them hold."""
    print_table(
        ("rule", "expected", "found", "verdict"),
        [(rule.name, rule.expected, rule.found, "pass" if rule.holds else "FAIL") for rule in verdict.rules],
    )


def print_segments(profiles: pd.DataFrame) -> None:
    print_table(
        (
            "segment",
            "name",
            "customers",
            "share",
            "revenue share",
            "median spent",
            "median orders",
            "days since last",
        ),
        [
            (
                row.segment,
                row.name,
                row.customers,
                percent(row.share),
                percent(row.revenue_share),
                amount(row.median_Monetary),
                number(row.median_Frequency),
                number(row.median_Recency),
            )
            for row in profiles.itertuples(index=False)
        ],
    )


def print_drift(report: Report) -> None:
    training, now = report.training, report.now
    since = f" as of {now.as_of[:10]}" if now.as_of else ""
    trained = (training.as_of or "")[:10]
    click.echo(
        f"Version {report.model_version}: {training.customers:,} customers in training, as of {trained}; "
        f"{now.customers:,} now{since}.\n"
    )
    rows: list[tuple[str, ...]] = []
    for line in report.lines:
        distance = ("", "", "")
        if line.measure is not None:
            distance = (line.measure, f"{line.value:.3f}", f"{line.by_chance:.3f}")
        figures = (_figure(line.name, line.training), _figure(line.name, line.now))
        rows.append((line.name, *figures, *distance, line.verdict))
        if line.name == "segment":
            rows += [(f"  {b.label}", percent(b.training), percent(b.now), "", "", "", "") for b in line.bins]
    print_table(("what", "training", "now", "measure", "value", "by chance", "verdict"), rows)
    click.echo("\n" + "\n".join([*report.notes, f"Verdict: {report.verdict}. {report.advice}"]))


def _figure(name: str, value: float | None) -> str:
    """What a line of the drift report says of one side; nothing where it says something of its parts alone."""
    if value is None:
        return ""
    if name == "is_anomaly":
        return percent(value)
    return measure(name, value) if name in WORDS else score(value)


def print_lift(lift: Lift) -> None:
    """Print what a campaign brought: a row per segment, the sum, and the answer in sentences."""
    click.echo(f"Orders from {lift.start} to {lift.end}")
    effect = lift.effect
    rows = [
        (
            row.segment,
            row.treated,
            row.control,
            *map(amount, (row.spent, row.spent - row.difference, row.difference)),
        )
        for row in effect.segments.itertuples()
    ]
    money = (effect.spent, effect.expected, effect.difference)
    both = (effect.treated, effect.control, *map(amount, money))
    head = ("segment", "written to", "held out", "spent each", "without it", "difference")
    print_table(head, [*rows, ("all, by segment", *both)])
    click.echo("\n" + "\n".join(lift.sentences()))
