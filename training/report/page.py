"""The report: one HTML page that tells the story in sentences, tables and figures, and opens offline."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from contract import colours, words
from contract.forecast_words import FORECAST_WORDS, SEASON
from contract.names import FEATURES
from training.profiles import by_value
from training.report.facts import Facts

if TYPE_CHECKING:
    from training.cleaning import Funnel
    from training.report.picture import Picture

UNUSUAL_SHOWN = 20
# What each figure shows, for those who cannot see it; what it says is its title.
DESCRIPTIONS = {
    "profiles": "Heat map of each segment's median features against all customers, and bars of its share of "
    "customers and of revenue.",
    "pca_map": "Scatter plot of the customers on two principal components, coloured by segment, with unusual "
    "customers as crosses and arrows for the features.",
    "forward": "Bars of the mean spend after the cut-off and of the share who bought again, by segment and by RFM "
    "tier.",
    "foretold": "Bars of the share of later spend's variance that segments, RFM tiers, RFM sums and RFM cells "
    "explain, with standard errors.",
    "states": "Table of segments by state: customers, money, and the share who bought again, the more the darker.",
    "k_distance": "Curve of how isolated each customer is, sorted, and curve of the anomaly rate over eps; the eps "
    "used is marked in both.",
    "concentration": "Curve of the share of revenue over the share of customers, best customers first.",
    "months": "Bars of sales and returns by month.",
    "correlations": "Heat map of the rank correlation of each two features.",
    "distributions": "Histograms of the five features as measured and after the logarithm and standardising.",
    "silhouette_by_k": "Curve of the mean silhouette over the number of segments; the choice is marked.",
    "elbow": "Curve of the inertia over the number of segments; the choice is marked.",
    "silhouette_plot": "Silhouette of each ordinary customer, sorted within its segment.",
}


def render_report(
    *,
    title: str,
    rejected: str,
    warnings: Sequence[str],
    outcome: Sequence[str],
    profiles: pd.DataFrame,
    scored: pd.DataFrame,
    facts: Facts,
    funnel: Funnel,
    reasons: Sequence[str],
    movement: Sequence[str],
    advice_on_fallen: str,
    grid: Sequence[Mapping[str, Any]],
    gap: float,
    outlook: Sequence[str],
    horizon_days: int,
    forward: Sequence[str],
    method: Mapping[str, str],
    figures: Mapping[str, Picture],
    understood: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole story as one HTML page without any outside request.

    `rejected` says why the segmentation was rejected, "" when it was not; `warnings`, `outcome`, `reasons`,
    `movement`, `outlook` and `forward` are sentences; `profiles` has one row per segment, as
    `expectation.with_expectation` gives it; `grid` are the cells of `portrait.state_grid` with those of
    `expectation.cell_expectation`, and `gap` is the shop's usual days between two orders;
    `horizon_days` are those that the forecast looks ahead; `scored` is customers plus segment_name, is_anomaly,
    anomaly_score, anomaly_reason and returns_note; `method` maps a setting's name to its value as the reader shall see
    it; `figures` maps the names of `DESCRIPTIONS` to pictures, and those that are left out are left out of the page;
    `understood` says how the files were read, as (what, how).
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        words.percent,
        words.amount,
        words.number,
        words.measure,
        words.score,
        words.plainly,
        words.verb,
        words.counted,
    )
    environment.filters |= {word.__name__: word for word in filters}
    order = by_value(scored, len(profiles))
    segments = profiles.set_index("segment", drop=False).loc[order]
    unusual = scored[scored["is_anomaly"]].nlargest(UNUSUAL_SHOWN, "anomaly_score")
    return environment.get_template("report.html").render(
        title=title,
        palette=colours.style_sheet(),
        shape=colours.segment_shape,
        colour=colours.segment_variable,
        words={name: words.WORDS[name] for name in FEATURES},
        risk=FORECAST_WORDS["value_at_risk"][1].format(days=horizon_days),
        horizon_days=horizon_days,
        rejected=rejected,
        warnings=warnings,
        outcome=outcome,
        meanings=words.STATE_MEANINGS,
        gap=None if math.isnan(gap) else round(gap),
        grid=by_segments(grid, order),
        names=dict(zip(profiles["segment"], profiles["name"], strict=True)),
        segments=segments.to_dict("records"),
        customers=len(scored),
        anomalies=int(scored["is_anomaly"].sum()),
        unusual=unusual.to_dict("records"),
        facts=facts,
        funnel=funnel,
        reasons=reasons,
        movement=movement,
        advice_on_fallen=advice_on_fallen,
        outlook=outlook,
        expected=expected(grid),
        season=SEASON,
        forward=forward,
        method=method,
        understood=understood,
        images={name: _image(name, picture) for name, picture in figures.items()},
    )


def by_segments(grid: Sequence[Mapping[str, Any]], order: Sequence[int]) -> list[Mapping[str, Any]]:
    """The cells of the grid, those of the segment that is first in `order` first."""
    return sorted(grid, key=lambda cell: order.index(cell["segment"]))


def expected(grid: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The cells of the grid of which something is expected, most money first."""
    known = [cell for cell in grid if cell["customers"] and cell["expected_spend"] is not None]
    return sorted(known, key=lambda cell: -cell["expected_spend"])


def _image(name: str, picture: Picture) -> dict[str, str]:
    encoded = base64.b64encode(picture.png).decode()
    return {"alt": f"{picture.title}. {DESCRIPTIONS[name]}", "source": f"data:image/png;base64,{encoded}"}
