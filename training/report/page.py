"""The report: one HTML page that tells the story in sentences, tables and figures, and opens offline."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from training.profiles import by_value
from training.report.facts import Facts, amount, number, percent

if TYPE_CHECKING:
    from training.cleaning import Funnel
    from training.report.figures import Picture

UNUSUAL_SHOWN = 20
# What each figure shows, for those who cannot see it; what it says is its title.
DESCRIPTIONS = {
    "profiles": "Heat map of each segment's median features against all customers, and bars of its share of "
    "customers and of revenue.",
    "pca_map": "Scatter plot of the customers on two principal components, coloured by segment, with unusual "
    "customers as crosses and arrows for the features.",
    "forward": "Bars of the mean spend after the cut-off and of the share who bought again, by segment and by RFM "
    "tier.",
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
    outcome: Sequence[str],
    profiles: pd.DataFrame,
    scored: pd.DataFrame,
    facts: Facts,
    funnel: Funnel,
    reasons: Sequence[str],
    movement: Sequence[str],
    forward: Sequence[str],
    method: Mapping[str, str],
    figures: Mapping[str, Picture],
    understood: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole story as one HTML page without any outside request.

    `outcome`, `reasons`, `movement` and `forward` are sentences; `profiles` has a row a segment, as
    `profiles.profile` gives it; `scored` is customers plus segment_name, is_anomaly, anomaly_score and
    anomaly_reason; `method` maps a setting's name to its value as the reader shall see it; `figures`
    maps the names of `DESCRIPTIONS` to pictures, and those that are left out are left out of the page; `understood`
    says how the files were read, as (what, how).
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "amount": amount, "number": number}
    segments = profiles.set_index("segment", drop=False).loc[by_value(scored, len(profiles))]
    unusual = scored[scored["is_anomaly"]].nlargest(UNUSUAL_SHOWN, "anomaly_score")
    return environment.get_template("report.html").render(
        title=title,
        outcome=outcome,
        segments=segments.to_dict("records"),
        customers=len(scored),
        anomalies=int(scored["is_anomaly"].sum()),
        unusual=unusual.to_dict("records"),
        facts=facts,
        funnel=funnel,
        reasons=reasons,
        movement=movement,
        forward=forward,
        method=method,
        understood=understood,
        images={name: _image(name, picture) for name, picture in figures.items()},
    )


def _image(name: str, picture: Picture) -> dict[str, str]:
    encoded = base64.b64encode(picture.png).decode()
    return {"alt": f"{picture.title}. {DESCRIPTIONS[name]}", "source": f"data:image/png;base64,{encoded}"}
