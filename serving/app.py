"""The analytics API: who the customers are, who is unusual, and which segment a new one belongs to.

Every answer is made from one snapshot of the champion in memory; `champion.Follower` swaps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, g, request
from flask_openapi3 import APIBlueprint, OpenAPI
from werkzeug.exceptions import BadRequest, Conflict, NotFound, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

from contract.lists.problems import ListError, NotInVersion
from contract.lists.selections import Selection, select
from contract.names import CHAMPION, MODEL
from serving import (
    access,
    audiences,
    champion,
    charting_library,
    checks,
    documentation,
    errors,
    lists,
    observing,
    past,
    queries,
    schemas,
    score_body,
)
from serving.archive import Archive
from serving.champion import Follower
from serving.comparisons import Comparisons, NotHeld
from serving.documentation import (
    ABOUT,
    ANALYTICS,
    AUDIENCE,
    BETWEEN,
    CUSTOMER_ID,
    FILTER,
    LIST_PAGING,
    PAGING,
    ROWS,
    SCORING,
    SEGMENT,
    STATE,
    VIEW,
    answers,
    asks,
)
from serving.pages import routes
from serving.pages.frame import prepared
from serving.snapshot import Snapshot, as_json
from serving.unattended import Cycles, cycles

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CSV_EXAMPLE = "customer_id,Recency,...,model_version,as_of\r\n12347,2,...,3,2011-12-10T12:50:00\r\n"
FALLEN_EXAMPLE = "customer_id,...,model_version,as_of\r\n17353,...,3,2011-12-10T12:50:00\r\n"
UNKNOWN_MOVEMENT = "It is not known who moved."
UNKNOWN_STATES = "The states of the customers are not known."
EXTENSION, COMPARISONS, EARLIER, PAGES = "champion", "comparisons", "earlier", "pages"

api = APIBlueprint("api", __name__, operation_id_callback=lambda name, path, method: name)  # noqa: ARG005


class AnyText(BaseConverter):
    """Whatever a shop uses as an id, slashes and line breaks too."""

    regex = r"(?s:.+)"
    part_isolating = False


class Application(OpenAPI):
    """Flask, in which nothing is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: to look at it again for each request takes longer than to call it."""
        return func


def create_app() -> Application:
    """The application. SEGMENTS_API_TOKEN, when set, is asked for everywhere but at /health; see `access.Access`."""
    app = Application("serving", info=documentation.info(), doc_ui=False)
    app.config["MAX_CONTENT_LENGTH"] = checks.MAX_BYTES
    app.url_map.merge_slashes = False  # an id may hold two in a row
    app.url_map.strict_slashes = False
    app.url_map.converters["anything"] = AnyText
    app.extensions[EXTENSION] = Follower[Snapshot](read=_read)
    app.extensions[EARLIER] = audiences.EarlierTables(app.extensions[EXTENSION].address)

    allowed = access.Access.from_environment()
    access.protect(app, allowed)
    app.before_request(app.extensions[EXTENSION].start)
    observing.register(app)
    app.after_request(_name_version)
    app.wsgi_app = access.Guarded(app.wsgi_app)  # type: ignore[method-assign]
    errors.register(app)
    app.register_api(api)
    follower = app.extensions[EXTENSION]
    comparisons = app.extensions[COMPARISONS] = Comparisons(Archive(follower.address))
    follower.swapped += [comparisons.clear, app.extensions[EARLIER].clear]
    app.extensions[PAGES] = routes.Pages(
        _snapshot, follower, comparisons, Cycles(follower.address), _endpoints
    )
    routes.register(app, app.extensions[PAGES])
    charting_library.register(app)
    documentation.register(app, bool(allowed.token), app.extensions[EXTENSION])
    if not observing.before_a_fork():
        app.extensions[EXTENSION].start()
    return app


@api.get("/", tags=[ABOUT], responses=answers(schemas.Home))
def home() -> Response:
    """What this is, and its endpoints."""
    problem = _follower().obstacle
    return _json(
        {
            "name": MODEL,
            "about": "Who the customers are, who is unusual, and which segment a new one belongs to.",
            "endpoints": {f"{method} {path}": summary for method, path, summary in _endpoints()},
            "ui": "/ui",
            "apidocs": "/apidocs",
            "openapi": "/openapi.json",
            **({"problem": problem} if problem else {}),
        }
    )


@api.get("/health", tags=[ABOUT], responses=answers(schemas.Health, 503))
def health() -> Response:
    """Is a champion loaded, and which; stale says why it may not be the newest. 503 while it is being loaded."""
    _follower().start()
    if _follower().snapshot is None:
        raise errors.NotReady(_not_ready(), state="failed" if _follower().problem else "loading")
    snapshot, stale = _snapshot(), _follower().stale
    return _json(
        dict(
            status="ok",
            model=MODEL,
            alias=CHAMPION,
            model_version=snapshot.version,
            as_of=snapshot.as_of,
            data=snapshot.data,
            customers=len(snapshot),
            **({"promoted_by_hand": snapshot.by_hand} if snapshot.by_hand else {}),
            **({"stale": stale} if stale else {}),
        )
    )


@api.get("/metrics", tags=[ABOUT], responses=answers("text/plain", example="segments_model_version 3.0\n"))
def metrics() -> Response:
    """Counts for Prometheus: requests, seconds, customers scored, anomalies, version and age of the model."""
    snapshot = _follower().snapshot
    version, registered = (snapshot.version, snapshot.registered) if snapshot else (None, 0.0)
    text, kind = observing.metrics().text(version, registered)
    return Response(text, content_type=kind)


@api.get("/analytics/overview", tags=[ANALYTICS], responses=answers(schemas.Overview, 503))
def overview() -> Response:
    """Customers, revenue, customers per segment, anomalies, and what the training came to."""
    return _fixed(queries.overview)


@api.get("/analytics/segments", tags=[ANALYTICS], responses=answers(schemas.Segments, 503))
def segments() -> Response:
    """Each segment: name, customers, share, revenue and its share, mean and median features, anomalies."""
    return _fixed(queries.segments)


@api.get("/analytics/states", tags=[ANALYTICS], responses=answers(schemas.States, 404, 503))
def states() -> Response:
    """Each segment and state: customers, money, what such customers did next, and what to do."""
    _known(UNKNOWN_STATES, queries.no_states)
    return _fixed(queries.states)


@api.get("/analytics/forward", tags=[ANALYTICS], responses=answers(schemas.Forward, 404, 503))
def forward() -> Response:
    """How much of later spend the segments told at earlier dates, beside plain RFM."""
    _known("It is not known how well the segments tell later spend.", queries.no_forward)
    return _fixed(queries.forward)


@api.get("/analytics/forecast", tags=[ANALYTICS], responses=answers(schemas.Forecast, 404, 503))
def forecast() -> Response:
    """What the customers are expected to bring in the days ahead, and how such a forecast held on the past."""
    _known("It is not said what the customers will bring.", queries.no_forecast)
    return _fixed(queries.forecast)


@api.get("/analytics/summary", tags=[ANALYTICS], responses=answers(schemas.Summary, 503))
def summary() -> Response:
    """Mean Recency, Frequency and Monetary of each segment."""
    return _fixed(queries.summary)


@api.get("/analytics/map", tags=[ANALYTICS], responses=answers(schemas.Map, 503))
def customer_map() -> Response:
    """Customers on the plane of the two principal components: all anomalies, and a sample of the others."""
    return _fixed(queries.customer_map)


@api.get(
    "/analytics/customer/<anything:customer_id>",
    tags=[ANALYTICS],
    responses=answers(schemas.Customer, 404, 503),
    openapi_extensions=asks(path=CUSTOMER_ID),
)
def customer() -> Response:
    """One customer: features, segment, and whether and why they are unusual."""
    typed = _from_path("customer_id")
    answer = queries.customer(_snapshot(), typed)
    if answer is None:
        raise NotFound(_no_customer(typed))
    return _json(answer)


@api.get(
    "/analytics/customers",
    tags=[ANALYTICS],
    responses=answers(schemas.CustomerList, 400, 409, 503),
    openapi_extensions=asks(query=FILTER | VIEW | LIST_PAGING),
)
def customers() -> Response:
    """Customers by any filter, in any order, with what they spent and are expected to spend; biggest spenders first."""
    snapshot = _snapshot()
    page, per_page = checks.page_and_per_page(request.args)
    return _json(lists.customers(snapshot, _selection(snapshot, lists.PAGING_NAMES), page, per_page))


@api.get(
    "/analytics/audience",
    tags=[ANALYTICS],
    responses=answers("text/csv", 400, 409, 503, example=CSV_EXAMPLE),
    openapi_extensions=asks(query=FILTER | VIEW | AUDIENCE),
)
def audience() -> Response:
    """Customers by any filter as a file, for people or in the form that a tool's import takes."""
    snapshot = _snapshot()
    with _in_words():
        name, lines = audiences.audience(
            snapshot, request.args.items(multi=True), current_app.extensions[EARLIER]
        )
    return _csv_named(name, lines)


@api.get(
    "/analytics/customers/<anything:customer_id>",
    tags=[ANALYTICS],
    responses=answers(schemas.CustomerPage, 404, 503),
    openapi_extensions=asks(path=CUSTOMER_ID),
)
def customer_page() -> Response:
    """One customer with all that is kept of them, the nearest other segment, and what would move them there."""
    typed = _from_path("customer_id")
    answer = lists.customer(_snapshot(), typed)
    if answer is None:
        raise NotFound(_no_customer(typed))
    return _json(answer)


@api.get(
    "/analytics/anomalies",
    tags=[ANALYTICS],
    responses=answers(schemas.Page, 400, 503),
    openapi_extensions=asks(query=PAGING),
)
def anomalies() -> Response:
    """Unusual customers, most unusual first."""
    return _json(queries.anomalies(_snapshot(), *checks.page_and_limit(request.args)))


@api.get(
    "/analytics/anomalies.csv", tags=[ANALYTICS], responses=answers("text/csv", 503, example=CSV_EXAMPLE)
)
def anomalies_csv() -> Response:
    """All unusual customers as a file for spreadsheets, most unusual first."""
    snapshot = _snapshot()
    return _csv(snapshot, queries.audience_csv(snapshot, snapshot.unusual), "anomalies")


@api.get(
    "/analytics/movement",
    tags=[ANALYTICS],
    responses=answers(schemas.Movement, 400, 404, 503),
    openapi_extensions=asks(query=PAGING),
)
def movement() -> Response:
    """Who moved from which segment to which lately, and who left the best one, biggest spenders first."""
    snapshot = _known(UNKNOWN_MOVEMENT, queries.no_movement)
    return _json(queries.movement(snapshot, *checks.page_and_limit(request.args)))


@api.get(
    "/analytics/movement.csv",
    tags=[ANALYTICS],
    responses=answers("text/csv", 404, 503, example=FALLEN_EXAMPLE),
)
def movement_csv() -> Response:
    """All who left the best segment lately as a file for spreadsheets, biggest spenders first."""
    snapshot = _known(UNKNOWN_MOVEMENT, queries.no_movement)
    return _csv(snapshot, queries.fallen_csv(snapshot), "fallen")


@api.get("/analytics/versions", tags=[ANALYTICS], responses=answers(schemas.Versions, 503))
def versions() -> Response:
    """All versions of the registry, latest first: as-of date, sizes, quality, the gate's verdict; and who promoted."""
    snapshot, archive = _snapshot(), current_app.extensions[COMPARISONS].archive
    return _json(past.versions(snapshot, archive))


@api.get("/analytics/cycles", tags=[ANALYTICS], responses=answers(schemas.Cycles, 503))
def unattended_cycles() -> Response:
    """What came of the data that `segments cycle` handled, latest first, and whether the figures are of the latest."""
    return _json(cycles(_snapshot(), current_app.extensions[PAGES].cycles))


@api.get(
    "/analytics/movement/between",
    tags=[ANALYTICS],
    responses=answers(schemas.MovementBetween, 404, 503),
    openapi_extensions=asks(query=BETWEEN),
)
def movement_between() -> Response:
    """Who moved from which segment to which between two versions, named by number or by as-of date."""
    snapshot, comparisons = _snapshot(), current_app.extensions[COMPARISONS]
    try:
        before, after = (
            comparisons.training(snapshot, request.args.get(name, str(snapshot.version))) for name in BETWEEN
        )
        moves = comparisons.moves(snapshot, before, after)
    except NotHeld as problem:
        raise NotFound(str(problem)) from None
    return _json({"model_version": snapshot.version, "as_of": snapshot.as_of, **moves.as_json()})


@api.get(
    "/analytics/segments/<segment>/customers",
    tags=[ANALYTICS],
    responses=answers(schemas.SegmentPage, 400, 404, 503),
    openapi_extensions=asks(path=SEGMENT, query=STATE | PAGING),
)
def segment_customers() -> Response:
    """A segment's customers, of one state or of all, biggest spenders first."""
    snapshot, number, state = _audience()
    return _json(queries.segment_customers(snapshot, number, state, *checks.page_and_limit(request.args)))


@api.get(
    "/analytics/segments/<segment>/customers.csv",
    tags=[ANALYTICS],
    responses=answers("text/csv", 400, 404, 503, example=CSV_EXAMPLE),
    openapi_extensions=asks(path=SEGMENT, query=STATE),
)
def segment_csv() -> Response:
    """A segment's customers, of one state or of all, as a file for spreadsheets: the audience of a campaign."""
    snapshot, number, state = _audience()
    lines = queries.audience_csv(snapshot, queries.of_segment(snapshot, number, state))
    return _csv(snapshot, lines, f"segment-{number}-{state + '-' if state else ''}customers")


@api.post(
    "/score",
    tags=[SCORING],
    responses=answers(schemas.ScoreAnswer, 400, 413, 415, 503),
    openapi_extensions=asks(body=ROWS),
)
def score() -> Response:
    """Customer metrics in, segment and anomaly flag out: an object for an object, a list for a list.

    A body for /invocations is answered as /invocations answers it.
    """
    snapshot = _snapshot()
    body = request.get_data()
    if request.content_length is None and len(body) >= checks.MAX_BYTES:
        raise RequestEntityTooLarge  # sent in chunks, werkzeug cuts it at the limit and says nothing
    customers = score_body.customers_in(body, request.is_json)
    try:
        columns = snapshot.scorer(customers.values)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    observing.metrics().scored(len(customers.values), sum(columns["is_anomaly"]))
    return Response(score_body.answer_of(columns, customers.shape), mimetype="application/json")


@api.get("/ui", tags=[ABOUT], responses=answers("text/html", 503, example="<!doctype html>..."))
def ui() -> routes.Answer:
    """The pages for people, beginning with the overview."""
    return routes.overview_page(current_app.extensions[PAGES])


def _endpoints() -> list[tuple[str, str, str]]:
    """(method, path, summary) of each."""
    return [
        (method, path, operation.summary or "")
        for path, item in api.paths.items()
        for method, operation in (("GET", item.get), ("POST", item.post))
        if operation
    ]


def _read(address: str, version: ModelVersion) -> Snapshot:
    return prepared(champion.load(address, version))


def _follower() -> Follower[Snapshot]:
    return current_app.extensions[EXTENSION]


def _snapshot() -> Snapshot:
    """The snapshot that this request is answered from, from its first line to its last."""
    snapshot = _follower().current()
    if snapshot is None:
        raise errors.NotReady(_not_ready())
    g.snapshot = snapshot
    return snapshot


def _not_ready() -> str:
    return _follower().stale or "The champion is being loaded. Ask again in a few seconds."


def _known(problem: str, why_not: Callable[[Snapshot], str | None]) -> Snapshot:
    """The snapshot, if it knows what is asked for; otherwise NotFound says the `problem` and why."""
    snapshot = _snapshot()
    if reason := why_not(snapshot):
        raise NotFound(f"{problem} {reason}")
    return snapshot


def _audience() -> tuple[Snapshot, int, str | None]:
    """The snapshot, and the segment and the state that were asked for."""
    snapshot = _snapshot()
    number = checks.segment(_from_path("segment"), snapshot.by_spending)
    state = checks.state(request.args)
    if state is not None and (reason := queries.no_states(snapshot)):
        raise NotFound(f"{UNKNOWN_STATES} {reason}")
    return snapshot, number, state


def _selection(snapshot: Snapshot, others: Sequence[str]) -> Selection:
    """The list that the query string asks for; `others` are its names that say something else."""
    with _in_words():
        return select(snapshot.all_customers, lists.filters_of(request.args.items(multi=True), others))


@contextmanager
def _in_words() -> Iterator[None]:
    """What is wrong with a list, as an HTTP error."""
    try:
        yield
    except NotInVersion as problem:
        raise Conflict(str(problem)) from None
    except ListError as problem:
        raise BadRequest(str(problem)) from None


def _no_customer(typed: str) -> str:
    return f"There is no customer {typed[:60]!r} in this data. Expected an id as in the shop's export."


def _from_path(name: str) -> str:
    return (request.view_args or {})[name]


def _json(answer: object) -> Response:
    return Response(as_json(answer), mimetype="application/json")


def _fixed(query: Callable[[Snapshot], object]) -> Response:
    return Response(_snapshot().answer(query), mimetype="application/json")


def _csv(snapshot: Snapshot, lines: Iterator[str], name: str) -> Response:
    return _csv_named(f"{name}-v{snapshot.version}.csv", lines)


def _csv_named(name: str, lines: Iterator[str]) -> Response:
    answer = Response(lines, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _name_version(response: Response) -> Response:
    snapshot = g.get("snapshot") or _follower().snapshot
    if snapshot is not None:
        response.headers[observing.VERSION_HEADER] = str(snapshot.version)
    return response
