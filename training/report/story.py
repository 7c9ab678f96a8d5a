"""The story of one training: its outcome in five lines, its figures, its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contract.words import percent
from training.clustering.evaluate import silhouette_samples
from training.profiles import by_value
from training.report.advice import advice_on_leavers
from training.report.facts import shop_facts
from training.report.page import by_segments, render_report
from training.states import shop_gap

if TYPE_CHECKING:
    import pandas as pd

    from training.clustering.evaluate import Map
    from training.clustering.segmenter import Segmenter
    from training.clustering.sweep import Choice, Evaluator, Trial
    from training.report.artist import Artist
    from training.report.lookback import Lookback
    from training.shop import Shop

FIGURES = (  # of the report
    *("profiles", "pca_map", "k_distance", "concentration", "months", "correlations", "distributions"),
    *("silhouette_by_k", "elbow", "silhouette_plot", "states", "foretold", "forward"),
)
MOST_IN_A_KNIFE = 20_000  # customers; the silhouette plot needs each against all others


@dataclass(frozen=True)
class Fitted:
    """The chosen segmentation of a shop's customers, and what it says of each."""

    segmenter: Segmenter
    profiles: pd.DataFrame
    scored: pd.DataFrame
    map: Map


def in_five_lines(shop: Shop, kind: str, choice: Choice, fitted: Fitted) -> list[str]:
    """The outcome as five sentences: data, setting and quality, anomalies, segments, what to do first."""
    profiles, scored, winner = fitted.profiles, fitted.scored, choice.winner
    anomalies = int(scored.is_anomaly.sum())
    share = anomalies / len(scored)
    best = profiles.loc[profiles.revenue_share.idxmax()]
    segments = "; ".join(
        f"{row.name}: {row.customers:,} customers ({percent(row.share)}), {percent(row.revenue_share)} of revenue"
        for row in profiles.itertuples(index=False)
    )
    of_all = f", a uniform sample of {shop.sampled_from:,}," if shop.sampled_from else ""
    rejected = "REJECTED, nothing was registered: " if choice.rejected else ""
    return [
        f"{rejected}{len(scored):,} customers{of_all} from {shop.funnel.read:,} lines ({kind} data), "
        f"as of {shop.as_of:%Y-%m-%d %H:%M}.",
        f"{winner.setting}: silhouette {winner.metrics['silhouette']:.4f}, stability "
        f"{winner.metrics['stability']:.3f} (mean adjusted Rand index over bootstrap refits).",
        f"{anomalies:,} customers ({percent(share)}) are on the list of the unusual: they fit no pattern.",
        f"{segments}.",
        f"{best['name']} matters most: {percent(best.share)} of customers bring {percent(best.revenue_share)} of "
        f"revenue. {best.action}",
    ]


def draw_shop(artist: Artist, customers: pd.DataFrame, months: pd.DataFrame) -> None:
    """Have the figures drawn that need nothing but the shop's customers and `months`, as `monthly` has them."""
    artist.draw("concentration", customers)
    artist.draw("months", months)
    artist.draw("correlations", customers)
    artist.draw("distributions", customers)


def draw_choice(
    artist: Artist,
    evaluate: Evaluator,
    used: Sequence[str],
    winner: Trial,
    segmenter: Segmenter,
    plane: Map,
    names: list[str],
    curve: pd.DataFrame,
) -> None:
    """Have the figures drawn of the chosen segments, called `names`; `used` are the features of the distance."""
    labels, anomalies = segmenter.labels_, segmenter.anomalies_
    artist.draw("pca_map", plane, used, labels, anomalies, names)
    threshold = evaluate.threshold(winner.min_samples)
    artist.draw("k_distance", threshold, winner.eps, winner.min_samples)
    artist.draw("silhouette_by_k", curve, winner.k, evaluate.limits.min_segments)
    artist.draw("elbow", curve, winner.k)
    if (~anomalies).sum() <= MOST_IN_A_KNIFE:
        values = silhouette_samples(evaluate.weighted[~anomalies], labels[~anomalies])
        artist.draw("silhouette_plot", values, labels[~anomalies], names)


def draw_fitted(artist: Artist, fitted: Fitted, past: Lookback, grid: Sequence[Mapping[str, Any]]) -> None:
    """Have the figures drawn of what is known of each customer, and of what the past says."""
    names = fitted.profiles.name.tolist()
    artist.draw("profiles", fitted.profiles, fitted.scored)
    cells = by_segments(grid, by_value(fitted.scored, len(names)))
    artist.draw("states", cells, dict(zip(fitted.profiles.segment, names, strict=True)))
    if past.forward:
        artist.draw("foretold", past.forward)
        if (past.forward.groups["kind"] == "segment").any():  # some segment was there at a cut-off
            artist.draw("forward", past.forward.groups, past.forward.days)


def files(
    artist: Artist,
    shop: Shop,
    months: pd.DataFrame,
    choice: Choice,
    fitted: Fitted,
    past: Lookback,
    grid: Sequence[Mapping[str, Any]],
    outlook: Sequence[str],
    horizon_days: int,
    outcome: Sequence[str],
    method: Mapping[str, str],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The artifacts that people look at, by path: figures/*.png, facts.json and report.html.

    `artist` was asked for the figures; `grid` are the cells of `portrait.state_grid` with what is expected of
    each, and `outlook` is the forecast of `horizon_days` in sentences; `method` is what the report's last section
    lists; `warnings` are what the reader should know of how the result came about.
    """
    facts = shop_facts(shop.customers, months, shop.funnel, shop.sampled_from)
    grid = by_segments(grid, by_value(fitted.scored, len(fitted.profiles)))
    fallen = len(past.movement.fallen) if past.movement else 0
    pictures = artist.pictures(FIGURES)
    report = render_report(
        title="Customer segments",
        rejected=choice.rejected,
        warnings=warnings,
        outcome=outcome,
        profiles=fitted.profiles,
        scored=fitted.scored,
        facts=facts,
        funnel=shop.funnel,
        reasons=choice.reasons,
        movement=past.movement.sentences if past.movement else [past.missing["movement"]],
        advice_on_fallen=advice_on_leavers(past.evidence.left_best, fallen) if fallen else "",
        grid=grid,
        gap=shop_gap(shop.customers),
        outlook=outlook,
        horizon_days=horizon_days,
        forward=past.forward.sentences if past.forward else [past.missing["forward"]],
        method=method,
        figures=pictures,
        understood=shop.understanding.rows() if shop.understanding else (),
    )
    pngs = {f"figures/{name}.png": picture.png for name, picture in pictures.items()}
    return {**pngs, "facts.json": asdict(facts), "report.html": report}
