"""The options that commands share, and the settings that are made of them: limits, tolerance, features, reading."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, ParamSpec, TypedDict, TypeVar

import click

from contract.integrity import TRUST_REGISTRY
from contract.names import FEATURES
from training.clustering.weights import DEFAULT_WEIGHTS, written
from training.errors import InputError

if TYPE_CHECKING:
    from training.clustering.sweep import Limits
    from training.drift import Thresholds
    from training.rule import Tolerance
    from training.shop import Reading
    from training.train import Settings
    from training.value.verdict import Limits as ForecastLimits


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Command = Callable[Parameters, Result]

LIST_FORMS = (
    "plain",
    "mailchimp",
    "klaviyo",
    "google",
    "meta",
)  # contract.lists.files.FORMS, imported by none


class ReadingOptions(TypedDict, total=False):
    """The options of `reading_options`, `engine_option` and `counting_options`; a command has some of them."""

    columns: tuple[str, ...]
    date_order: str
    decimal: str
    table: str
    query: str
    layout: str
    currency: str
    timezone: str
    status_counts: str
    guests: str
    far_dates: str
    blank_lines: str
    header: bool
    keep: str
    as_of: str
    engine: str
    returns: str
    duplicates: str


class ScoreOptions(ReadingOptions):
    """The options of `segments score` and `segments compare` beside their own."""

    json_path: str


class LimitOptions(TypedDict):
    """The options of `limit_options`."""

    min_segments: int
    max_segments: int
    min_share: float
    min_value_step: float
    min_anomaly_rate: float
    max_anomaly_rate: float
    min_stability: float


class GateOptions(TypedDict):
    """The options of `gate_options`."""

    max_silhouette_loss: float
    max_moved: float
    max_order_value_change: float


class SearchOptions(TypedDict):
    """The options of `search_options`."""

    features: str
    weights: str
    anomaly_rate: float
    trials: int
    seed: int


class DriftOptions(TypedDict):
    """The options of `drift_options`."""

    watch: float
    drift_from: float
    watch_mix: float
    drift_mix: float


class OutlookOptions(TypedDict):
    """The options of `outlook_options`."""

    horizon: int
    forecast_behind_best: float
    forecast_least_rank: float
    forecast_quintile_within: float
    forecast_tenth_within: float
    forecast_covered_from: float
    forecast_covered_to: float
    forecast_level_factor: float
    forecast_level_within: float


class JsonOption(TypedDict):
    """The option of `json_option`."""

    json_path: str


class PromoteOptions(LimitOptions, GateOptions, JsonOption):
    """The options that `segments promote` shares with `segments train`."""


class TrainOptions(ReadingOptions, SearchOptions, LimitOptions, GateOptions, OutlookOptions, JsonOption):
    """The options that `segments train` shares with other commands."""


class CycleOptions(TypedDict):
    """The options of `cycle_options`."""

    every: str
    always: bool
    approve: str
    export: str
    export_where: tuple[str, ...]
    export_for: str
    notify: tuple[str, ...]
    notify_file: str
    notify_command: str


class CycleCommandOptions(TrainOptions, DriftOptions, CycleOptions):
    """The options of `segments cycle`."""


class DriftReportOptions(ReadingOptions, DriftOptions, JsonOption):
    """The options that `segments drift` shares with other commands."""


def _decorated(
    command: Command[Parameters, Result],
    options: Sequence[Callable[[Command[Parameters, Result]], Command[Parameters, Result]]],
) -> Command[Parameters, Result]:
    for option in reversed(options):
        command = option(command)
    return command


def trust_option(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """Let a server load what is registered, whoever registered it; its workers learn it from the environment."""

    def trust(_: click.Context, __: click.Parameter, wanted: bool) -> None:
        if wanted:
            os.environ[TRUST_REGISTRY] = "1"

    return click.option(
        "--trust-registry/--no-trust-registry",
        default=False,
        expose_value=False,
        callback=trust,
        help="Load models that no trusted key has signed, too: whoever can write to the registry runs code here.",
    )(command)


def source_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """The options that say how the files or the table of transactions are read."""
    options = [
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="ROLE=NAME",
            help="Which column is customer, email, invoice, date, time, quantity, price, amount, total, refunded, "
            "status, currency, stock_code, country, discount, discount_percent, order_discount, tax or shipping; "
            "none: no column is.",
        ),
        click.option(
            "--date-order",
            type=click.Choice(["auto", "day-first", "month-first", "year-first"]),
            default="auto",
            help="How 01/02/2024 or 010224 is meant; auto lets the data decide.",
        ),
        click.option(
            "--decimal",
            type=click.Choice(["auto", "point", "comma"]),
            default="auto",
            help="How 1,234 is meant; auto lets the data decide.",
        ),
        click.option(
            "--table",
            default="",
            metavar="[SCHEMA.]NAME",
            help="The table or view, when INPUT is a database: duckdb://shop.db.",
        ),
        click.option(
            "--query", default="", metavar="FILE", help="A file with one SELECT, instead of --table."
        ),
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
            "--blank-lines",
            type=click.Choice(["auto", "above", "nobody"]),
            default="auto",
            help="Lines without order, customer and date: of the order above, or nobody's; auto asks.",
        ),
        click.option(
            "--header/--no-header", default=True, help="Whether files begin with names; else 1, 2, 3."
        ),
        click.option(
            "--keep", default="", metavar="NAME,...", help="Columns to carry along to each customer."
        ),
    ]
    return _decorated(command, options)


def reading_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """The options that say how transactions are read, and from which day the shop looks back on them."""
    as_of = click.option(
        "--as-of",
        default="auto",
        metavar="YYYY-MM-DD",
        help="Look back from this day, and use the lines before it; auto: latest date + 1 day.",
    )
    return source_options(as_of(command))


def engine_option(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """The option that says where transactions are counted."""
    return click.option(
        "--engine",
        type=click.Choice(["duckdb", "spark"]),
        default="duckdb",
        help="What reads, cleans and counts; spark needs the extra `spark` and Java.",
    )(command)


def json_option(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """The option that writes the outcome for other programs."""
    return click.option(
        "--json",
        "json_path",
        default="",
        metavar="FILE",
        help="Also write the outcome as JSON; - is the standard output, and the text goes to stderr.",
    )(command)


def counting_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """The options that decide what counts as money. A model keeps them for its scoring."""
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
    return _decorated(command, options)


def _share(_: click.Context, __: click.Parameter, value: float) -> float:
    """A value from 0 to 1, and not nan."""
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{value:g} is not from 0 to 1.")
    return value


def search_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """What a search tries, and what it looks for."""
    options = [
        click.option(
            "--features",
            default=",".join(FEATURES),
            help="The features used for distances, comma-separated.",
        ),
        click.option(
            "--weights",
            default=written(DEFAULT_WEIGHTS),
            help="What each feature counts in the distances between segments; all 1 counts them alike.",
        ),
        click.option(
            "--anomaly-rate",
            default=0.015,
            help="The share of customers wanted as a list of the unusual; the nearest within the limits wins.",
        ),
        click.option("--trials", default=100, type=click.IntRange(1), help="Settings to try."),
        click.option(
            "--seed", default=0, type=click.IntRange(0, 2**31 - 1), help="Same data, same seed: same model."
        ),
    ]
    return _decorated(command, options)


def drift_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """From which values on customers are said to have drifted."""
    options = [
        click.option("--watch", default=0.1, help="PSI from which a line is to be watched."),
        click.option("--drift", "drift_from", default=0.25, help="PSI from which a line has drifted."),
        click.option(
            "--watch-mix", default=0.05, help="Share of customers in another segment, to be watched."
        ),
        click.option(
            "--drift-mix", default=0.1, help="Share of customers in another segment, which is drift."
        ),
    ]
    return _decorated(command, options)


def cycle_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """When an unattended cycle trains, who approves, which lists it writes, and to whom it tells what happens."""
    options = [
        click.option(
            "--every", default="", metavar="30d", help="Also train when the data go on for so long."
        ),
        click.option("--always/--no-always", default=False, help="Train whenever the data are new."),
        click.option(
            "--approve",
            type=click.Choice(["auto", "by-hand"]),
            default="auto",
            help="Promote what passes the gate, or let it wait for a person.",
        ),
        click.option(
            "--export", default="", metavar="FOLDER", help="Write who joined and left each segment."
        ),
        click.option(
            "--export-where",
            multiple=True,
            metavar="NAME=VALUE",
            help="Instead of the segments, one list, as of segments audience --where.",
        ),
        click.option(
            "--export-for",
            type=click.Choice(LIST_FORMS),
            default="plain",
            help="The tool whose import takes the lists.",
        ),
        click.option("--notify", multiple=True, metavar="URL", help="POST each event there, signed."),
        click.option(
            "--notify-file", default="", metavar="FILE", help="Append each event as a line of JSON."
        ),
        click.option(
            "--notify-command",
            default="",
            metavar="COMMAND",
            help="Run it with each event on its standard input.",
        ),
    ]
    return _decorated(command, options)


def days_of(option: str, text: str) -> int | None:
    """30d or 4w in days; None for the empty text. Raises InputError."""
    if not text:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})([dw])", text.strip())
    if match is None:
        raise InputError(
            f"{option} {text} is no time. Expected days or weeks, such as 30d or 4w. Correct it."
        )
    return int(match[1]) * {"d": 1, "w": 7}[match[2]]


def seconds_of(option: str, text: str) -> float:
    """90s, 15m, 1h or 1d in seconds. Raises InputError."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text.strip())
    if match is None:
        raise InputError(f"{option} {text} is no time. Expected 90s, 15m, 1h or 1d, for example. Correct it.")
    return float(int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]])


def limit_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
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
            "--min-value-step",
            default=1.25,
            type=click.FloatRange(1),
            help="How many times the median spend of the segment below each must have; 1 switches it off.",
        ),
        click.option(
            "--min-anomaly-rate",
            default=0.005,
            callback=_share,
            help="Fewest anomalies, as a share of all customers.",
        ),
        click.option(
            "--max-anomaly-rate",
            default=0.02,
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
    return _decorated(command, options)


def gate_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
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
        click.option(
            "--max-order-value-change",
            default=3.0,
            type=click.FloatRange(1),
            help="How many times higher or lower than the champion's the median value of an order may be.",
        ),
    ]
    return _decorated(command, options)


def outlook_options(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
    """How far the forecast looks ahead, and what it must keep on the past before anything of it is shown."""
    options = [
        click.option(
            "--horizon",
            default=90,
            type=click.IntRange(1, 3650),
            help="Days that the forecast looks ahead; it wants three times as many of history.",
        ),
        click.option(
            "--forecast-behind-best",
            default=0.03,
            callback=_share,
            help="How much lower than the best plain way's its rank correlation with spend may be.",
        ),
        click.option(
            "--forecast-least-rank",
            default=0.1,
            callback=_share,
            help="Lowest rank correlation with spend.",
        ),
        click.option(
            "--forecast-quintile-within",
            default=0.25,
            callback=_share,
            help="How far the orders of each of the upper three fifths may be from expectation, as a share.",
        ),
        click.option(
            "--forecast-tenth-within",
            default=0.15,
            callback=_share,
            help="How far the share who bought may be from the probability, in each tenth of customers.",
        ),
        click.option(
            "--forecast-covered-from",
            default=0.75,
            callback=_share,
            help="Fewest customers whose spend is in the range, as a share.",
        ),
        click.option(
            "--forecast-covered-to",
            default=0.95,
            callback=_share,
            help="Most customers whose spend is in the range, as a share.",
        ),
        click.option(
            "--forecast-level-factor",
            default=2.0,
            type=click.FloatRange(1),
            help="How many times too high or too low the orders expected in all may be.",
        ),
        click.option(
            "--forecast-level-within",
            default=0.1,
            callback=_share,
            help="How far they may be off, as a share, without a caution.",
        ),
    ]
    return _decorated(command, options)


def forecast_limits_of(options: OutlookOptions) -> ForecastLimits:
    """What a forecast must keep, from a command's options. Raises InputError when nothing can keep it."""
    from training.value.verdict import Limits

    least, most = options["forecast_covered_from"], options["forecast_covered_to"]
    if least > most:
        raise InputError(
            f"--forecast-covered-from {least:g} and --forecast-covered-to {most:g} leave nothing between. Expected the "
            "first no higher than the second. Change one of them."
        )
    return Limits(
        behind_best=options["forecast_behind_best"],
        least_rank=options["forecast_least_rank"],
        quintile_within=options["forecast_quintile_within"],
        tenth_within=options["forecast_tenth_within"],
        covered_from=least,
        covered_to=most,
        level_factor=options["forecast_level_factor"],
        level_within=options["forecast_level_within"],
    )


def settings_of(options: TrainOptions) -> Settings:
    """What a search depends on besides the data, from a command's options. Raises InputError."""
    from training.train import Settings

    limits = limits_of(options)
    return Settings(
        limits,
        options["trials"],
        options["seed"],
        features_of(options["features"]),
        weights_of_text(options["weights"]),
        anomaly_rate_of(options["anomaly_rate"], limits),
        options["horizon"],
        forecast_limits_of(options),
    )


def thresholds_of(options: DriftOptions) -> Thresholds:
    """The thresholds of drift, from a command's options. Raises InputError when two are out of order."""
    from training.drift import Thresholds

    pairs = (
        ("", options["watch"], options["drift_from"]),
        ("-mix", options["watch_mix"], options["drift_mix"]),
    )
    for suffix, low, high in pairs:
        if not 0 < low <= high:
            raise InputError(
                f"--watch{suffix} {low:g} and --drift{suffix} {high:g} are out of order. Expected the first above "
                "0 and the second no lower. Change one of them."
            )
    return Thresholds(options["watch"], options["drift_from"], options["watch_mix"], options["drift_mix"])


def tolerance_of(options: GateOptions) -> Tolerance:
    """The gate's tolerance, from a command's options."""
    from training.rule import Tolerance

    return Tolerance(options["max_silhouette_loss"], options["max_moved"], options["max_order_value_change"])


def limits_of(options: LimitOptions) -> Limits:
    """The limits, from a command's options. Raises InputError when they leave nothing between them."""
    from training.clustering.sweep import Limits

    limits = Limits(
        min_segments=options["min_segments"],
        max_segments=options["max_segments"],
        min_share=options["min_share"],
        min_value_step=options["min_value_step"],
        min_anomaly_rate=options["min_anomaly_rate"],
        max_anomaly_rate=options["max_anomaly_rate"],
        min_stability=options["min_stability"],
    )
    for low, high in (("min_segments", "max_segments"), ("min_anomaly_rate", "max_anomaly_rate")):
        least, most = getattr(limits, low), getattr(limits, high)
        if not 0 < least <= most:
            raise InputError(
                f"--{low.replace('_', '-')} {least:g} and --{high.replace('_', '-')} {most:g} leave nothing between. "
                "Expected the first above 0 and the second no lower. Change one of them."
            )
    return limits


def features_of(text: str) -> tuple[str, ...]:
    """The features of a comma-separated list, in the order of FEATURES. Raises InputError for an unknown name."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FEATURES]
    if unknown or not names:
        raise InputError(
            f"--features {text} has no known feature {', '.join(unknown)}. Expected some of {', '.join(FEATURES)}. "
            "Correct the names."
        )
    return tuple(name for name in FEATURES if name in names)


def weights_of_text(text: str) -> dict[str, float]:
    """What each feature counts in k-means' distances, from Recency=0.7,Frequency=1; the others keep their default.

    Raises InputError for an unknown name, and for a weight that is no number above 0.
    """
    weights = dict(DEFAULT_WEIGHTS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if name not in FEATURES or not re.fullmatch(r"[0-9]*[.]?[0-9]+", number) or float(number) <= 0:
            raise InputError(
                f"--weights {part} cannot be used. Expected NAME=NUMBER with a number above 0 and a name among "
                f"{', '.join(FEATURES)}. To leave a feature out, use --features."
            )
        weights[name] = float(number)
    return weights


def anomaly_rate_of(rate: float, limits: Limits) -> float:
    """The wanted share of anomalies. Raises InputError when it lies outside the limits."""
    low, high = limits.min_anomaly_rate, limits.max_anomaly_rate
    if not low <= rate <= high:
        raise InputError(
            f"--anomaly-rate {rate:g} is not between --min-anomaly-rate {low:g} and --max-anomaly-rate {high:g}. "
            "Expected a share between them. Change one of the three."
        )
    return rate


def reading_of(options: ReadingOptions) -> Reading:
    """How a shop's files are read and counted, from a command's options; `auto` leaves it to the data."""
    from training.shop import Reading

    as_of = options.get("as_of", "auto")
    return Reading(
        columns=_columns(options.get("columns", ())),
        date_order=_unless_auto(options.get("date_order")),
        decimal=_unless_auto(options.get("decimal")),
        table=options.get("table") or None,
        query=options.get("query") or None,
        as_of=None if as_of == "auto" else day_of("--as-of", as_of),
        layout=options.get("layout", Reading.layout),
        currency=options.get("currency", ""),
        timezone=options.get("timezone", ""),
        status_counts=_listed(options.get("status_counts", "")),
        guests=options.get("guests", Reading.guests),
        far_dates=options.get("far_dates", Reading.far_dates),
        blank_lines=options.get("blank_lines", Reading.blank_lines),
        header=options.get("header", True),
        keep=_listed(options.get("keep", "")),
        returns=options.get("returns", Reading.returns),
        duplicates=options.get("duplicates", Reading.duplicates),
        engine=options.get("engine", Reading.engine),
    )


def _unless_auto(choice: str | None) -> str | None:
    return None if choice == "auto" else choice


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _columns(texts: Sequence[str]) -> dict[str, str]:
    """Column names by role, from texts like `customer=Client` or `customer=Client,date=Day`."""
    pairs = [pair for text in texts for pair in re.split(r",(?=\w+=)", text) if pair]
    unusable = [pair for pair in pairs if "=" not in pair]
    if unusable:
        raise InputError(
            f"--column {unusable[0]} names no column. Expected ROLE=NAME. Write --column customer=NAME."
        )
    return dict(pair.split("=", 1) for pair in pairs)


def day_of(option: str, text: str) -> date:
    """The day that an option names. Raises InputError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text} is not a day. Expected YYYY-MM-DD, such as 2011-12-10.") from None
