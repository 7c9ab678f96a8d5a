"""The `segments` command. Each command imports what it needs, so that `segments --help` answers at once."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training import __version__
from training.errors import InputError, explain
from training.features import FEATURES
from training.reading.address import shown

if TYPE_CHECKING:
    from training.gate import Tolerance
    from training.shop import Reading
    from training.sweep import Limits

RAW = Path("data/raw")
PORT = click.IntRange(0, 65_535)


class Commands(click.Group):
    """Commands whose errors that a user can mend are told without a traceback, with exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Exception as error:
            told = isinstance(error, InputError | OSError)
            if not told and type(error).__module__.split(".")[0] not in ("mlflow", "sqlalchemy"):
                raise
            message = explain(error, os.environ.get("MLFLOW_TRACKING_URI", "mlruns/mlflow.db"))
            click.echo(" ".join([f"Error: {message}", *getattr(error, "__notes__", [])]), err=True)
            sys.exit(2)


@click.group(cls=Commands, context_settings={"max_content_width": 110, "show_default": True})
@click.version_option(__version__)
def main() -> None:
    """From raw shop transactions to tracked, tuned, registered and served customer segments.

    The MLflow address is read from MLFLOW_TRACKING_URI; without it everything is kept in ./mlruns.
    """


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
            help="Which column is customer, invoice, date, quantity, price, amount, stock_code or country.",
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
        click.option(
            "--table",
            default="",
            metavar="[SCHEMA.]NAME",
            help="The table or view, when INPUT is a database: duckdb://shop.db.",
        ),
        click.option(
            "--query", default="", metavar="FILE", help="A file with one SELECT, instead of --table."
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


@main.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default=RAW, help="Where to put it.")
@click.option("--url", default="", help="Another address of the archive.")
def fetch(folder: Path, url: str) -> None:
    """Download the UCI Online Retail data and check it by its known counts."""
    from training import fetch as fetching

    path = fetching.fetch(folder / "online_retail.xlsx", url or fetching.UCI_URL)
    click.echo(f"{path} holds the UCI Online Retail data. Next: segments train")


@main.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default=RAW, help="Where to put it.")
def demo(folder: Path) -> None:
    """Write the demo shop: a small made-up year with the dirt of a real export."""
    from training.demo import DEMO_FILE, write_demo

    click.echo(f"The demo shop is in {write_demo(folder / DEMO_FILE)}. Next: segments train")


@main.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@reading_options
@engine_option
@counting_options
@click.option(
    "--features", default=",".join(FEATURES), help="The features used for distances, comma-separated."
)
@click.option("--trials", default=100, type=click.IntRange(1), help="Settings to try.")
@click.option(
    "--seed", default=0, type=click.IntRange(0, 2**31 - 1), help="Same data, same seed: same model."
)
@limit_options
@gate_options
@click.option("--resume/--no-resume", default=False, help="Go on with an interrupted training of these data.")
@click.option("--promote/--no-promote", default=False, help="Promote the model if the gate passes.")
@click.option("--storage", default="", help="A database for the trials, to share them: sqlite:///study.db.")
@click.option("--worker/--no-worker", default=False, help="Only run trials of the training at --storage.")
def train(
    inputs: tuple[str, ...],
    features: str,
    trials: int,
    seed: int,
    resume: bool,
    promote: bool,
    storage: str,
    worker: bool,
    **options: Any,
) -> None:
    """Train on INPUT (files, folders, patterns, a database address; by default data/raw) and register a challenger.

    Where data/raw is empty the demo shop is written there first.
    """
    from tqdm import tqdm

    from training import train as training
    from training.shop import MAX_CUSTOMERS, count_customers

    if worker and not storage:
        raise InputError(
            "--worker was given without --storage. Expected the address of the database that the training was given."
        )
    names = _features(features)
    limits, tolerance = _limits(options), _tolerance(options)
    sources, demo_data = _sources(inputs)
    reading = _reading(**options)
    named = shown(", ".join(sources))
    click.echo(f"Reading {named}")
    shop = count_customers(sources, reading, MAX_CUSTOMERS, seed)
    _table(("step", "lines", "left"), shop.funnel.rows())
    counted = shop.sampled_from or len(shop.customers)
    click.echo(f"{counted:,} customers as of {shop.as_of:%Y-%m-%d %H:%M}")
    click.echo(f"{shop.funnel.customers - counted:,} more bought nothing, or cancelled all they bought")
    if shop.sampled_from:
        click.echo(
            f"Training on a uniform sample of {len(shop.customers):,} customers; score scores them all"
        )
    click.echo()

    best = 0.0
    with tqdm(total=trials, desc="Sweep", unit="trial", file=sys.stderr, delay=0.5) as bar:

        def tell(trial: Any) -> None:
            nonlocal best
            if trial.feasible and trial.metrics["silhouette"] > best:
                best = trial.metrics["silhouette"]
                bar.set_postfix_str(f"best silhouette {best:.4f} at k={trial.k}")
            bar.update()
            if bar.n == bar.total and not worker:
                bar.set_description("Testing stability, fitting, drawing")

        settings = training.Settings(limits, trials, seed, names)
        if worker:
            training.work(shop, reading, settings, storage, tell)
            click.echo("The study holds all its trials. The training without --worker goes on from here.")
            return
        outcome = training.train(shop, named, reading, settings, demo_data, resume, tell, storage)
    click.echo("\n" + "\n".join(outcome.lines) + "\n")
    _segment_table(outcome.profiles)
    click.echo(f"\n{outcome.identity}")
    click.echo(f"Registered as version {outcome.version}, alias 'challenger' (run {outcome.run_id}).")
    if promote and not _promote(str(outcome.version), limits, tolerance):
        sys.exit(1)


@main.command("promote")
@click.argument("version", default="challenger")
@limit_options
@gate_options
@click.option(
    "--force", default="", metavar="REASON", help="Promote in spite of what compares with the champion."
)
def promote_version(version: str, force: str, **options: Any) -> None:
    """Make VERSION (a number or an alias) the champion, if it passes the gate.

    It must keep the limits, compare well with the champion on the same customers, and answer over HTTP.
    """
    if not _promote(version, _limits(options), _tolerance(options), force.strip()):
        sys.exit(1)


@main.command()
def rollback() -> None:
    """Swap the champion and the one before it."""
    from training import registry, tracking

    now, before = registry.rollback(tracking.connect(), _typed())
    was = f"version {before} is" if before else "there was none, and it is still"
    click.echo(f"Version {now} is champion again; {was} 'previous'.")


@main.command()
def history() -> None:
    """Show which version was champion when, by whom and why."""
    from training import history as past
    from training import registry, tracking

    client = tracking.connect()
    champion = registry.alias(client, registry.CHAMPION)
    changes = past.changes(client, champion)
    if not changes:
        click.echo("No version was champion yet. Next: segments train --promote")
        return
    _table(
        ("when", "version", "before", "by", "how", "reason"),
        [
            (
                f"{change.when:%Y-%m-%d %H:%M}" if change.when else "",
                str(change.after or "none"),
                str(change.before or "none"),
                change.who,
                change.how,
                change.reason,
            )
            for change in changes
        ],
    )
    if changes[-1].how == past.HAND:
        click.echo(
            f"\nThe champion's alias was moved by hand since the last entry; it is {champion or 'gone'} now."
        )


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--output", "-o", required=True, help="A .parquet or .csv file; with spark a .parquet folder.")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@reading_options
@engine_option
def score(inputs: tuple[str, ...], output: str, model: str, **options: Any) -> None:
    """Score transactions, or a feature table, and write one row a customer.

    Transactions are cleaned and counted as the model's training data were. Each row is stamped with
    the model's version and the as-of date.
    """
    from training.score import score as score_customers
    from training.score import score_on_spark

    reading = _reading(**options)
    if reading.engine == "spark":
        customers, anomalies = score_on_spark(inputs, model, reading, output)
    else:
        scored = score_customers(inputs, model, reading, Path(output))
        customers, anomalies = len(scored), int(scored.is_anomaly.sum())
    click.echo(f"{customers:,} customers, {anomalies:,} of them unusual, written to {output}.")


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD", help="The earlier as-of day.")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD", help="The later as-of day.")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@click.option("--output", "-o", default="", help="Where to list who left the best segment: .parquet or .csv.")
@source_options
def compare(inputs: tuple[str, ...], start: str, end: str, model: str, output: str, **options: Any) -> None:
    """Count transactions at two as-of days, and say who moved from which segment to which.

    Both counts are scored with the same model, as its training data were counted.
    """
    from training.compare import compare as compare_days

    days = _day("--from", start), _day("--to", end)
    file = Path(output) if output else None
    moved = compare_days(inputs, model, _reading(as_of="auto", **options), *days, file)
    for title, column in (
        ("Customers", "customers"),
        (f"Money spent by {end}", "Monetary_after"),
    ):
        head, *rows = moved.table(column)
        _table((f"{title}, from \\ to", *head), [[name, *map(round, cells)] for name, *cells in rows])
        click.echo()
    click.echo("\n".join(moved.sentences))
    if file:
        click.echo(f"{len(moved.fallen):,} who left {moved.names[moved.best]} are listed in {file}.")


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@click.option("--watch", default=0.1, help="PSI from which a line is to be watched.")
@click.option("--drift", "limit", default=0.25, help="PSI from which a line has drifted.")
@click.option("--watch-mix", default=0.05, help="Share of customers to change segment, to be watched.")
@click.option(
    "--drift-mix", default=0.1, help="Share of customers to change segment, from which it is drift."
)
@click.option("--json", "file", default="", metavar="FILE", help="Also write the report as JSON.")
@click.option("--log/--no-log", default=False, help="Also log the report to MLflow, as a run of its own.")
@reading_options
def drift(
    inputs: tuple[str, ...],
    model: str,
    watch: float,
    limit: float,
    watch_mix: float,
    drift_mix: float,
    file: str,
    log: bool,
    **options: Any,
) -> None:
    """Compare customers with those the model was trained on; exit code 1 when they have drifted.

    INPUT is transactions or a feature table, as for score.
    """
    import json
    from dataclasses import asdict

    from training import monitor
    from training.drift import Thresholds

    for suffix, first, second in (("", watch, limit), ("-mix", watch_mix, drift_mix)):
        if not 0 < first <= second:
            raise InputError(
                f"--watch{suffix} {first:g} and --drift{suffix} {second:g} are out of order. Expected the first above "
                "0 and the second no lower. Change one of them."
            )
    thresholds = Thresholds(watch, limit, watch_mix, drift_mix)
    found = monitor.report(inputs, model, _reading(**options), thresholds)
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    _drift_table(found)
    if log:
        click.echo(f"Logged as run {monitor.log(found)}.")
    if found.verdict == "drift":
        sys.exit(1)


@main.command()
@click.option("--host", default="127.0.0.1", help="Where to listen; loopback unless told otherwise.")
@click.option("--port", default=5001, type=PORT)
@click.option("--workers", default=1, type=click.IntRange(1))
@click.option("--model", default="champion", help="Which version: an alias or a number.")
def serve(host: str, port: int, workers: int, model: str) -> None:
    """Serve the scoring endpoint: POST /invocations, as `mlflow models serve` does, with stricter checks."""
    from training import endpoint, registry, tracking
    from training.processes import free, replace_by

    version = registry.find(tracking.connect(), model)
    with tempfile.TemporaryDirectory() as folder:
        registry.fetch(version, folder)  # each worker checks it again; here an error is told once, in words
    free(host, port)
    os.environ["SEGMENTS_MODEL"] = f"models:/{registry.NAME}/{version}"
    click.echo(f"Scoring with version {version} on http://{host}:{port}/invocations")
    replace_by(*endpoint.command(host, port, workers))


@main.command()
@click.option("--host", default="127.0.0.1", help="Where to listen; loopback unless told otherwise.")
@click.option("--port", default=5000, type=PORT)
@click.option("--workers", default=2, type=click.IntRange(1))
def api(host: str, port: int, workers: int) -> None:
    """Serve the analytics API, the dashboard (/ui) and Swagger UI (/apidocs)."""
    from training.processes import free, replace_by
    from training.tracking import address

    free(host, port)
    os.environ["MLFLOW_TRACKING_URI"] = address()
    click.echo(f"Dashboard on http://{host}:{port}/ui, API documentation on http://{host}:{port}/apidocs")
    replace_by(*_gunicorn(host, port, workers))


@main.command()
@click.option("--host", default="127.0.0.1", help="Where to listen; loopback unless told otherwise.")
@click.option("--port", default=5002, type=PORT)
def ui(host: str, port: int) -> None:
    """Open the MLflow UI on the runs and the registry."""
    from training.processes import free, replace_by
    from training.tracking import address

    free(host, port)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    click.echo(f"MLflow UI on http://{host}:{port}")
    replace_by(*_mlflow_ui(host, port, address()))


@main.command()
@click.option("--host", default="127.0.0.1", help="Where to listen; loopback unless told otherwise.")
@click.option("--api-port", default=5000, type=PORT)
@click.option("--scoring-port", default=5001, type=PORT)
@click.option("--ui-port", default=5002, type=PORT)
def up(host: str, api_port: int, scoring_port: int, ui_port: int) -> None:
    """Start the analytics API, the scoring endpoint and the MLflow UI; Ctrl-C stops all three."""
    from training import registry, tracking
    from training.processes import free, run_together

    registry.find(tracking.connect(), registry.CHAMPION)
    for port in (api_port, scoring_port, ui_port):
        free(host, port)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    commands = {
        "The analytics API": _gunicorn(host, api_port, 2),
        "The scoring endpoint": ["segments", "serve", "--host", host, "--port", scoring_port],
        "The MLflow UI": _mlflow_ui(host, ui_port, tracking.address()),
    }

    def tell() -> None:
        click.echo(
            f"Dashboard    http://{host}:{api_port}/ui   (API documentation: /apidocs)\n"
            f"Scoring      http://{host}:{scoring_port}/invocations\n"
            f"MLflow UI    http://{host}:{ui_port}\n"
            "They take some seconds to answer. Ctrl-C stops all three."
        )

    sys.exit(run_together(commands, tell))


def _gunicorn(host: str, port: int, workers: int) -> list[object]:
    listening = ["--bind", f"{host}:{port}", "--workers", workers, "--threads", 4]
    return ["gunicorn", "--config", "python:serving.workers", *listening, "serving:create_app()"]


def _mlflow_ui(host: str, port: int, store: str) -> list[object]:
    return ["mlflow", "ui", "--backend-store-uri", store, "--host", host, "--port", port, "--workers", 1]


def _promote(wanted: str, limits: Limits, tolerance: Tolerance, reason: str = "") -> bool:
    from training import gate, registry, tracking
    from training.history import Move

    client = tracking.connect()
    version = registry.find(client, wanted)
    verdict = gate.judge(client, version, limits, tolerance, reason)
    _table(
        ("rule", "expected", "found", "verdict"),
        [(r.name, r.expected, r.found, "pass" if r.holds else "FAIL") for r in verdict.rules],
    )
    gate.log(client, version, verdict)
    if verdict.passes:
        why = reason if verdict.forced else ""
        registry.promote(client, Move(verdict.champion, version, _typed(), why), verdict.tags())
        forced = f", forced: {why}" if why else ""
        click.echo(f"Version {version} is champion{forced}. Next: segments serve")
        return True
    click.echo(f"Version {version} was not promoted.", err=True)
    if all(rule.forcible for rule in verdict.failed):
        click.echo(
            f'It only compares badly with the champion: segments promote {version} --force "REASON" overrides that.',
            err=True,
        )
    return False


def _typed() -> str:
    """The command as it was given, without its inputs: their addresses may hold passwords."""
    context = click.get_current_context()
    words = ["segments", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.get_parameter_source(name)
        if name == "inputs" or given is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for one in value if parameter.multiple else [value]:
            if isinstance(parameter, click.Argument):
                words.append(str(one))
            elif isinstance(one, bool):
                words.append((parameter.opts if one else parameter.secondary_opts)[0])
            else:
                words += [parameter.opts[0], shown(str(one))]
    return shlex.join(words)


def _tolerance(options: dict[str, Any]) -> Tolerance:
    """Take what the gate tolerates out of a command's options."""
    from training.gate import Tolerance

    return Tolerance(**{name: options.pop(name) for name in Tolerance.__dataclass_fields__})


def _limits(options: dict[str, Any]) -> Limits:
    """Take the limits out of a command's options."""
    from training.sweep import Limits

    limits = Limits(**{name: options.pop(name) for name in Limits.__dataclass_fields__})
    for low, high in (("min_segments", "max_segments"), ("min_anomaly_rate", "max_anomaly_rate")):
        least, most = getattr(limits, low), getattr(limits, high)
        if not 0 < least <= most:
            raise InputError(
                f"--{low.replace('_', '-')} {least:g} and --{high.replace('_', '-')} {most:g} leave nothing between. "
                "Expected the first above 0 and the second no lower. Change one of them."
            )
    return limits


def _sources(inputs: Sequence[str]) -> tuple[list[str], bool]:
    """The sources to read and whether they are the demo shop, which never mixes with other files."""
    from training.demo import DEMO_FILE, write_demo
    from training.transactions import files, is_readable

    given = [source for source in inputs if source]
    if any("://" in source for source in given):
        return given, False
    if not given:
        RAW.mkdir(parents=True, exist_ok=True)
        if not any(is_readable(path) for path in RAW.iterdir()):
            click.echo(
                f"{RAW} is empty: writing the demo shop there. Put your own export in it, or run `make fetch`."
            )
            write_demo(RAW / DEMO_FILE)
    paths = files(given or [RAW])
    own = [path for path in paths if path.name != DEMO_FILE]
    if own and len(own) < len(paths):
        click.echo(f"{DEMO_FILE} is left out, because there are other data.")
    return [str(path) for path in own or paths], not own


def _features(names: str) -> tuple[str, ...]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FEATURES]
    if unknown or not wanted:
        raise InputError(
            f"--features {names} has no known feature {', '.join(unknown)}. Expected some of {', '.join(FEATURES)}. "
            "Correct the names."
        )
    return tuple(name for name in FEATURES if name in wanted)


def _reading(columns: Sequence[str], as_of: str, **options: str) -> Reading:
    from training.shop import Reading

    pairs = [pair for text in columns for pair in re.split(r",(?=\w+=)", text) if pair]
    unusable = [pair for pair in pairs if "=" not in pair]
    if unusable:
        raise InputError(
            f"--column {unusable[0]} names no column. Expected ROLE=NAME. Write --column customer=NAME."
        )
    mapping = dict(pair.split("=", 1) for pair in pairs)
    given = {name: value for name, value in options.items() if value not in ("auto", "")}
    return Reading(columns=mapping, as_of=None if as_of == "auto" else _day("--as-of", as_of), **given)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text} is not a day. Expected YYYY-MM-DD, such as 2011-12-10.") from None


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under a head; numbers to the right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    columns = [list(column) for column in zip(head, *texts, strict=True)]
    for place, column in enumerate(columns):
        width = max(map(len, column))
        numbers = all(re.fullmatch("[0-9.,]+%?", text) for text in column[1:])
        columns[place] = [text.rjust(width) if numbers else text.ljust(width) for text in column]
    for cells in zip(*columns, strict=True):
        click.echo("  ".join(cells).rstrip())


def _segment_table(profiles: Any) -> None:
    _table(
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
                f"{row.share:.1%}",
                f"{row.revenue_share:.1%}",
                f"{row.median_Monetary:,.2f}",
                f"{row.median_Frequency:g}",
                f"{row.median_Recency:g}",
            )
            for row in profiles.itertuples(index=False)
        ],
    )


def _drift_table(found: Any) -> None:
    training, now = found.training, found.now
    since = f" as of {now.as_of[:10]}" if now.as_of else ""
    click.echo(
        f"Version {found.model_version}: {training.customers:,} customers in training, as of {training.as_of[:10]}; "
        f"{now.customers:,} now{since}.\n"
    )
    rows: list[tuple[str, ...]] = []
    for line in found.lines:
        distance = ("", "", "")
        if line.measure is not None:
            distance = (line.measure, f"{line.value:.3f}", f"{line.by_chance:.3f}")
        figure = "{:.2%}" if line.name == "is_anomaly" else "{:,.4g}"
        figures = [figure.format(value) if value is not None else "" for value in (line.training, line.now)]
        rows.append((line.name, *figures, *distance, line.verdict))
        if line.name == "segment":
            rows += [(f"  {b.label}", f"{b.training:.1%}", f"{b.now:.1%}", "", "", "", "") for b in line.bins]
    _table(("what", "training", "now", "measure", "value", "by chance", "verdict"), rows)
    click.echo("\n" + "\n".join([*found.notes, f"Verdict: {found.verdict}. {found.advice}"]))


if __name__ == "__main__":
    main()
