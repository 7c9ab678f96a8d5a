"""The options that commands share, and what is made of them: limits, tolerance, features, reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from contract.names import FEATURES
from training.errors import InputError

if TYPE_CHECKING:
    from training.clustering.sweep import Limits
    from training.gate import Tolerance
    from training.shop import Reading


def _with(options: Sequence[Callable], command: Callable) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


def source_options(command: Callable) -> Callable:
    """The options that say how the files or the table of transactions are read."""
    options = [
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="ROLE=NAME",
            help="Which column is customer, email, invoice, date, time, quantity, price, amount, total, refunded, "
            "status, currency, stock_code or country; none: no column is.",
        ),
        click.option(
            "--date-order",
            type=click.Choice(["auto", "day-first", "month-first"]),
            default="auto",
            help="How 01/02/2024 is meant; auto lets the data decide.",
        ),
        click.option(
            "--decimal",
            type=click.Choice(["auto", "point", "comma"]),
            default="auto",
            help="How 1,234 is meant; auto lets the data decide.",
        ),
        click.option("--table", default="", help="The table, when INPUT is a database: duckdb://shop.db."),
        click.option(
            "--layout", default="auto", help="A known shop's export, by its name; auto: by its header; none."
        ),
        click.option("--currency", default="", help="Count only money in this currency: USD."),
        click.option(
            "--timezone",
            default="",
            help="Count days on the clock of this zone: Europe/Berlin; else as written.",
        ),
        click.option(
            "--status-counts", default="", metavar="VALUE,...", help="Status values of orders that count."
        ),
        click.option(
            "--guests",
            default="auto",
            help="Customer ids that stand for nobody, comma-separated; auto; none.",
        ),
        click.option(
            "--far-dates",
            type=click.Choice(["aside", "keep"]),
            default="aside",
            help="Few dates that lie years from all others: set them aside, or keep them.",
        ),
        click.option(
            "--header/--no-header", default=True, help="Whether files begin with names; else 1, 2, 3."
        ),
        click.option(
            "--keep", default="", metavar="NAME,...", help="Columns to carry along to each customer."
        ),
    ]
    return _with(options, command)


def reading_options(command: Callable) -> Callable:
    """The options that say how transactions are read, and from which day they are looked back on."""
    as_of = click.option(
        "--as-of",
        default="auto",
        metavar="YYYY-MM-DD",
        help="Look back from this day, whose lines are not used any more; auto: latest date + 1 day.",
    )
    return source_options(as_of(command))


def engine_option(command: Callable) -> Callable:
    """The option that says where transactions are counted."""
    return click.option(
        "--engine",
        type=click.Choice(["duckdb", "spark"]),
        default="duckdb",
        help="What reads, cleans and counts; spark needs the extra `spark` and Java.",
    )(command)


def counting_options(command: Callable) -> Callable:
    """The options that decide what counts as money; a model keeps them for its scoring."""
    options = [
        click.option(
            "--returns",
            type=click.Choice(["net", "drop"]),
            default="net",
            help="Subtract cancellations from the customer's money, or just remove their lines.",
        ),
        click.option(
            "--duplicates",
            type=click.Choice(["drop", "keep"]),
            default="drop",
            help="Exact duplicate lines: drop them, or keep each as a purchase of its own.",
        ),
    ]
    return _with(options, command)


def _share(_: click.Context, __: click.Parameter, value: float) -> float:
    """A value from 0 to 1, which nan is not."""
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{value:g} is not from 0 to 1.")
    return value


def limit_options(command: Callable) -> Callable:
    """The limits that a segmentation must keep to be of use."""
    options = [
        click.option(
            "--min-segments", default=3, type=click.IntRange(2), help="Fewest segments that are of use."
        ),
        click.option(
            "--max-segments", default=12, type=click.IntRange(2), help="Most segments that are of use."
        ),
        click.option(
            "--min-share",
            default=0.05,
            callback=_share,
            help="Smallest segment, as a share of all customers.",
        ),
        click.option(
            "--min-anomaly-rate",
            default=0.001,
            callback=_share,
            help="Fewest anomalies, as a share of all customers.",
        ),
        click.option(
            "--max-anomaly-rate",
            default=0.05,
            callback=_share,
            help="Most anomalies, as a share of all customers.",
        ),
        click.option(
            "--min-stability",
            default=0.8,
            callback=_share,
            help="Agreement with bootstrap refits (mean adjusted Rand index).",
        ),
    ]
    return _with(options, command)


def gate_options(command: Callable) -> Callable:
    """How far a challenger may differ from the champion."""
    options = [
        click.option(
            "--max-silhouette-loss",
            default=0.02,
            callback=_share,
            help="How much lower than the champion's it may be.",
        ),
        click.option(
            "--max-moved",
            default=0.2,
            callback=_share,
            help="Customers who may change segment, as a share of all customers.",
        ),
    ]
    return _with(options, command)


def tolerance_of(options: dict[str, Any]) -> Tolerance:
    """Take what the gate tolerates out of a command's options."""
    from training.gate import Tolerance

    return Tolerance(**{name: options.pop(name) for name in Tolerance.__dataclass_fields__})


def limits_of(options: dict[str, Any]) -> Limits:
    """Take the limits out of a command's options."""
    from training.clustering.sweep import Limits

    limits = Limits(**{name: options.pop(name) for name in Limits.__dataclass_fields__})
    for low, high in (("min_segments", "max_segments"), ("min_anomaly_rate", "max_anomaly_rate")):
        least, most = getattr(limits, low), getattr(limits, high)
        if not 0 < least <= most:
            raise InputError(
                f"--{low.replace('_', '-')} {least:g} and --{high.replace('_', '-')} {most:g} leave nothing between. "
                "Expected the first above 0 and the second no lower. Change one of them."
            )
    return limits


def features_of(names: str) -> tuple[str, ...]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FEATURES]
    if unknown or not wanted:
        raise InputError(
            f"--features {names} has no known feature {', '.join(unknown)}. Expected some of {', '.join(FEATURES)}. "
            "Correct the names."
        )
    return tuple(name for name in FEATURES if name in wanted)


def reading_of(columns: Sequence[str], as_of: str, **options: Any) -> Reading:
    from training.shop import Reading

    pairs = [pair for text in columns for pair in re.split(r",(?=\w+=)", text) if pair]
    unusable = [pair for pair in pairs if "=" not in pair]
    if unusable:
        raise InputError(
            f"--column {unusable[0]} names no column. Expected ROLE=NAME. Write --column customer=NAME."
        )
    mapping = dict(pair.split("=", 1) for pair in pairs)
    given = {name: value for name, value in options.items() if value not in ("auto", "")}
    for name in ("status_counts", "keep"):
        if name in given:
            given[name] = tuple(part.strip() for part in given[name].split(",") if part.strip())
    return Reading(columns=mapping, as_of=None if as_of == "auto" else day_of("--as-of", as_of), **given)


def day_of(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text} is not a day. Expected YYYY-MM-DD, such as 2011-12-10.") from None
