"""Every figure can be drawn and says what it shows; the report tells the story, offline and escaped."""

import base64
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from contract.colours import segment_colour
from contract.names import FEATURES
from training.cleaning import Funnel
from training.clustering.density import neighbours
from training.clustering.evaluate import principal_map, silhouette_samples
from training.report import figures
from training.report.facts import shop_facts
from training.report.page import DESCRIPTIONS, render_report

MIN_SAMPLES, EPS = 5, 1.3
GROUPS = pd.DataFrame(
    [
        {
            "kind": kind,
            "group": n,
            "name": f"{kind} {n}",
            "mean_spend": 10.0 + 40 * n,
            "bought_again": 0.4 + 0.2 * n,
        }
        for kind in ("segment", "rfm")
        for n in range(3)
    ]
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def customers():
    random = np.random.default_rng(3)
    group = np.repeat([0, 1, 2], 50)
    orders = 1.0 + random.poisson(np.array([0.3, 4, 20])[group])
    basket = np.array([20.0, 80.0, 300.0])[group] * random.lognormal(0, 0.3, 150)
    recency = 1.0 + random.integers(0, 60, 150) + 100 * (group == 0)
    return pd.DataFrame(
        {
            "customer_id": ["<script>alert(1)</script>", *(f"{n:05}" for n in range(1, 150))],
            "Recency": recency,
            "Frequency": orders,
            "Monetary": orders * basket,
            "AverageOrderValue": basket,
            "Tenure": recency + np.where(orders > 1, 90.0, 0.0),
            "Returned": np.where(np.arange(150) % 9 == 0, 12.5, 0.0),
            "country": ["United Kingdom", "France & <Co>"] * 75,
            "segment": group,
        }
    )


@pytest.fixture(scope="module")
def points(customers):
    logs = np.log1p(customers[list(FEATURES)].to_numpy())
    return (logs - logs.mean(axis=0)) / logs.std(axis=0)


@pytest.fixture(scope="module")
def threshold(points):
    return neighbours(points, MIN_SAMPLES).noise_threshold(MIN_SAMPLES)


@pytest.fixture(scope="module")
def scored(customers, threshold):
    names = np.array(["Low-value lapsed", "Medium-value active", "High-value <active>"])
    unusual = threshold > EPS
    unusual[0] = True
    return customers.assign(
        segment_name=names[customers["segment"]],
        is_anomaly=unusual,
        anomaly_score=np.where(unusual, 2.0, threshold / EPS),
        anomaly_reason=np.where(unusual, "Monetary is high & odd", ""),
        distance=1.0,
    )


@pytest.fixture(scope="module")
def profiles(scored):
    groups = scored.groupby("segment")
    table = pd.DataFrame(
        {
            "segment": [0, 1, 2],
            "name": groups["segment_name"].first(),
            "customers": groups.size(),
            "share": groups.size() / len(scored),
            "revenue": groups["Monetary"].sum(),
            "revenue_share": groups["Monetary"].sum() / scored["Monetary"].sum(),
            "anomalies": groups["is_anomaly"].sum(),
            "action": ["Leave in peace.", "Grow the basket.", "Keep <them>."],
        }
    )
    for feature in FEATURES:
        table[f"mean_{feature}"] = groups[feature].mean()
        table[f"median_{feature}"] = groups[feature].median()
    return table.reset_index(drop=True)


@pytest.fixture(scope="module")
def months():
    return pd.DataFrame(
        {
            "month": ["2024-01", "2024-02", "2024-03"],
            "revenue": [1000.0, 3000.0, 500.0],
            "returned": [100.0, 0.0, 50.0],
            "orders": [10, 30, 5],
            "customers": [9, 20, 5],
            "complete": [True, True, False],
        }
    )


def curve_to(largest, error=0.0):
    k = np.arange(2, largest + 1)
    return pd.DataFrame(
        {"k": k, "inertia": 1000 / k, "silhouette": 0.3 + 0.1 * (k == 3), "silhouette_se": error}
    )


@pytest.fixture(scope="module")
def drawn(customers, points, threshold, scored, profiles, months):
    ordinary = ~scored["is_anomaly"].to_numpy()
    labels = scored["segment"].to_numpy()
    names = profiles["name"].tolist()
    values = silhouette_samples(points[ordinary], labels[ordinary])
    return {
        "distributions": figures.distributions(customers),
        "correlations": figures.correlations(customers),
        "concentration": figures.concentration(customers),
        "months": figures.months(months),
        "elbow": figures.elbow(curve_to(12), 3),
        "silhouette_by_k": figures.silhouette_by_k(curve_to(12, error=0.01), 3, 3),
        "silhouette_plot": figures.silhouette_plot(values, labels[ordinary], names),
        "k_distance": figures.k_distance(threshold, EPS, MIN_SAMPLES),
        "pca_map": figures.pca_map(principal_map(points), FEATURES, labels, ~ordinary, names),
        "profiles": figures.profiles(profiles, scored),
        "forward": figures.forward(GROUPS, 90),
    }


@pytest.fixture(scope="module")
def funnel():
    return Funnel(
        read=1000,
        missing_customer=100,
        unreadable=0,
        after_as_of=0,
        duplicates=50,
        worthless=0,
        cancellations=50,
        purchases=800,
        customers=150,
        gross=Decimal(100_000),
        returned=Decimal(2_000),
    )


@pytest.fixture(scope="module")
def story(drawn, profiles, scored, months, funnel):
    return {
        "title": "Customer segments",
        "outcome": ["Three segments.", "<b>Not bold</b>"],
        "profiles": profiles,
        "scored": scored,
        "facts": shop_facts(scored, months, funnel),
        "funnel": funnel,
        "movement": ["9 customers left <High>."],
        "forward": ["The segments explain 19% of the variance."],
        "reasons": ["k=3 has the highest silhouette."],
        "method": {"eps": "1.3", "as of": "2024-03-21"},
        "figures": {name: figures.picture(figure) for name, figure in drawn.items()},
    }


@pytest.fixture(scope="module")
def page(story):
    return render_report(**story)


def test_there_is_a_description_for_every_figure(drawn):
    assert drawn.keys() == DESCRIPTIONS.keys()


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_figure_is_drawn_with_title_and_labels(drawn, page, name):
    figure = drawn[name]
    assert len(figure.get_suptitle()) > 20
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert all(axis.get_xlabel() or axis.get_xticklabels() for axis in panels)
    encoded = re.search(
        rf'src="data:image/png;base64,([^"]+)" alt="[^"]*{re.escape(DESCRIPTIONS[name][-20:])}"', page
    )
    image = base64.b64decode(encoded.group(1))
    assert image.startswith(PNG)
    assert len(image) > 10_000


def test_same_data_give_the_same_bytes(profiles, scored):
    first, second = (figures.picture(figures.profiles(profiles, scored), dpi=40).png for _ in range(2))
    assert first == second


def test_titles_hold_the_numbers(drawn, scored):
    assert drawn["months"].get_suptitle() == "February 2024 was the best full month: sales of 3,000"
    assert (
        drawn["silhouette_by_k"].get_suptitle()
        == "Of 3 segments or more, 3 are the clearest: silhouette 0.400"
    )
    assert (
        drawn["forward"].get_suptitle()
        == "segment 2: 90.00 per customer in the next 90 days, 9 times the lowest"
    )
    assert f"{scored['is_anomaly'].sum()} unusual customers" in drawn["pca_map"].get_suptitle()


def test_a_clipped_panel_says_so(drawn):
    assert "not shown: 2 customers above" in drawn["distributions"].axes[4].get_xlabel()


def test_month_that_is_not_covered_is_hatched(drawn):
    bars = drawn["months"].axes[0].patches
    assert [bool(bar.get_hatch()) for bar in bars[:3]] == [False, False, True]


def test_a_segment_has_its_colour_and_shape_by_its_number(profiles, scored):
    bars = figures.profiles(profiles, scored).axes[1].patches[len(profiles) :]
    shown = {to_hex(bar.get_facecolor()) for bar in bars}
    assert shown == {segment_colour(number).light for number in profiles["segment"]}

    labels = np.arange(150) % 10
    figure = figures.silhouette_plot(np.linspace(-0.2, 0.7, 150), labels, [f"segment {n}" for n in range(10)])
    areas = figure.axes[0].collections
    assert (
        to_hex(areas[1].get_facecolor()[0]) == to_hex(areas[9].get_facecolor()[0]) == segment_colour(1).light
    )
    assert [bool(area.get_hatch()) for area in areas] == [False] * 8 + [True] * 2


def test_correlations_are_darker_the_stronger_they_are(customers):
    axis = figures.correlations(customers).axes[0]
    shades = axis.images[0].get_array()
    assert (shades >= 0).all()
    assert shades.max() == 1


def test_map_of_many_customers_is_a_sample_with_every_unusual_one():
    random = np.random.default_rng(0)
    unusual = np.arange(7_000) < 40
    plane = principal_map(random.normal(size=(7_000, 5)))
    figure = figures.pca_map(plane, FEATURES, random.integers(0, 2, 7_000), unusual, ["a", "b"])
    axis = figure.axes[0]
    dots = [len(group.get_offsets()) for group in axis.collections]
    assert sum(dots) == 5_000
    assert dots[-1] == 40
    assert "5,000 of 7,000 customers drawn" in axis.get_title(loc="left")


def test_twelve_segments_with_long_names_are_not_cut_off():
    labels = np.arange(150) % 12
    names = [f"High-value active and frequent with large baskets ({n})" for n in range(12)]
    figure = figures.silhouette_plot(np.linspace(-0.2, 0.7, 150), labels, names)
    figure.draw_without_rendering()
    edges = [label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()]
    assert min(edges) > 0


def test_figures_of_a_shop_where_nothing_varies(months):
    same = pd.DataFrame({name: [5.0] * 4 for name in FEATURES})
    for figure in (figures.distributions(same), figures.correlations(same), figures.concentration(same)):
        assert figures.picture(figure, dpi=40).png
    assert figures.picture(figures.months(months.iloc[2:]), dpi=40).png
    assert figures.picture(figures.k_distance(np.zeros(10), 0.5, 5), dpi=40).png


def test_report_asks_for_nothing_from_outside(page):
    assert not re.search(r"https?://", page)
    assert all(
        source.startswith(("data:image/png;base64,", "#"))
        for source in re.findall(r'(?:src|href)="([^"]*)', page)
    )
    assert len(page.encode()) < 6_000_000


def test_report_names_every_segment_and_what_to_do(page):
    for name in ("Low-value lapsed", "Medium-value active", "High-value &lt;active&gt;"):
        assert name in page
    assert "Grow the basket." in page
    assert page.index("High-value &lt;active&gt;</th>") < page.index("Low-value lapsed</th>")


def test_report_escapes_what_comes_from_the_data(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;Not bold" in page
    assert "Money spent is high &amp; odd" in page  # as its column is called


def test_report_tells_the_story_in_order(page, story):
    parts = [
        "Three segments.",
        'id="segments"',
        'id="movement"',
        "9 customers left &lt;High&gt;.",
        'id="forward"',
        "The segments explain 19% of the variance.",
        'id="unusual"',
        'id="insights"',
        'id="quality"',
        'id="choice"',
        'id="method"',
    ]
    assert [page.index(part) for part in parts] == sorted(page.index(part) for part in parts)
    assert "k=3 has the highest silhouette." in page
    assert "exact duplicate of another line" in page
    sentences = [line for lines in story["facts"].sentences.values() for line in lines]
    plain = (
        page.replace("\N{NO-BREAK SPACE}", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace("&#39;", "'")
    )
    assert all(sentence in plain for sentence in sentences)


def test_every_image_has_a_text(page):
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == len(DESCRIPTIONS)
    assert all(len(re.search(r'alt="([^"]*)"', image).group(1)) > 40 for image in images)


def test_report_without_unusual_customers_or_figures(story):
    calm = story["scored"].assign(is_anomaly=False)
    page = render_report(**(story | {"scored": calm, "figures": {}}))
    assert "None: every one of the 150 customers fits a pattern." in page
    assert "<img" not in page
