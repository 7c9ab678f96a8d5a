"""The figures people look at. Each function returns a matplotlib Figure; its suptitle says what to see."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from contract.names import FEATURES
from training.clustering.evaluate import Map
from training.profiles import by_value
from training.report.facts import (
    amount,
    links,
    month_name,
    number,
    percent,
    revenue_curve,
    skewness,
    spearman,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ANOMALY = "#d55e00"
LINE = "#31688e"
MUTED = "#8a8a8a"
RETURNED = "#e69f00"
CLIPPED_AT = 0.99
DRAWN_AT_MOST = 5_000
CURVE_POINTS = 2_000
MONTH_LABELS = 18
UNITS = {
    "Recency": "days since last order",
    "Frequency": "orders",
    "Monetary": "money spent",
    "AverageOrderValue": "money an order",
    "Tenure": "days since first order",
}
THOUSANDS = FuncFormatter(lambda value, _: _minus(f"{value:,.0f}" if value == round(value) else f"{value:g}"))
SHARES = PercentFormatter(1)


@dataclass(frozen=True)
class Picture:
    """A drawn figure: what it says and its PNG."""

    title: str
    png: bytes


def picture(figure: Figure, dpi: int = 130) -> Picture:
    """The figure drawn; figures made anew from the same data give the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return Picture(" ".join(figure.get_suptitle().split()), buffer.getvalue())


def segment_colours(count: int) -> list[tuple[float, ...]]:
    """(count) RGBA colours, light to dark in segment order, told apart by the colour-blind."""
    scale = matplotlib.colormaps["viridis_r"]
    return [scale(place) for place in np.linspace(0.08, 1.0, count)]


def distributions(customers: pd.DataFrame) -> Figure:
    """The five features of `customers`, before and after log1p and standardising."""
    skewed = skewness(customers)
    name = max(FEATURES, key=lambda feature: np.nan_to_num(abs(skewed[feature][0])))
    before, after = skewed[name]
    figure = _figure(
        f"Long tails shrink: the logarithm takes {name} from a skewness of {before:.1f} to {_minus(f'{after:.1f}')}"
        if abs(after) < abs(before)
        else "Five features, before and after the logarithm",
        9,
        12.5,
    )
    standard = _standardised(customers)
    for (left, right), feature in zip(figure.subplots(len(FEATURES), 2), FEATURES, strict=True):
        values = customers[feature]
        limit = float(values.quantile(CLIPPED_AT))
        hidden = int((values > limit).sum())
        left.hist(values[values <= limit], bins=_bins(values[values <= limit]), color=LINE)
        beyond = f"not shown: {hidden:,} customers above {amount(limit)}, up to {amount(values.max())}"
        left.set_xlabel(f"{feature} ({UNITS[feature]})" + (f"\n{beyond}" if hidden else ""))
        left.xaxis.set_major_formatter(THOUSANDS)
        right.hist(standard[feature], bins=40, color="#35b779")
        right.set_xlabel(f"log {feature} (standard deviations)")
        for axis, skew in ((left, skewed[feature][0]), (right, skewed[feature][1])):
            axis.set_title(_minus(f"skewness {skew:.1f}"), fontsize=9, loc="right")
            axis.set_ylabel("customers")
            axis.yaxis.set_major_formatter(THOUSANDS)
            axis.xaxis.set_major_locator(MaxNLocator(6))
    figure.axes[0].set_title("Before: as measured", loc="left", fontsize=11, fontweight="bold")
    figure.axes[1].set_title("After: log1p, standardised", loc="left", fontsize=11, fontweight="bold")
    return figure


def correlations(customers: pd.DataFrame) -> Figure:
    """Rank correlation (Spearman) of each two features, in numbers and colours."""
    table = spearman(customers)
    pairs = links(table)
    title = "No two features vary together"
    if pairs:
        a, b, rho = pairs[0]
        how = "move together" if rho >= 0 else "oppose each other"
        title = _minus(f"{a} and {b} {how} most: rank correlation {rho:.2f}")
    figure = _figure(title, 7.5, 6.2)
    axis = figure.subplots()
    scale = matplotlib.colormaps["PuOr_r"].with_extremes(bad="#dddddd")
    image = axis.imshow(table, cmap=scale, vmin=-1, vmax=1)
    _annotate(
        axis, table.map(lambda rho: "–" if np.isnan(rho) else _minus(f"{rho:.2f}")), (table + 1) / 2, scale
    )
    labels = [name.replace("Order", "\nOrder") for name in FEATURES]
    axis.set_xticks(range(len(FEATURES)), labels)
    axis.set_yticks(range(len(FEATURES)), labels)
    figure.colorbar(image, ax=axis, label="rank correlation (Spearman)", shrink=0.85)
    return figure


def concentration(customers: pd.DataFrame) -> Figure:
    """Share of revenue over the share of customers, best customers first."""
    curve = revenue_curve(customers)
    count = len(curve)
    top = max(1, round(count / 10))
    who = "The best 10% of customers bring" if count >= 10 else "The best customer brings"
    figure = _figure(f"{who} {percent(curve[top])} of revenue", 8, 5)
    axis = figure.subplots()
    shown = np.unique(np.linspace(0, count, min(count, CURVE_POINTS) + 1).round().astype(int))
    shares = np.concatenate([[0.0], curve.to_numpy()])
    axis.plot([0, 1], [0, 1], color=MUTED, linestyle="--", label="if everyone spent the same")
    axis.plot(shown / count, shares[shown], color=LINE, linewidth=2.5, label="this shop")
    axis.plot(top / count, curve[top], "o", color=ANOMALY, markersize=9)
    axis.annotate(
        f"{percent(top / count)} of customers: {percent(curve[top])} of revenue",
        (top / count, curve[top]),
        xytext=(14, -4),
        textcoords="offset points",
        va="top",
    )
    axis.set(xlabel="share of customers, best first", ylabel="share of revenue", xlim=(0, 1), ylim=(0, 1.03))
    axis.xaxis.set_major_formatter(SHARES)
    axis.yaxis.set_major_formatter(SHARES)
    axis.legend(loc="lower right")
    return figure


def months(table: pd.DataFrame) -> Figure:
    """Sales and returns of each month (as `explore.monthly` gives them); months not covered in full hatched."""
    full = table[table["complete"]]
    if len(full) > 1:
        best = full.loc[full["revenue"].idxmax()]
        title = f"{month_name(best['month'])} was the best full month: sales of {amount(best['revenue'])}"
    else:
        title = f"Sales and returns in {len(table)} month{'s' if len(table) > 1 else ''}"
    figure = _figure(title, 9, 4.8)
    axis = figure.subplots()
    place = np.arange(len(table))
    hatches = ["" if complete else "///" for complete in table["complete"]]
    axis.bar(place, table["revenue"], color=LINE, hatch=hatches, edgecolor="white", linewidth=0)
    axis.bar(place, -table["returned"], color=RETURNED, hatch=hatches, edgecolor="white", linewidth=0)
    axis.axhline(0, color="black", linewidth=0.8)
    step = -(-len(table) // MONTH_LABELS)
    axis.set_xticks(
        place[::step], table["month"].iloc[::step], rotation=45, ha="right", rotation_mode="anchor"
    )
    axis.set(xlabel="month", ylabel="money (currency of the data)")
    axis.yaxis.set_major_formatter(THOUSANDS)
    handles = [
        Patch(color=LINE, label="sales before returns"),
        Patch(color=RETURNED, label="returns (below zero)"),
    ]
    if len(full) < len(table):
        handles.append(
            Patch(facecolor=MUTED, edgecolor="white", hatch="///", label="month not covered in full")
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def elbow(curve: pd.DataFrame, k: int) -> Figure:
    """Inertia over the number of segments (`curve` with columns k, inertia), `k` marked."""
    figure = _figure(f"More segments always fit closer; what each adds shrinks. Chosen: {k}", 8, 4.6)
    axis = figure.subplots()
    axis.plot(curve["k"], curve["inertia"], "o-", color=LINE, label="inertia")
    _mark_chosen(axis, curve, k, "inertia")
    axis.set(
        xlabel="number of segments k",
        ylabel="inertia (sum of squared distances\nto the segment's centre)",
        ylim=(0, None),
    )
    axis.set_xticks(curve["k"])
    axis.yaxis.set_major_formatter(THOUSANDS)
    axis.legend()
    return figure


def silhouette_by_k(curve: pd.DataFrame, k: int, min_segments: int) -> Figure:
    """Mean silhouette over the number of segments (columns k, silhouette, silhouette_se), `k` marked."""
    allowed = curve[curve["k"] >= min_segments]
    value = float(curve.loc[curve["k"] == k, "silhouette"].iloc[0])
    best = allowed.loc[allowed["silhouette"].idxmax()]
    figure = _figure(
        f"Of {min_segments} segments or more, {k} are the clearest: silhouette {value:.3f}"
        if value >= best["silhouette"]
        else f"{k} segments were chosen, silhouette {value:.3f}; {best['k']:.0f} would have {best['silhouette']:.3f}",
        8,
        4.6,
    )
    axis = figure.subplots()
    errors = curve["silhouette_se"] if (curve["silhouette_se"] > 0).any() else None
    axis.errorbar(
        curve["k"],
        curve["silhouette"],
        yerr=errors,
        fmt="o-",
        color=LINE,
        capsize=4,
        label="mean silhouette" if errors is None else "mean silhouette ± standard error",
    )
    _mark_chosen(axis, curve, k, "silhouette")
    if min_segments > curve["k"].min():
        axis.axvspan(
            curve["k"].min() - 0.5,
            min_segments - 0.5,
            color=MUTED,
            alpha=0.25,
            label=f"not allowed: under {min_segments} segments",
        )
    axis.set(
        xlabel="number of segments k",
        ylabel="mean silhouette (1 is best)",
        xlim=(curve["k"].min() - 0.5, curve["k"].max() + 0.5),
    )
    axis.set_xticks(curve["k"])
    axis.legend()
    return figure


def silhouette_plot(values: Floats, labels: Ints, names: Sequence[str]) -> Figure:
    """Silhouette of each customer `values` (n,), by segment `labels` (n,), sorted; the dashed line is the mean.

    Each segment is drawn as high as its share of customers.
    """
    mean, outside = float(values.mean()), float((values < 0).mean())
    figure = _figure(
        f"{percent(outside)} of ordinary customers fit another segment better; mean silhouette {mean:.2f}",
        9,
        3 + 0.45 * len(names),
    )
    axis = figure.subplots()
    gap, bottom, middles, ticks = 0.02 * len(values), 0.0, [], []
    for segment, colour in enumerate(segment_colours(len(names))):
        own = np.sort(values[labels == segment])
        # Thinned, so that a million customers draw as fast as a thousand.
        levels = np.linspace(0, 1, min(max(len(own), 2), CURVE_POINTS))
        heights = bottom + levels * len(own)
        if len(own):
            axis.fill_betweenx(
                heights, 0, np.quantile(own, levels), facecolor=colour, edgecolor="#444444", lw=0.4
            )
        middles.append(bottom + len(own) / 2)
        ticks.append(f"{textwrap.fill(names[segment], 28)} ({len(own):,})")
        bottom += max(len(own), gap) + gap
    axis.axvline(mean, color=ANOMALY, linestyle="--", label=f"mean {mean:.3f}")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(middles, ticks)
    axis.set(
        xlabel="silhouette (1 fits its segment well, below 0 fits another better)",
        ylabel="segment (customers)",
    )
    axis.legend(loc="lower right")
    return figure


def k_distance(threshold: Floats, eps: float, min_samples: int) -> Figure:
    """How isolated each customer is (noise `threshold`, (n,)), and the anomaly rate that every eps would give."""
    count = len(threshold)
    anomalies = int((threshold > eps).sum())
    figure = _figure(
        f"eps = {eps:.3g} calls {anomalies:,} of {count:,} customers ({percent(anomalies / count)}) unusual",
        10,
        4.8,
    )
    left, right = figure.subplots(1, 2)
    shares = np.linspace(0, 1, min(count, CURVE_POINTS))
    ordered = np.quantile(threshold, shares)
    left.plot(shares * count, ordered, color=LINE, linewidth=2, label="customers")
    left.fill_between(
        shares * count, eps, ordered, where=ordered > eps, color=ANOMALY, alpha=0.4, label="anomalies"
    )
    left.axhline(eps, color=ANOMALY, linestyle="--", label=f"eps = {eps:.3g}")
    left.set(
        title="Sorted k-distance",
        xlabel="customers, most isolated last",
        ylabel=f"eps at which the customer joins a group\n(standard deviations, min_samples = {min_samples})",
    )
    left.xaxis.set_major_formatter(THOUSANDS)
    left.legend(loc="upper left")

    tail = np.sort(threshold)[::-1][: max(2, count // 5)]
    rates = np.arange(1, len(tail) + 1) / count
    thin = np.unique(np.geomspace(1, len(tail), min(len(tail), CURVE_POINTS)).astype(int)) - 1
    right.plot(tail[thin], rates[thin], color=LINE, linewidth=2, label="anomaly rate")
    right.axvline(eps, color=ANOMALY, linestyle="--", label=f"eps = {eps:.3g}: {percent(anomalies / count)}")
    right.set(
        title="Anomaly rate over eps",
        xlabel="eps (standard deviations)",
        ylabel="share of customers called anomalies",
        yscale="log",
    )
    right.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    right.legend(loc="upper right")
    return figure


def pca_map(
    plane: Map, features: Sequence[str], segment: Ints, is_anomaly: NDArray[np.bool_], names: Sequence[str]
) -> Figure:
    """The customers in the plane that shows most of their differences (`evaluate.principal_map`).

    `features` (d) name the columns that the plane was made of; `segment` and `is_anomaly` are (n,).
    Above 5,000 a random sample of the ordinary customers is drawn.
    """
    planar, explained = plane.coordinates, plane.explained
    loadings = plane.loadings.T * planar.std(axis=0)
    drawn = _sample(is_anomaly)
    anomalies, ordinary = drawn[is_anomaly[drawn]], drawn[~is_anomaly[drawn]]
    figure = _figure(
        f"{len(names)} segments and {int(is_anomaly.sum()):,} unusual customers: one picture, "
        f"{percent(float(explained.sum()))} of their differences",
        9,
        7.5 + 0.12 * len(names),
    )
    axis = figure.subplots()
    colours = segment_colours(len(names))
    for place in range(len(names)):
        own = ordinary[segment[ordinary] == place]
        count = int((segment == place).sum())
        axis.scatter(
            planar[own, 0],
            planar[own, 1],
            s=14,
            color=colours[place],
            edgecolors="#00000055",
            linewidths=0.3,
            label=f"{place}: {textwrap.shorten(names[place], 46, placeholder='…')} ({count:,})",
        )
    axis.scatter(
        planar[anomalies, 0],
        planar[anomalies, 1],
        s=46,
        marker="X",
        color=ANOMALY,
        edgecolors="white",
        linewidths=0.6,
        label=f"unusual, of any segment ({int(is_anomaly.sum()):,})",
    )
    _arrows(axis, loadings, features, np.quantile(np.abs(planar), 0.98))
    _numbers(axis, planar[~is_anomaly], segment[~is_anomaly])
    shown = "" if len(drawn) == len(planar) else f"; {len(drawn):,} of {len(planar):,} customers drawn"
    axis.set(
        xlabel=f"first principal component ({percent(float(explained[0]))} of variance)",
        ylabel=f"second principal component ({percent(float(explained[1]))} of variance)",
    )
    axis.set_title(f"Arrows: where a feature is high{shown}", fontsize=10, loc="left")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, markerscale=1.5)
    return figure


def profiles(table: pd.DataFrame, scored: pd.DataFrame) -> Figure:
    """Each segment's medians against all customers, and its share of customers and of revenue.

    `table` has a row a segment (segment, name, share, revenue_share), `scored` a row a customer
    (the five features, segment, is_anomaly). Most valuable segment on top.
    """
    order = by_value(scored, len(table))
    rows = table.set_index("segment", drop=False).loc[order]
    standard = _standardised(scored).groupby(scored["segment"]).median().loc[order]
    medians = scored.groupby("segment")[list(FEATURES)].median().loc[order]
    best = rows.loc[rows["revenue_share"].idxmax()]
    figure = _figure(
        f"{best['name']}: {percent(best['share'])} of customers, {percent(best['revenue_share'])} of revenue",
        11,
        2.6 + 0.62 * len(rows),
    )
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    limit = max(1.0, float(np.nanmax(np.abs(standard.to_numpy()))))
    scale = matplotlib.colormaps["PuOr_r"]
    image = left.imshow(standard, cmap=scale, vmin=-limit, vmax=limit, aspect="auto")
    _annotate(
        left,
        medians.apply(lambda column: column.map(amount if _unit(column.name) == "money" else number)),
        standard / (2 * limit) + 0.5,
        scale,
    )
    left.set_xticks(
        range(len(FEATURES)),
        [f"{textwrap.fill(name.replace('Order', ' Order '), 10)}\n({_unit(name)})" for name in FEATURES],
        fontsize=9,
    )
    left.set_yticks(range(len(rows)), [textwrap.fill(name, 26) for name in rows["name"]])
    left.set_title("Median customer of each segment", fontsize=11)
    figure.colorbar(
        image,
        ax=left,
        location="bottom",
        label="below or above all customers (standard deviations of the log)",
        aspect=40,
        shrink=0.8,
    )

    place = np.arange(len(rows))
    colours = [segment_colours(len(rows))[segment] for segment in order]
    right.barh(place - 0.2, rows["share"], height=0.38, color=MUTED)
    right.barh(place + 0.2, rows["revenue_share"], height=0.38, color=colours)
    for offset, column in ((-0.2, "share"), (0.2, "revenue_share")):
        for spot, share in zip(place, rows[column], strict=True):
            right.annotate(
                percent(float(share)),
                (share, spot + offset),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
    right.set_xlim(0, 1.22 * float(rows[["share", "revenue_share"]].to_numpy().max()))
    right.xaxis.set_major_formatter(SHARES)
    right.set_xlabel("grey: share of customers\ncolour: share of revenue")
    right.set_title("Customers against revenue", fontsize=11)
    right.tick_params(axis="y", labelleft=False)
    return figure


def forward(groups: pd.DataFrame, days: int) -> Figure:
    """Mean spend in the `days` after a cut-off and share who bought again, as `Forward.groups` has them.

    Segments and, in grey, as many RFM tiers; best on top.
    """
    segments = groups[groups["kind"] == "segment"]
    best, rest = segments.loc[segments["mean_spend"].idxmax()], segments["mean_spend"].min()
    times = f", {best['mean_spend'] / rest:.0f} times the lowest" if rest > 0 else ""
    figure = _figure(
        f"{best['name']}: {amount(best['mean_spend'])} a customer in the next {days} days{times}",
        11,
        1.8 + 0.32 * len(groups),
    )
    shades = segment_colours(int(segments["group"].max()) + 1)
    colours = [
        shades[group] if kind == "segment" else MUTED
        for kind, group in zip(groups["kind"], groups["group"], strict=True)
    ]
    above = int((groups["kind"] == "rfm").sum()) + 0.6
    place = groups["group"] + np.where(groups["kind"] == "segment", above, 0)
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, column, words in (
        (left, "mean_spend", f"mean spend in the next {days} days, money a customer"),
        (right, "bought_again", f"share who bought in the next {days} days"),
    ):
        axis.barh(place, groups[column], color=colours)
        for spot, value in zip(place, groups[column], strict=True):
            text = amount(value) if column == "mean_spend" else percent(value)
            axis.annotate(
                text, (value, spot), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5
            )
        axis.set_xlim(0, 1.18 * float(groups[column].max()))
        axis.set_xlabel(words)
    left.set_yticks(place, [textwrap.fill(name, 28) for name in groups["name"]])
    left.xaxis.set_major_formatter(THOUSANDS)
    right.xaxis.set_major_formatter(SHARES)
    right.tick_params(axis="y", labelleft=False)
    return figure


def _figure(title: str, width: float, height: float) -> Figure:
    """An empty figure (inches) whose title wraps to its width."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    figure.suptitle(textwrap.fill(title, int(width * 9.5)), x=0.02, ha="left", fontsize=13, fontweight="bold")
    return figure


def _standardised(customers: pd.DataFrame) -> pd.DataFrame:
    logs = np.log1p(customers[list(FEATURES)])
    return (logs - logs.mean()) / logs.std(ddof=0).replace(0, 1)


def _bins(values: pd.Series) -> Floats:
    """About 40 edges; whole numbers get bars that each stand for equally many of them."""
    low, high = float(values.min()), float(values.max())
    if not (values == values.round()).all():
        return np.linspace(low, high, 41)
    step = max(1, math.ceil((high - low) / 40))
    return np.arange(low - 0.5, high + step, step)


def _minus(text: str) -> str:
    """A true minus sign, as matplotlib's own numbers have."""
    return text.replace("-", "−")


def _unit(feature: str) -> str:
    return {"Recency": "days", "Frequency": "orders", "Tenure": "days"}.get(feature, "money")


def _annotate(axis: Axes, texts: pd.DataFrame, places: pd.DataFrame, scale: Colormap) -> None:
    """Write `texts` into the cells; black or white, whichever reads on the colour at `places` (0 to 1)."""
    for row in range(texts.shape[0]):
        for column in range(texts.shape[1]):
            light = np.array(scale(places.iloc[row, column])[:3]) ** 2.2 @ (0.2126, 0.7152, 0.0722)
            dark = light < 0.18  # where black and white have the same contrast (WCAG)
            axis.text(
                column,
                row,
                texts.iloc[row, column],
                ha="center",
                va="center",
                color="white" if dark else "black",
            )


def _mark_chosen(axis: Axes, curve: pd.DataFrame, k: int, column: str) -> None:
    value = float(curve.loc[curve["k"] == k, column].iloc[0])
    axis.axvline(k, color=ANOMALY, linestyle="--", linewidth=1)
    axis.plot(k, value, "o", color=ANOMALY, markersize=10, label=f"chosen: k = {k}", zorder=5)


def _sample(is_anomaly: NDArray[np.bool_]) -> Ints:
    """Indices to draw: everyone, or all anomalies (within half the room) and a sample of the others."""
    if len(is_anomaly) <= DRAWN_AT_MOST:
        return np.arange(len(is_anomaly))
    random = np.random.default_rng(0)
    unusual, ordinary = np.flatnonzero(is_anomaly), np.flatnonzero(~is_anomaly)
    unusual = random.permutation(unusual)[: DRAWN_AT_MOST // 2]
    return np.concatenate([unusual, random.permutation(ordinary)[: DRAWN_AT_MOST - len(unusual)]])


def _arrows(axis: Axes, loadings: Floats, features: Sequence[str], reach: float) -> None:
    """An arrow a feature, the longest reaching to `reach`."""
    outline = [withStroke(linewidth=3, foreground="white")]
    tips = loadings / np.linalg.norm(loadings, axis=1).max() * reach
    axis.update_datalim(1.15 * tips)
    axis.autoscale_view()
    for feature, tip in zip(features, tips, strict=True):
        arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.4, "path_effects": outline}
        axis.annotate("", tip, xytext=(0, 0), arrowprops=arrow)
        axis.annotate(
            feature,
            tip,
            xytext=(6 * np.sign(tip[0]), 6 * np.sign(tip[1])),
            textcoords="offset points",
            ha="left" if tip[0] >= 0 else "right",
            va="bottom" if tip[1] >= 0 else "top",
            fontweight="bold",
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.1},
            zorder=4,
        )


def _numbers(axis: Axes, planar: Floats, segment: Ints) -> None:
    """Each segment's number at its middle, pushed apart where two would cover each other."""
    present = np.unique(segment)
    places = np.array([np.median(planar[segment == one], axis=0) for one in present])
    room = 0.045 * np.ptp(np.array([axis.get_xlim(), axis.get_ylim()]), axis=1)
    for _ in range(50):
        apart = (places[:, None] - places[None, :]) / room
        distance = np.linalg.norm(apart, axis=2)
        np.fill_diagonal(distance, 1.0)
        close = distance < 1
        if not close.any():
            break
        push = np.where(close, (1 - distance) / 2 / np.maximum(distance, 1e-9), 0.0)
        places = places + (push[:, :, None] * apart).sum(axis=1) * room
    for one, place in zip(present, places, strict=True):
        axis.text(
            place[0],
            place[1],
            str(one),
            fontweight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "black", "alpha": 0.9, "pad": 0.2},
        )
