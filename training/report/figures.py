"""The figures people look at. Each function returns a matplotlib Figure; its suptitle says what to see."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from contract import colours
from contract.names import FEATURES, STATES
from contract.words import (
    ALTERNATIVES,
    NOTHING,
    WORDS,
    amount,
    counted,
    listed,
    measure,
    month_name,
    percent,
    titled,
    verb,
)
from training.clustering.evaluate import Map
from training.profiles import by_value
from training.report.facts import links, revenue_curve, skewness, spearman
from training.report.forward import Forward
from training.report.picture import Picture

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A figure is a sheet of paper: it is drawn in the palette's light values.
ANOMALY = colours.ANOMALY.light
HIGHLIGHT = colours.HIGHLIGHT.light
SHOP = colours.SHOP.light
MUTED = colours.MUTED.light
HATCHES = dict(zip(colours.SHAPES, ("", "////", "xxxx"), strict=True))  # of bars, by the segment's shape
HATCH_COLOUR = "white"  # what matplotlib calls the edge's colour; edges themselves are 0 wide
MARKERS = dict(zip(colours.SHAPES, ("o", "D", "s"), strict=True))  # of customers on the map
CLIPPED_AT = 0.99
DRAWN_AT_MOST = 5_000
CURVE_POINTS = 2_000
MONTH_LABELS = 18
THOUSANDS = FuncFormatter(lambda value, _: _minus(f"{value:,.0f}" if value == round(value) else f"{value:g}"))
SHARES = FuncFormatter(lambda share, _: _minus(f"{100 * share:g}%"))
TITLE_CHARACTERS_PER_INCH = 8.8


def picture(figure: Figure, dpi: int = 130) -> Picture:
    """The figure drawn; figures made anew from the same data give the same bytes.

    `Figure.savefig` would draw twice, once only to lay out: the canvas lays out as it draws.
    """
    figure.set_dpi(dpi)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return Picture(" ".join(figure.get_suptitle().split()), buffer.getvalue())


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
        left.hist(values[values <= limit], bins=_bins(values[values <= limit]), color=SHOP)
        beyond = (
            f"not shown: {counted(hidden, 'customer')} above {amount(limit)}, up to {amount(values.max())}"
        )
        left.set_xlabel(titled(feature) + (f"\n{beyond}" if hidden else ""))
        left.xaxis.set_major_formatter(THOUSANDS)
        right.hist(standard[feature], bins=40, color=SHOP)
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
    """Rank correlation (Spearman) of each two features in numbers; the stronger, the darker its cell."""
    table = spearman(customers)
    pairs = links(table)
    title = "No two features vary together"
    if pairs:
        a, b, rho = pairs[0]
        how = "move together" if rho >= 0 else "oppose each other"
        title = _minus(f"{a} and {b} {how} most: rank correlation {rho:.2f}")
    figure = _figure(title, 7.5, 6.2)
    axis = figure.subplots()
    scale = _scale(colours.SHEET, colours.SHOP)
    image = axis.imshow(table.abs(), cmap=scale, vmin=0, vmax=1)
    texts = table.map(lambda rho: NOTHING if np.isnan(rho) else _minus(f"{rho:.2f}"))
    _annotate(axis, texts, table.abs().fillna(0), scale)
    labels = [name.replace("Order", "\nOrder") for name in FEATURES]
    axis.set_xticks(range(len(FEATURES)), labels)
    axis.set_yticks(range(len(FEATURES)), labels)
    figure.colorbar(image, ax=axis, label="strength of the rank correlation (Spearman)", shrink=0.85)
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
    axis.plot(shown / count, shares[shown], color=SHOP, linewidth=2.5, label="this shop")
    axis.plot(top / count, curve[top], "o", color=HIGHLIGHT, markersize=9)
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
    """Sales and returns of each month (as `facts.monthly` gives them); months not covered in full hatched."""
    full = table[table["complete"]]
    if len(full) > 1:
        best = full.loc[full["revenue"].idxmax()]
        title = f"{month_name(best['month'])} was the best full month: sales of {amount(best['revenue'])}"
    else:
        title = f"Sales and returns in {counted(len(table), 'month')}"
    figure = _figure(title, 9, 4.8)
    axis = figure.subplots()
    positions = np.arange(len(table))
    hatches = ["" if complete else "///" for complete in table["complete"]]
    axis.bar(positions, table["revenue"], color=SHOP, hatch=hatches, edgecolor=HATCH_COLOUR, linewidth=0)
    axis.bar(positions, -table["returned"], color=MUTED, hatch=hatches, edgecolor=HATCH_COLOUR, linewidth=0)
    axis.axhline(0, color="black", linewidth=0.8)
    step = -(-len(table) // MONTH_LABELS)
    axis.set_xticks(
        positions[::step], table["month"].iloc[::step], rotation=45, ha="right", rotation_mode="anchor"
    )
    axis.set(xlabel="month", ylabel="money (currency of the data)")
    axis.yaxis.set_major_formatter(THOUSANDS)
    handles = [
        Patch(color=SHOP, label="sales before returns"),
        Patch(color=MUTED, label="returns (below zero)"),
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
    axis.plot(curve["k"], curve["inertia"], "o-", color=SHOP, label="inertia")
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
        color=SHOP,
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
    for segment in range(len(names)):
        own = np.sort(values[labels == segment])
        # Thinned, so that a million customers draw as fast as a thousand.
        levels = np.linspace(0, 1, min(max(len(own), 2), CURVE_POINTS))
        heights = bottom + levels * len(own)
        if len(own):
            axis.fill_betweenx(
                heights,
                0,
                np.quantile(own, levels),
                facecolor=_colour(segment),
                hatch=_hatch(segment),
                edgecolor=HATCH_COLOUR,
                linewidth=0,
            )
        middles.append(bottom + len(own) / 2)
        ticks.append(f"{textwrap.fill(names[segment], 28)} ({len(own):,})")
        bottom += max(len(own), gap) + gap
    axis.axvline(mean, color=HIGHLIGHT, linestyle="--", label=f"mean {mean:.3f}")
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
    left.plot(shares * count, ordered, color=SHOP, linewidth=2, label="customers")
    left.fill_between(
        shares * count, eps, ordered, where=ordered > eps, color=ANOMALY, alpha=0.4, label="anomalies"
    )
    left.axhline(eps, color=HIGHLIGHT, linestyle="--", label=f"eps = {eps:.3g}")
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
    right.plot(tail[thin], rates[thin], color=SHOP, linewidth=2, label="anomaly rate")
    right.axvline(
        eps, color=HIGHLIGHT, linestyle="--", label=f"eps = {eps:.3g}: {percent(anomalies / count)}"
    )
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
    for number in range(len(names)):
        own = ordinary[segment[ordinary] == number]
        count = int((segment == number).sum())
        axis.scatter(
            planar[own, 0],
            planar[own, 1],
            s=14,
            color=_colour(number),
            marker=MARKERS[colours.segment_shape(number)],
            edgecolors="#00000055",
            linewidths=0.3,
            label=f"{number}: {textwrap.shorten(names[number], 46, placeholder='…')} ({count:,})",
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

    `table` has one row per segment (segment, name, share, revenue_share), `scored` one row per customer
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
    scale = _scale(colours.BELOW, colours.SAME, colours.ABOVE)
    image = left.imshow(standard, cmap=scale, vmin=-limit, vmax=limit, aspect="auto")
    _annotate(
        left,
        medians.apply(lambda column: column.map(lambda value: measure(column.name, value))),
        standard / (2 * limit) + 0.5,
        scale,
    )
    left.set_xticks(
        range(len(FEATURES)),
        [textwrap.fill(WORDS[name].column, 12) for name in FEATURES],
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

    positions = np.arange(len(rows))
    right.barh(positions - 0.2, rows["share"], height=0.38, color=MUTED)
    right.barh(
        positions + 0.2,
        rows["revenue_share"],
        height=0.38,
        color=[_colour(segment) for segment in order],
        hatch=[_hatch(segment) for segment in order],
        edgecolor=HATCH_COLOUR,
        linewidth=0,
    )
    for offset, column in ((-0.2, "share"), (0.2, "revenue_share")):
        for spot, share in zip(positions, rows[column], strict=True):
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
        f"{best['name']}: {amount(best['mean_spend'])} per customer in the next {days} days{times}",
        11,
        1.8 + 0.32 * len(groups),
    )
    marks = [
        (_colour(group), _hatch(group)) if kind == "segment" else (MUTED, "")
        for kind, group in zip(groups["kind"], groups["group"], strict=True)
    ]
    above = int((groups["kind"] == "rfm").sum()) + 0.6
    positions = groups["group"] + np.where(groups["kind"] == "segment", above, 0)
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, column, words in (
        (left, "mean_spend", f"mean spend in the next {days} days, money per customer"),
        (right, "bought_again", f"share who bought in the next {days} days"),
    ):
        axis.barh(
            positions,
            groups[column],
            color=[colour for colour, _ in marks],
            hatch=[hatch for _, hatch in marks],
            edgecolor=HATCH_COLOUR,
            linewidth=0,
        )
        for spot, value in zip(positions, groups[column], strict=True):
            text = amount(value) if column == "mean_spend" else percent(value)
            axis.annotate(
                text, (value, spot), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5
            )
        axis.set_xlim(0, 1.18 * float(groups[column].max()))
        axis.set_xlabel(words)
    left.set_yticks(positions, [textwrap.fill(name, 28) for name in groups["name"]])
    left.xaxis.set_major_formatter(THOUSANDS)
    right.xaxis.set_major_formatter(SHARES)
    right.tick_params(axis="y", labelleft=False)
    return figure


def foretold(check: Forward) -> Figure:
    """How much of later spend the segments explain, beside each way of plain RFM.

    Bars are means over the cut-offs, dots single cut-offs, and whiskers the standard error of the difference from the
    segments.
    """
    methods = ("segments", *ALTERNATIVES)
    values = [check.eta_squared[f"{name}_log"] for name in methods]
    errors = [0.0, *(check.ahead[name][1] for name in ALTERNATIVES)]
    figure = _figure(_foretold_title(check), 9, 4.2)
    axis = figure.subplots()
    positions = [-float(place) for place in range(len(methods))]
    axis.barh(positions, values, color=[SHOP] + [MUTED] * len(ALTERNATIVES), height=0.6)
    above = [spot + 0.14 for spot in positions]
    axis.errorbar(values[1:], above[1:], xerr=errors[1:], fmt="none", ecolor="black", capsize=4)
    for name, spot in zip(methods, positions, strict=True):
        own = check.by_cut_off[f"{name}_log"]
        axis.plot(
            own,
            np.full(len(own), spot - 0.14),
            "o",
            color="white",
            markeredgecolor="black",
            markersize=5,
            zorder=3,
        )
    axis.axvline(values[0], color=HIGHLIGHT, linestyle="--", linewidth=1)
    reach = float(check.by_cut_off[[f"{name}_log" for name in methods]].max().max())
    for value, spot in zip(values, positions, strict=True):
        axis.text(1.06 * max(reach, max(values)), spot, percent(value), va="center", fontweight="bold")
    axis.set_xlim(0, 1.2 * max(reach, max(values)))
    texts = [
        "the segments",
        *(textwrap.fill(text[:1].upper() + text[1:], 24) for text in ALTERNATIVES.values()),
    ]
    axis.set_yticks(positions, [text[:1].upper() + text[1:] for text in texts])
    axis.xaxis.set_major_formatter(SHARES)
    axis.set_xlabel(
        f"share of the variance of the log of spend in the next {check.days} days that lies between the groups\n"
        f"bar: mean of {counted(len(check.by_cut_off), 'cut-off')}; dot: one cut-off; "
        "whisker: ± standard error of the difference from the segments"
    )
    return figure


def states(cells: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> Figure:
    """Segment by state: customers, money and what such customers did next; the more bought again, the darker.

    `cells` are those of `portrait.state_grid`, most valuable segment first; `names` the segments' names.
    """
    order = list(dict.fromkeys(cell["segment"] for cell in cells))
    figure = _figure(_state_title(cells, names), 11, 1.7 + 1.05 * len(order))
    axis = figure.subplots()
    scale = _scale(colours.SHEET, colours.MUTED)
    by_place = {(cell["segment"], cell["state"]): cell for cell in cells}
    grid = [[by_place[segment, state] for state in STATES] for segment in order]
    shares = pd.DataFrame([[_bought_again(cell) for cell in row] for row in grid])
    image = axis.imshow(shares, cmap=scale, vmin=0, vmax=1, aspect="auto")
    _annotate(axis, pd.DataFrame([[_in_cell(cell) for cell in row] for row in grid]), shares.fillna(0), scale)
    axis.set_xticks(range(len(STATES)), STATES)
    axis.xaxis.tick_top()
    axis.set_yticks(range(len(order)), [textwrap.fill(names[segment], 24) for segment in order])
    axis.set_xticks(np.arange(len(STATES) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(order) - 1) + 0.5, minor=True)
    axis.grid(which="minor", color=SHOP, linewidth=0.6)
    axis.tick_params(which="both", length=0)
    days = next((f" within {cell['evidence']['days']} days" for cell in cells if cell["evidence"]), "")
    label = f"share who bought again{days}\n(in the past, ± standard error)"
    figure.colorbar(image, ax=axis, label=label, shrink=0.9, format=SHARES)
    return figure


def _bought_again(cell: Mapping[str, Any]) -> float:
    return cell["evidence"]["bought_again"] if cell["evidence"] and cell["customers"] else float("nan")


def _in_cell(cell: Mapping[str, Any]) -> str:
    """What a cell says of its customers: how many, their money, and what such customers did next."""
    if not cell["customers"]:
        return NOTHING
    return f"{counted(cell['customers'], 'customer')}\nspent {amount(cell['revenue'])}\n{_after(cell['evidence'])}"


def _after(evidence: Mapping[str, Any] | None) -> str:
    if evidence is None:
        return "next: not known"
    share = evidence["bought_again"]
    again = f"{percent(share)} ± {100 * evidence['bought_again_se']:.0f} bought again"
    return f"{again},\n{amount(evidence['mean_spend'] / share)} each" if share else again


def _state_title(cells: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> str:
    late = next((cell for cell in cells if cell["state"] == "late" and cell["customers"]), None)
    if late is None:
        return "Segment by state: nobody is late"
    count = late["customers"]
    return (
        f"{counted(count, 'customer')} of {names[late['segment']]} {verb(count, 'is', 'are')} late; "
        f"{verb(count, 'this one has', 'they have')} spent {amount(late['revenue'])}"
    )


def _foretold_title(check: Forward) -> str:
    told = percent(check.eta_squared["segments_log"])
    kinds: dict[str, list[str]] = {"more than": [], "not told apart from": [], "less than": []}
    for name, (ahead, error) in check.ahead.items():
        kind = "not told apart from" if abs(ahead) <= 2 * error else "more than" if ahead > 0 else "less than"
        kinds[kind].append(ALTERNATIVES[name])
    beside = ", ".join(f"{kind} {listed(others)}" for kind, others in kinds.items() if others)
    return f"Segments tell {told} of the differences in spend of the next {check.days} days: {beside}"


def _figure(title: str, width: float, height: float) -> Figure:
    """An empty figure (inches) whose title wraps to its width."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    figure.suptitle(
        textwrap.fill(title, int(width * TITLE_CHARACTERS_PER_INCH)),
        x=0.02,
        ha="left",
        fontsize=13,
        fontweight="bold",
    )
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


def _colour(segment: int) -> str:
    return colours.segment_colour(segment).light


def _hatch(segment: int) -> str:
    return HATCHES[colours.segment_shape(segment)]


def _scale(*stops: colours.Colour) -> Colormap:
    """The colours between `stops`, evenly spaced."""
    return LinearSegmentedColormap.from_list("scale", [stop.light for stop in stops])


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
    axis.axvline(k, color=HIGHLIGHT, linestyle="--", linewidth=1)
    axis.plot(k, value, "o", color=HIGHLIGHT, markersize=10, label=f"chosen: k = {k}", zorder=5)


def _sample(is_anomaly: NDArray[np.bool_]) -> Ints:
    """Indices to draw: everyone, or all anomalies (within half the room) and a sample of the others."""
    if len(is_anomaly) <= DRAWN_AT_MOST:
        return np.arange(len(is_anomaly))
    random = np.random.default_rng(0)
    unusual, ordinary = np.flatnonzero(is_anomaly), np.flatnonzero(~is_anomaly)
    unusual = random.permutation(unusual)[: DRAWN_AT_MOST // 2]
    return np.concatenate([unusual, random.permutation(ordinary)[: DRAWN_AT_MOST - len(unusual)]])


def _arrows(axis: Axes, loadings: Floats, features: Sequence[str], reach: float) -> None:
    """One arrow per feature, the longest reaching to `reach`."""
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
    middles = np.array([np.median(planar[segment == one], axis=0) for one in present])
    room = 0.045 * np.ptp(np.array([axis.get_xlim(), axis.get_ylim()]), axis=1)
    for _ in range(50):
        apart = (middles[:, None] - middles[None, :]) / room
        distance = np.linalg.norm(apart, axis=2)
        np.fill_diagonal(distance, 1.0)
        close = distance < 1
        if not close.any():
            break
        push = np.where(close, (1 - distance) / 2 / np.maximum(distance, 1e-9), 0.0)
        middles = middles + (push[:, :, None] * apart).sum(axis=1) * room
    for one, middle in zip(present, middles, strict=True):
        axis.text(
            middle[0],
            middle[1],
            str(one),
            fontweight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "black", "alpha": 0.9, "pad": 0.2},
        )
