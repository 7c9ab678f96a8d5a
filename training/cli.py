"""The `segments` command. Each command imports what it needs, so that `segments --help` answers at once."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from contract.hosts import LOOPBACK, is_loopback
from contract.names import CHAMPION, DASHBOARD, MODEL
from training import __version__
from training.console import (
    print_challenger,
    print_counted,
    print_drift,
    print_registered,
    print_shop,
    print_table,
    print_verdict,
)
from training.cycle.commands import COMMANDS
from training.ending import end_at_once
from training.errors import InputError, explain, is_of_store
from training.inputs import RAW_DATA, given_sources
from training.options import (
    LIST_FORMS,
    DriftReportOptions,
    PromoteOptions,
    ScoreOptions,
    TrainOptions,
    counting_options,
    day_of,
    drift_options,
    engine_option,
    gate_options,
    json_option,
    limit_options,
    limits_of,
    outlook_options,
    reading_of,
    reading_options,
    search_options,
    settings_of,
    source_options,
    thresholds_of,
    tolerance_of,
    trust_option,
)
from training.outcome_json import outcome_as_json
from training.people.commands import forget
from training.reading.address import shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from training.clustering.sweep import Limits
    from training.endpoint import Endpoint
    from training.gate import Tolerance
    from training.train import Assignment, Outcome

PORT_NUMBER = click.IntRange(0, 65_535)


class Commands(click.Group):
    """Commands that print an error which a user can mend without a traceback, and end with exit code 2."""

    def invoke(self, context: click.Context) -> object:
        if os.environ.get("NO_COLOR"):
            context.color = False
        try:
            return super().invoke(context)
        except BrokenPipeError:  # `segments ... | head`; click ends quietly
            raise
        except Exception as error:
            if not is_of_store(error) and not isinstance(error, InputError | OSError):
                raise
            message = explain(error, shown(os.environ.get("MLFLOW_TRACKING_URI", "mlruns/mlflow.db")))
            click.secho("Error:", fg="red", nl=False, err=True)
            click.echo(" ".join(["", message, *getattr(error, "__notes__", [])]), err=True)
            sys.exit(2)


@click.group(cls=Commands, context_settings={"max_content_width": 110, "show_default": True})
@click.version_option(__version__)
def main() -> None:
    """From raw shop transactions to tracked, tuned, registered and served customer segments.

    MLFLOW_TRACKING_URI names the address of MLflow; without it everything is kept in ./mlruns.
    """
    from training.address_space import check_address_space
    from training.store.connection import prepare_process

    check_address_space()
    prepare_process()


@main.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default=RAW_DATA, help="Where to put it.")
@click.option("--url", default="", help="Another address of the archive.")
def fetch(folder: Path, url: str) -> None:
    """Download the UCI Online Retail data and check it by its known counts."""
    from training.fetch import UCI_URL, fetch_uci

    path = fetch_uci(folder / "online_retail.xlsx", url or UCI_URL)
    click.echo(f"{path} holds the UCI Online Retail data. Next: segments train")


@main.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default=RAW_DATA, help="Where to put it.")
def demo(folder: Path) -> None:
    """Write the demo shop: a small made-up year with the dirt of a real export."""
    from training.demo import DEMO_FILE, write_demo

    click.echo(f"The demo shop is in {write_demo(folder / DEMO_FILE)}. Next: segments train")


@main.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@reading_options
@engine_option
@counting_options
@search_options
@limit_options
@gate_options
@outlook_options
@click.option("--resume/--no-resume", default=False, help="Go on with an interrupted training of these data.")
@click.option("--promote/--no-promote", default=False, help="Promote the model if the gate passes.")
@click.option("--storage", default="", help="A database for the trials, to share them: sqlite:///study.db.")
@click.option("--worker/--no-worker", default=False, help="Only run trials of the training at --storage.")
@json_option
def train(
    inputs: tuple[str, ...],
    resume: bool,
    promote: bool,
    storage: str,
    worker: bool,
    **options: Unpack[TrainOptions],
) -> None:
    """Train on INPUT (files, folders, patterns, a database address; by default data/raw) and register a challenger.

    When data/raw is empty, the demo shop is written there first.
    """
    from training.ahead import Ahead
    from training.clustering import compiled
    from training.endpoint import EarlyServer
    from training.preparation import Preparation
    from training.progress import SweepProgress
    from training.reading.sources import in_words
    from training.signing import check_signing_key

    if worker and not storage:
        raise InputError(
            "--worker was given without --storage. Expected the --storage of the training for which it works. Add it."
        )
    reading, tolerance = reading_of(options), tolerance_of(options)
    with outcome_as_json(options["json_path"]) as outcome:
        sources, demo_data = given_sources(inputs)
        if not worker:
            check_signing_key()
        click.echo(f"Reading {in_words(sources)}")
        ahead = Ahead(sources, reading)
        compiler = None if demo_data else compiled.warming()
        with ahead, Preparation(promote and not worker) as prepared, EarlyServer() as server:
            from training.capacity import most_customers
            from training.people.remembered import leaving_out
            from training.report.artist import Artist
            from training.shop import count_customers
            from training.train import Assignment, train_challenger, work_on_study

            settings = settings_of(options)
            reading = leaving_out(_checked_store(), reading)
            most = most_customers(reading.engine)
            shop = count_customers(sources, reading, most, settings.seed, ahead.moments())
            print_counted(shop)
            assignment = Assignment(shop, reading, settings, demo_data)
            run_id, version = _resumed(assignment) if resume and not worker else (None, None)
            if version is None:
                if compiler:
                    compiler.wait()
                with SweepProgress(settings.trials, only_trials=worker) as progress:
                    if worker:
                        work_on_study(assignment, storage, progress.show)
                        click.echo(
                            "The study holds all its trials. The training without --worker goes on from here."
                        )
                        return

                    def show(challenger: Outcome) -> None:
                        progress.close()
                        print_challenger(challenger)

                    challenger = train_challenger(
                        assignment,
                        in_words(sources),
                        run_id,
                        progress.show,
                        storage,
                        partial(server.start, twin=prepared.server) if promote else None,
                        Artist(prepared.drawer),
                        show,
                    )
                print_registered(challenger)
                outcome |= challenger.as_json()
                version = challenger.version
            else:
                outcome |= {"run_id": run_id, "version": version}
            if run_id and _is_champion(version):
                click.echo(f"Version {version} is champion already.")
            elif not promote:
                click.echo(f"Next: segments promote {version}")
            elif not _promote(str(version), settings.limits, tolerance, outcome, server=server.endpoint):
                sys.exit(1)


@main.command()
@click.option("--rotate/--no-rotate", default=False, help="Sign with a new key from now on.")
def key(rotate: bool) -> None:
    """Show the key that signs models here; a machine that only serves needs its public half."""
    from training.signing import new_key, signing_key_text

    if rotate:
        new_key()
    click.echo(signing_key_text())


@main.command("sign")
@click.argument("version")
def sign_version(version: str) -> None:
    """Sign VERSION, trained by an earlier release or with another key, if its files and its code are known."""
    from training.store import registry
    from training.store.connection import connect

    client = connect()
    number = registry.find(client, version)
    registry.sign_version(client, number)
    click.echo(f"Version {number} is signed.")


@main.command("promote")
@click.argument("version", default="challenger")
@limit_options
@gate_options
@click.option(
    "--force", default="", metavar="REASON", help="Promote although it compares badly with the champion."
)
@json_option
def promote_version(version: str, force: str, **options: Unpack[PromoteOptions]) -> None:
    """Make VERSION (a number or an alias) the champion, if it passes the gate.

    It must keep the limits, compare well with the champion on the same customers, and answer over HTTP.
    """
    limits, tolerance = limits_of(options), tolerance_of(options)
    with outcome_as_json(options["json_path"]) as outcome:
        if not _promote(version, limits, tolerance, outcome, force.strip()):
            sys.exit(1)


@main.command()
def rollback() -> None:
    """Swap the champion and the one before it."""
    from training.store import registry
    from training.store.connection import connect

    champion, before = registry.rollback(connect(), _command_line())
    previous = f"version {before} is" if before else "there was none, and it is still"
    click.echo(f"Version {champion} is champion again; {previous} 'previous'.")


@main.command()
@json_option
def history(json_path: str) -> None:
    """Show which version was champion when, by whom and why."""
    from training.store import registry
    from training.store.connection import connect
    from training.store.history import BY_HAND, changes_until

    client = connect()
    champion = registry.version_of(client, CHAMPION)
    changes = changes_until(client, champion)
    with outcome_as_json(json_path) as outcome:
        outcome |= {"champion": champion, "changes": [change.as_json() for change in changes]}
        if not changes:
            click.echo("No version was champion yet. Next: segments train --promote")
            return
        print_table(
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
        if changes[-1].how == BY_HAND:
            click.echo(f"\n{registry.moved_by_hand(client, changes[-1])}")


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--output", "-o", required=True, help="A .parquet or .csv file; with spark a .parquet folder.")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@reading_options
@engine_option
@json_option
def score(inputs: tuple[str, ...], output: str, model: str, **options: Unpack[ScoreOptions]) -> None:
    """Score transactions, or a feature table, and write one row per customer.

    Transactions are cleaned and counted as the model's training data were. Each row is stamped with
    the model's version and the as-of date; a feature table does not know it, and takes it from --as-of.
    """
    from training.score import score_on_spark, score_sources

    reading = reading_of(options)
    with outcome_as_json(options["json_path"]) as outcome:
        if reading.engine == "spark":
            scored = score_on_spark(inputs, model, reading, output)
        else:
            scored = score_sources(inputs, model, reading, Path(output), print_shop)
        click.echo(
            f"{scored.customers:,} customers, {scored.anomalies:,} of them unusual, written to {output}."
        )
        if scored.as_of is None:
            click.echo(
                "Their as_of is empty: a feature table does not say its day. Name it with --as-of YYYY-MM-DD."
            )
        outcome |= scored.as_json()


@main.command()
@click.option(
    "--where", multiple=True, metavar="NAME=VALUE", help="Who is in it: segment=0, state=late; see docs."
)
@click.option(
    "--for",
    "form",
    type=click.Choice(LIST_FORMS),
    default="plain",
    help="The tool whose import takes the file.",
)
@click.option("--holdout", default="", metavar="SHARE", help="Leave out so many as a control group: 10%.")
@click.option("--seed", default=0, type=click.IntRange(0, 2**31 - 1), help="Another control group.")
@click.option("--since", default="", metavar="VERSION|DATE", help="Only who joined or left since then.")
@click.option("--fields", default="", metavar="NAME,...", help="The columns, in their order.")
@click.option("--sort", default="-Monetary", metavar="[-]NAME", help="The order; - from the largest.")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@click.option(
    "--output", "-o", default="", metavar="FILE", help="The file; by default its name says who is in it."
)
@json_option
def audience(
    where: tuple[str, ...],
    form: str,
    holdout: str,
    seed: int,
    since: str,
    fields: str,
    sort: str,
    model: str,
    output: str,
    json_path: str,
) -> None:
    """Write a list of customers to a file, in the form that a tool takes: the list of the dashboard and the API.

    With --holdout a control group is left out, and two files more say who is in which group.
    """
    from training.audience import Wanted, pairs_of, write_audience

    pairs = [*pairs_of(where), ("sort", sort), *([("fields", fields)] if fields else [])]
    with outcome_as_json(json_path) as outcome:
        files = write_audience(model, Wanted(pairs, form, holdout, seed, since, output))
        click.echo("\n".join(file.sentence for file in files))
        outcome["files"] = [file.as_json() for file in files]


@main.command()
@click.argument("audience", metavar="AUDIENCE")
@click.argument("orders", nargs=-1, required=True, metavar="ORDERS...")
@click.option(
    "--from", "start", default="", metavar="YYYY-MM-DD", help="First day; default: the list's as-of day."
)
@click.option("--to", "end", default="", metavar="YYYY-MM-DD", help="Last day; default: that of the orders.")
@source_options
@json_option
def lift(
    audience: str, orders: tuple[str, ...], start: str, end: str, **options: Unpack[ScoreOptions]
) -> None:
    """Say what those of AUDIENCE who were written to spent more than those held out, from the ORDERS since.

    AUDIENCE is the file that `segments audience --holdout` wrote, with its two files beside it.
    """
    from training.console import print_lift
    from training.lift import measure_lift

    days = [day_of(name, text) if text else None for name, text in (("--from", start), ("--to", end))]
    with outcome_as_json(options["json_path"]) as outcome:
        measured = measure_lift(Path(audience), orders, reading_of(options), *days)
        print_lift(measured)
        outcome |= measured.as_json()


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD", help="The earlier as-of day.")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD", help="The later as-of day.")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@click.option("--output", "-o", default="", help="Where to list who left the best segment: .parquet or .csv.")
@source_options
@engine_option
@json_option
def compare(
    inputs: tuple[str, ...], start: str, end: str, model: str, output: str, **options: Unpack[ScoreOptions]
) -> None:
    """Count transactions as of two days, and say who moved from which segment to which.

    Transactions are counted as the model's training data were, and both counts are scored by this model.
    """
    from training.compare import compare_days

    days = day_of("--from", start), day_of("--to", end)
    path = Path(output) if output else None
    with outcome_as_json(options["json_path"]) as outcome:
        movement = compare_days(inputs, model, reading_of(options), *days, path, print_shop)
        for title, column in (
            ("Customers", "customers"),
            (f"Money spent by {end}", "Monetary_after"),
        ):
            head, *rows = movement.table(column)
            table = [[name, *map(round, cells)] for name, *cells in rows]
            print_table((f"{title}, from \\ to", *head), table)
            click.echo()
        click.echo("\n".join(movement.sentences))
        if path:
            click.echo(
                f"{len(movement.fallen):,} who left {movement.names[movement.best]} are listed in {path}."
            )
        outcome |= movement.as_json()


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--model", default="champion", help="Which version: an alias or a number.")
@drift_options
@json_option
@click.option("--log/--no-log", default=False, help="Also log the report to MLflow, as a run of its own.")
@reading_options
@engine_option
def drift(
    inputs: tuple[str, ...],
    model: str,
    log: bool,
    **options: Unpack[DriftReportOptions],
) -> None:
    """Compare customers with those of the model's training; exit code 1 when they have drifted.

    INPUT is transactions or a feature table, as for score.
    """
    from dataclasses import asdict

    from training.monitor import drift_report, log_report

    thresholds = thresholds_of(options)
    with outcome_as_json(options["json_path"]) as outcome:
        report = drift_report(inputs, model, reading_of(options), thresholds, print_shop)
        outcome |= asdict(report)
        print_drift(report)
        if log:
            click.echo(f"Logged as run {log_report(report)}.")
        if report.verdict == "drift":
            sys.exit(1)


@main.command()
@click.option(
    "--host", default="127.0.0.1", help="Where to listen; by default only this machine can connect."
)
@click.option("--port", default=5001, type=PORT_NUMBER)
@click.option("--workers", default=1, type=click.IntRange(1))
@click.option("--model", default="champion", help="Which version: an alias, which is followed, or a number.")
@click.option("--version-column/--no-version-column", default=False, help="Answers name their model_version.")
@click.option("--access-log/--no-access-log", default=False, help="One line per request.")
@trust_option
def serve(host: str, port: int, workers: int, model: str, version_column: bool, access_log: bool) -> None:
    """Serve the scoring endpoint: POST /invocations, as `mlflow models serve` does, with stricter checks.

    It follows the champion without a restart.
    """
    from training import endpoint
    from training.processes import check_port, replace_by
    from training.servers import check_exposed
    from training.store import registry
    from training.store.connection import connect

    check_exposed(host)
    client = connect()
    version = registry.find(client, model)
    with tempfile.TemporaryDirectory() as folder:
        # Each worker checks the files again. Checked here, an error is one line.
        registry.fetch(client, version, Path(folder))
    check_port(host, port)
    os.environ["SEGMENTS_MODEL"] = f"models:/{MODEL}{'/' if model.isdecimal() else '@'}{model}"
    if version_column:
        os.environ["SEGMENTS_VERSION_COLUMN"] = "1"
    _ask_for_access_log(access_log)
    click.echo(f"Scoring with version {version} on http://{host}:{port}/invocations")
    replace_by(*endpoint.command(host, port, workers))


@main.command()
@click.option(
    "--host", default="127.0.0.1", help="Where to listen; by default only this machine can connect."
)
@click.option("--port", default=5000, type=PORT_NUMBER)
@click.option("--workers", default=2, type=click.IntRange(1))
@click.option("--access-log/--no-access-log", default=False, help="One line per request.")
@trust_option
def api(host: str, port: int, workers: int, access_log: bool) -> None:
    """Serve the analytics API, the dashboard (/ui) and Swagger UI (/apidocs)."""
    from contract.mlflow_setup import store_address
    from training.processes import check_port, replace_by
    from training.servers import analytics, check_exposed

    check_exposed(host)
    check_port(host, port)
    _find_artifacts()
    os.environ["MLFLOW_TRACKING_URI"] = store_address()
    _ask_for_access_log(access_log)
    os.environ["SEGMENTS_API_ADDRESS"] = f"http://{host}:{port}"  # shown as soon as it answers
    replace_by(*analytics(host, port, workers))


@main.command()
@click.option(
    "--host", default="127.0.0.1", help="Where to listen; by default only this machine can connect."
)
@click.option("--port", default=5002, type=PORT_NUMBER)
def ui(host: str, port: int) -> None:
    """Open the MLflow UI on the runs and the registry."""
    from contract.mlflow_setup import store_address
    from training.processes import check_port, replace_by
    from training.servers import check_ui_host, mlflow_ui

    check_ui_host(host)
    check_port(host, port)
    _find_artifacts()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    click.echo(f"MLflow UI on http://{host}:{port}")
    replace_by(*mlflow_ui(host, port, store_address()))


@main.command()
@click.option(
    "--host", default="127.0.0.1", help="Where to listen; by default only this machine can connect."
)
@click.option("--api-port", default=5000, type=PORT_NUMBER)
@click.option("--scoring-port", default=5001, type=PORT_NUMBER)
@click.option("--ui-port", default=5002, type=PORT_NUMBER)
@click.option(
    "--access-log/--no-access-log", default=False, help="One line per request, with the server's name."
)
@trust_option
def up(host: str, api_port: int, scoring_port: int, ui_port: int, access_log: bool) -> None:
    """Start the analytics API, the scoring endpoint and the MLflow UI; Ctrl-C stops all three."""
    from contract.mlflow_setup import store_address
    from training.processes import check_port, run_together
    from training.servers import analytics, check_exposed, mlflow_ui
    from training.store import registry
    from training.store.connection import connect

    check_exposed(host)
    registry.find(connect(), CHAMPION)
    for name, port in ((host, api_port), (host, scoring_port), (LOOPBACK, ui_port)):
        check_port(name, port)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    _ask_for_access_log(access_log)
    commands = {
        "The analytics API": analytics(host, api_port, 2),
        "The scoring endpoint": ["segments", "serve", "--host", host, "--port", scoring_port],
        "The MLflow UI": mlflow_ui(LOOPBACK, ui_port, store_address()),
    }

    def show_addresses() -> None:
        click.echo(
            f"Dashboard    http://{host}:{api_port}/ui   (API documentation: /apidocs)\n"
            f"Scoring      http://{host}:{scoring_port}/invocations\n"
            f"MLflow UI    http://{LOOPBACK}:{ui_port}{'' if is_loopback(host) else '   (from this machine only)'}\n"
            "They take some seconds to answer. Ctrl-C stops all three."
        )

    sys.exit(run_together(commands, show_addresses))


def _find_artifacts() -> None:
    """Let the store of a project that was moved find its artifacts, without importing MLflow."""
    from contract.mlflow_setup import database_file, store_address
    from training.store.connection import find_artifacts

    if database := database_file(store_address()):
        find_artifacts(database)


def _checked_store() -> MlflowClient | None:
    """A client of the store, which can take the result of long work; None of one that is made later."""
    from contract.mlflow_setup import database_file, store_address
    from training.store.connection import connect
    from training.store.tracking import check_ready

    database = database_file(store_address())
    if database is not None and not database.exists():
        return None
    client = connect()
    check_ready(client)
    return client


def _ask_for_access_log(wanted: bool) -> None:
    if wanted:
        os.environ["SEGMENTS_ACCESS_LOG"] = "1"


def _resumed(assignment: Assignment) -> tuple[str | None, int | None]:
    """The run to go on with, and its version when all is done but the promotion; (None, None): begin anew."""
    from training.resume import resumption
    from training.store.connection import connect

    found = resumption(connect(), assignment.fingerprint, assignment.settings.trials)
    click.echo(found.sentence)
    return found.run_id, found.version


def _is_champion(version: int) -> bool:
    from training.store import registry
    from training.store.connection import connect

    return registry.version_of(connect(), CHAMPION) == version


def _promote(
    name: str,
    limits: Limits,
    tolerance: Tolerance,
    outcome: dict[str, object],
    reason: str = "",
    server: Endpoint | None = None,
) -> bool:
    """Judge the version of this alias or number. If it passes the gate, promote it; whether it is champion.

    The verdict becomes part of the `outcome`.
    """
    from training import gate
    from training.store import registry
    from training.store.connection import connect
    from training.store.history import Move
    from training.store.tracking import check_ready

    client = connect()
    check_ready(client)
    version = registry.find(client, name)
    verdict = gate.judge(client, version, limits, tolerance, reason, server)
    print_verdict(verdict)
    gate.log_verdict(client, version, verdict)
    outcome |= {"version": version, "promoted": verdict.passes, "gate": verdict.as_json()}
    if verdict.passes:
        force = reason if verdict.forced else ""
        registry.promote(
            client, Move(verdict.champion, version, _command_line(), force), verdict.tags_of_rules()
        )
        forced = f", forced: {force}" if force else ""
        click.echo(f"Version {version} is champion{forced}. Next: segments up, and then {DASHBOARD}")
        return True
    click.echo(f"Version {version} was not promoted.", err=True)
    if all(rule.forcible for rule in verdict.failed):
        click.echo(
            f'It only compares badly with the champion: segments promote {version} --force "REASON" overrides that.',
            err=True,
        )
    return False


def _command_line() -> str:
    """The command as the user typed it, without its inputs: their addresses may hold passwords."""
    context = click.get_current_context()
    words = ["segments", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if name == "inputs" or not typed:
            continue
        values = context.params[name] if parameter.multiple else [context.params[name]]
        for value in values:
            if isinstance(parameter, click.Argument):
                words.append(str(value))
            elif isinstance(value, bool):
                words.append((parameter.opts if value else parameter.secondary_opts)[0])
            else:
                words += [parameter.opts[0], shown(str(value))]
    return shlex.join(words)


main.add_command(forget)
for unattended in COMMANDS:
    main.add_command(unattended)


def program() -> None:
    """`main` as a program of its own."""
    end_at_once(main)


if __name__ == "__main__":
    program()
