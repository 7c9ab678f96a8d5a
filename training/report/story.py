"""The story of one training: its outcome in five lines, its figures, its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contract.words import percent
from training.clustering.evaluate import silhouette_samples
from training.profiles import by_value
from training.report import figures
from training.report.advice import advice_on_leavers
from training.report.facts import monthly, shop_facts
from training.report.page import by_segments, render_report
from training.states import shop_gap

if TYPE_CHECKING:
    import pandas as pd

    from training.clustering.evaluate import Map
    from training.clustering.segmenter import Segmenter
    from training.clustering.sweep import Choice, Evaluator
    from training.report.lookback import Lookback
    from training.shop import Shop

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


def files(
    shop: Shop,
    evaluate: Evaluator,
    used: Sequence[str],
    choice: Choice,
    fitted: Fitted,
    past: Lookback,
    grid: Sequence[Mapping[str, Any]],
    outlook: Sequence[str],
    horizon_days: int,
    curve: pd.DataFrame,
    outcome: Sequence[str],
    method: Mapping[str, str],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The artifacts that people look at, by path: figures/*.png, facts.json and report.html.

    `used` are the features of the distance; `grid` are the cells of `portrait.state_grid` with what is expected of
    each, and `outlook` is the forecast of `horizon_days` in sentences; `method` is what the report's last section
    lists; `warnings` are what the reader should know of how the result came about.
    """
    months = monthly(shop.orders)
    facts = shop_facts(shop.customers, months, shop.funnel, shop.sampled_from)
    winner, names = choice.winner, fitted.profiles.name.tolist()
    grid = by_segments(grid, by_value(fitted.scored, len(names)))
    fallen = len(past.movement.fallen) if past.movement else 0
    drawn = {
        "profiles": figures.profiles(fitted.profiles, fitted.scored),
        "pca_map": figures.pca_map(
            fitted.map,
            used,
            fitted.segmenter.labels_,
            fitted.segmenter.anomalies_,
            names,
        ),
        "k_distance": figures.k_distance(
            evaluate.threshold(winner.min_samples), winner.eps, winner.min_samples
        ),
        "concentration": figures.concentration(shop.customers),
        "months": figures.months(months),
        "correlations": figures.correlations(shop.customers),
        "distributions": figures.distributions(shop.customers),
        "silhouette_by_k": figures.silhouette_by_k(curve, winner.k, evaluate.limits.min_segments),
        "elbow": figures.elbow(curve, winner.k),
    }
    ordinary = ~fitted.segmenter.anomalies_
    if ordinary.sum() <= MOST_IN_A_KNIFE:
        labels = fitted.segmenter.labels_[ordinary]
        values = silhouette_samples(evaluate.weighted[ordinary], labels)
        drawn["silhouette_plot"] = figures.silhouette_plot(values, labels, names)
    drawn["states"] = figures.state_grid(grid, dict(zip(fitted.profiles.segment, names, strict=True)))
    if past.forward:
        drawn["foretold"] = figures.foretold(past.forward)
    if (
        past.forward and (past.forward.groups["kind"] == "segment").any()
    ):  # some segment was there at a cut-off
        drawn["forward"] = figures.forward(past.forward.groups, past.forward.days)
    pictures = {name: figures.picture(figure) for name, figure in drawn.items()}
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
