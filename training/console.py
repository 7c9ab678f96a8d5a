"""What commands print: tables of text, numbers to the right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from contract.words import NOTHING, WORDS, amount, measure, number, percent, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from training.lift import Lift
    from training.monitor import Report
    from training.shop import Shop

NUMBER = re.compile(rf"((under|over) )?-?[0-9][0-9.,]*%?|{NOTHING}|")


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head; numbers to the right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    columns = [_aligned(column) for column in zip(head, *texts, strict=True)]
    for cells in zip(*columns, strict=True):
        click.echo("  ".join(cells).rstrip())


def _aligned(column: Sequence[str]) -> list[str]:
    """A head and its texts, all of one width."""
    width = max(map(len, column))
    numbers = all(map(NUMBER.fullmatch, column[1:]))
    return [text.rjust(width) if numbers else text.ljust(width) for text in column]


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
        (row.segment, row.treated, row.control, *map(amount, (row.spent, row.spent_control, row.difference)))
        for row in effect.segments.itertuples()
    ]
    both = (effect.treated, effect.control, amount(effect.spent), NOTHING, amount(effect.difference))
    head = ("segment", "written to", "held out", "spent each", "held out spent", "difference")
    print_table(head, [*rows, ("all, by segment", *both)])
    click.echo("\n" + "\n".join(lift.sentences()))
