"""The addresses of the pages. An address can be sent to a colleague: it says what is shown, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, HTTPException, NotFound
from werkzeug.wrappers import Response as BaseResponse

from contract.lists.customers import CustomerTable
from contract.lists.problems import ListError
from contract.lists.selections import select
from serving import checks, errors, lists
from serving.archive import Promotion, Training
from serving.champion import Follower, Unreadable
from serving.comparisons import Comparisons, NotHeld
from serving.pages import customers as customers_page
from serving.pages import movement as movement_page
from serving.pages import overview, past, segments, writing
from serving.pages.customers import Asked
from serving.pages.frame import frame
from serving.snapshot import Snapshot
from serving.unattended import Cycles, news

AGAIN_SECONDS = 2  # after which a page that waits for the champion looks again
UNUSUAL_SORTS = (("most unusual first", "-anomaly_score"), ("most money first", "-Monetary"))

Answer = Response | BaseResponse | str
Content = Callable[[Snapshot, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Pages:
    """The pages of one application: where its snapshot comes from, and the versions beside it."""

    snapshot: Callable[[], Snapshot]
    follower: Follower[Snapshot]
    comparisons: Comparisons
    cycles: Cycles
    endpoints: Callable[[], Sequence[tuple[str, str, str]]]

    def show(self, template: str, content: Content) -> Response | str:
        """A page from the champion; while there is none, a page that comes back by itself."""
        try:
            snapshot = self.snapshot()
        except errors.NotReady as problem:
            if not _reads_html():
                raise
            return self._waiting(problem)
        parts = frame(snapshot, self.follower.stale)
        try:
            return render_template(template, **parts, **content(snapshot, parts))
        except (HTTPException, ListError, NotHeld) as problem:
            return _refused(problem, parts)

    def news(self, snapshot: Snapshot) -> str | None:
        """Why the figures are not of the latest data; None, too, while the registry does not answer."""
        try:
            return news(snapshot, self.cycles.latest())
        except Exception:
            return None

    def promotions(self, snapshot: Snapshot) -> Sequence[Promotion]:
        """The changes of the champion, latest first; none while the registry does not answer."""
        try:
            return self.comparisons.archive.records(snapshot.version).promotions
        except Exception:  # the registry's errors are of many kinds, and the page is right without it
            return []

    def trainings(self, snapshot: Snapshot) -> list[Training]:
        """The versions whose trainings can be read, latest first; none while the registry does not answer."""
        try:
            return self.comparisons.archive.trainings(snapshot.version)
        except Exception:
            return []

    def table(self, snapshot: Snapshot, asked: Asked) -> CustomerTable:
        """The customers that an address asks about: the champion's, or those of `version`, seen from `since`."""
        since, version = asked.first("since"), asked.first("version", str(snapshot.version))
        if not since:
            if version != str(snapshot.version):
                raise NotHeld(
                    f"version={version[:20]} was given without since. Expected both, as in ?since=1&version=2."
                )
            return snapshot.all_customers
        training = self.comparisons.training
        return self.comparisons.table(snapshot, training(snapshot, since), training(snapshot, version))

    def _waiting(self, problem: errors.NotReady) -> Response:
        text = render_template(
            "waiting.html",
            problem=problem.description,
            loading=self.follower.problem is None,
            again=AGAIN_SECONDS,
        )
        again = {"Retry-After": str(errors.RETRY_AFTER_SECONDS)}
        return Response(text, 503, again, mimetype="text/html")


def register(app: Flask, pages: Pages) -> None:
    """Serve the pages below /ui; /ui itself is the application's, as its OpenAPI document tells of it."""
    writing.register(app)
    app.register_blueprint(_blueprint(pages))


def overview_page(pages: Pages) -> Answer:
    """The first page."""
    if customer := request.args.get("customer"):  # an address of before there were pages
        return redirect(url_for("pages.customer", customer_id=customer))
    return pages.show(
        "overview.html", lambda snapshot, _: overview.content(snapshot) | {"news": pages.news(snapshot)}
    )


def _blueprint(pages: Pages) -> Blueprint:
    routes = Blueprint("pages", __name__, url_prefix="/ui")

    @routes.get("/segments", endpoint="segments")
    def segments_page() -> Response | str:
        chosen = request.args.getlist("segment")
        return pages.show(
            "segments.html", lambda snapshot, parts: segments.content(snapshot, parts["segments"], chosen)
        )

    @routes.get("/customers", endpoint="customers")
    def customers() -> Response | str:
        return pages.show("customers.html", lambda snapshot, _: _customers(pages, snapshot))

    @routes.get("/customers/<anything:customer_id>", endpoint="customer")
    def customer(customer_id: str) -> Response | str:
        return pages.show("customer.html", lambda snapshot, parts: _customer(snapshot, parts, customer_id))

    @routes.get("/movement", endpoint="movement")
    def movement() -> Response | str:
        return pages.show("movement.html", lambda snapshot, parts: _movement(pages, snapshot, parts))

    @routes.get("/unusual", endpoint="unusual")
    def unusual() -> Response | str:
        return pages.show("unusual.html", lambda snapshot, _: _unusual(snapshot))

    @routes.get("/past", endpoint="past")
    def past_page() -> Response | str:
        return pages.show("past.html", lambda snapshot, _: _past(pages, snapshot))

    @routes.get("/developers", endpoint="developers")
    def developers() -> Response | str:
        return pages.show("developers.html", lambda snapshot, parts: _developers(pages, snapshot, parts))

    @routes.get("/report", endpoint="report")
    def report() -> Response | str:
        snapshot = pages.snapshot()
        try:
            text = pages.comparisons.archive.report(snapshot.version, snapshot.version)
        except Unreadable as problem:
            raise NotFound(f"The report of version {snapshot.version} is not there: {problem}.") from None
        return Response(text, mimetype="text/html")

    return routes


def _customers(pages: Pages, snapshot: Snapshot) -> dict[str, Any]:
    asked = Asked(tuple(request.args.items(multi=True)))
    table = pages.table(snapshot, asked)
    number, _ = checks.page_and_per_page(request.args)
    since = asked.first("since")
    since_as_of = pages.comparisons.training(snapshot, since).as_of if since else _since(snapshot)
    return customers_page.content(customers_page.listed(table, asked), asked, number) | {"since": since_as_of}


def _since(snapshot: Snapshot) -> str | None:
    return (snapshot.movement or {}).get("from_as_of")


def _customer(snapshot: Snapshot, parts: dict[str, Any], customer_id: str) -> dict[str, Any]:
    answer = lists.customer(snapshot, customer_id)
    if answer is None:
        raise NotFound(
            f"There is no customer {customer_id[:60]!r} in this data. Expected an id as in the shop's export."
        )
    return customers_page.one(snapshot, answer, parts["segments"])


def _movement(pages: Pages, snapshot: Snapshot, parts: dict[str, Any]) -> dict[str, Any]:
    order = [segment["segment"] for segment in parts["segments"]]
    start, end = request.args.get("from", ""), request.args.get("to", "") or str(snapshot.version)
    trainings = pages.trainings(snapshot)
    chosen = {"from": start, "to": end, "choices": movement_page.choices(trainings)}
    if not start and end != str(snapshot.version):
        raise BadRequest(
            f"to={end[:20]} was given without from. Expected two versions. Choose the earlier one, too."
        )
    if not start:
        moved = movement_page.since_the_training_looked(snapshot, order)
        reason = (snapshot.summary.get("missing") or {}).get("movement", "")
        return {"moved": moved, "no_movement": reason, **chosen}
    training = pages.comparisons.training
    before, after = training(snapshot, start), training(snapshot, end)
    if before.version == after.version:
        raise BadRequest(
            f"Both dates are of version {before.version}. Expected two versions. Choose another one."
        )
    moves = pages.comparisons.moves(snapshot, before, after)
    chosen |= {"from": str(before.version), "to": str(after.version)}
    return {
        "moved": movement_page.between_versions(moves, order, snapshot.version),
        "no_movement": "",
        **chosen,
    }


def _unusual(snapshot: Snapshot) -> dict[str, Any]:
    sort = request.args.get("sort", UNUSUAL_SORTS[0][1])
    if sort not in [value for _, value in UNUSUAL_SORTS]:
        raise BadRequest(
            f"sort={sort[:40]} is not known. Expected one of: {', '.join(v for _, v in UNUSUAL_SORTS)}."
        )
    number, _ = checks.page_and_per_page(request.args)
    asked = Asked((("unusual", "true"), ("sort", sort)))
    selection = select(snapshot.all_customers, asked.view)
    return customers_page.content(selection, asked, number) | {"sort": sort, "unusual_sorts": UNUSUAL_SORTS}


def _past(pages: Pages, snapshot: Snapshot) -> dict[str, Any]:
    trainings = pages.trainings(snapshot)
    named = [request.args.get(name, "") for name in ("one", "other")]
    if any(named):
        pair = [pages.comparisons.training(snapshot, name or str(snapshot.version)) for name in named]
    else:
        pair = trainings[:2][::-1] if len(trainings) > 1 else []
    return past.content(trainings, pages.promotions(snapshot), snapshot.version, pair)


def _developers(pages: Pages, snapshot: Snapshot, parts: dict[str, Any]) -> dict[str, Any]:
    best = parts["segments"][0]["segment"]
    return {
        "endpoints": pages.endpoints(),
        "example": snapshot.row(snapshot.by_spending[best][0]),
        "outcome": parts["overview"]["outcome"],
    }


def _refused(problem: Exception, parts: dict[str, Any]) -> Response:
    """A page that says what was given, what was expected and what to do."""
    code = problem.code if isinstance(problem, HTTPException) and problem.code else 400
    code = 404 if isinstance(problem, NotHeld) else code
    text = problem.description if isinstance(problem, HTTPException) else str(problem)
    return Response(render_template("refused.html", problem=text, **parts), code, mimetype="text/html")


def _reads_html() -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
