"""Every figure can be drawn and says what it shows; the report tells the story, offline and escaped."""

import base64
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from contract.colours import segment_colour
from contract.names import FEATURES, STATES
from training.cleaning import Funnel
from training.clustering.density import neighbours
from training.clustering.evaluate import principal_map, silhouette_samples
from training.report import figures
from training.report.facts import shop_facts
from training.report.forward import Forward
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
        returns_note=np.where(unusual, "returned 168,470 of 168,472", ""),
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
            "half_by": [11, 9, 3],
            "next_bought_again": [0.32, 0.6, np.nan],
            "next_bought_again_se": [0.013, 0.02, np.nan],
            "next_mean_spend": [16.0, 120.0, np.nan],
            "next_mean_spend_se": [2.5, 11.0, np.nan],
            "next_total_spend": [800.0, 6_000.0, np.nan],
            "expected_spend": [700.0, 5_000.0, 9_000.0],
            "expected_low": [300.0, 3_000.0, np.nan],
            "expected_high": [900.0, 8_000.0, np.nan],
            "value_at_risk": [0.0, 1_200.0, np.nan],
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


def in_cell(segment, state, customers, share=0.5):
    """A cell of the grid, without evidence where `share` is None."""
    after = {
        "days": 90,
        "bought_again": share,
        "bought_again_se": 0.07,
        "mean_spend": 40,
        "mean_spend_se": 9.5,
    }
    return {
        "segment": segment,
        "state": state,
        "customers": customers,
        "revenue": 1_000.0 * customers,
        "evidence": None if share is None else after,
        "action": f"Do {segment}, {state}." if customers else "",
        "expected_spend": 100.0 * customers,
        "expected_low": None if share is None else 50.0 * customers,
        "expected_high": None if share is None else 150.0 * customers,
        "value_at_risk": 60.0 * customers if state in ("due", "late") else None,
        "expectation": f"{customers} customers, expected to bring {100 * customers}.",
    }


@pytest.fixture(scope="module")
def grid():
    """Most valuable segment first, as the report and the figure get it."""
    cells = [in_cell(segment, state, 10 + segment) for segment in (2, 1, 0) for state in STATES]
    cells[0] = in_cell(2, "one-time", 0, share=None)
    cells[3] = in_cell(2, "late", 38, share=0.75)
    cells[4] = in_cell(1, "one-time", 4, share=None)
    return cells


def check(rfm=(0.03, 0.006), same_sizes=(-0.002, 0.004), cells=(-0.029, 0.005)):
    """A forward check by how far the segments are ahead of each alternative, and its standard error."""
    ahead = {"rfm": rfm, "rfm_same_sizes": same_sizes, "rfm_cells": cells}
    told = {"segments_log": 0.24} | {f"{name}_log": 0.24 - by for name, (by, _) in ahead.items()}
    rows = [{"cut_off": f"2024-0{n}-01"} | {name: told[name] + n / 100 for name in told} for n in (-1, 1)]
    return Forward(90, told, ahead, {}, pd.DataFrame(rows), GROUPS, [])


@pytest.fixture(scope="module")
def drawn(customers, points, threshold, scored, profiles, months, grid):
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
        "foretold": figures.foretold(check()),
        "states": figures.states(grid, dict(enumerate(names))),
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
def story(drawn, profiles, scored, months, funnel, grid):
    return {
        "title": "Customer segments",
        "rejected": "",
        "warnings": [],
        "outcome": ["Three segments.", "<b>Not bold</b>"],
        "profiles": profiles,
        "scored": scored,
        "facts": shop_facts(scored, months, funnel),
        "funnel": funnel,
        "movement": ["9 customers left <High>."],
        "advice_on_fallen": "Ask the biggest spenders <first>.",
        "grid": grid,
        "gap": 54.7,
        "outlook": ["They are expected to bring 9,000. The forecast knows no season."],
        "horizon_days": 90,
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
    assert drawn["foretold"].get_suptitle().replace("\n", " ") == (
        "Segments tell 24% of the differences in spend of the next 90 days: more than as many RFM tiers of equal size, "
        "not told apart from RFM sums cut at the segments' own sizes, less than 25 RFM cells"
    )
    assert drawn["states"].get_suptitle() == (
        "38 customers of High-value <active> are late; they have spent 38,000"
    )
    assert f"{scored['is_anomaly'].sum()} unusual customers" in drawn["pca_map"].get_suptitle()


def test_title_of_the_forward_figure_says_where_plain_rfm_tells_as_much_or_more():
    behind = figures.foretold(check((-0.1, 0.01), (-0.1, 0.01), (-0.1, 0.01))).get_suptitle()
    assert "less than as many RFM tiers of equal size, RFM sums" in " ".join(behind.split())
    assert "more than" not in behind
    level = figures.foretold(check((0.01, 0.01), (-0.01, 0.01), (0.0, 0.01))).get_suptitle()
    assert "not told apart from as many RFM tiers" in " ".join(level.split())
    assert "more than" not in level


def test_whiskers_of_the_forward_figure_are_standard_errors_of_the_difference():
    axis = figures.foretold(check()).axes[0]
    (segments,) = axis.collections
    lengths = [np.ptp(line[:, 0]) / 2 for line in segments.get_segments()]
    assert lengths == pytest.approx([0.006, 0.004, 0.005])


@pytest.mark.parametrize("name", ["foretold", "states", "profiles", "forward"])
def test_no_text_of_a_figure_is_cut_off(drawn, name):
    figure = drawn[name]
    figure.draw_without_rendering()
    texts = [figure._suptitle, *(label for axis in figure.axes for label in axis.get_yticklabels())]
    edges = [text.get_window_extent() for text in texts if text.get_text()]
    assert min(edge.x0 for edge in edges) >= 0
    assert max(edge.x1 for edge in edges) <= figure.bbox.width


def test_grid_says_what_is_not_known(drawn):
    texts = [text.get_text() for text in drawn["states"].axes[0].texts]
    assert texts[0] == "–"
    assert texts[3] == "38 customers\nspent 38,000\n75% ± 7 bought again,\n53.33 each"
    assert texts[4] == "4 customers\nspent 4,000\nnext: not known"


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
        'id="states"',
        'id="outlook"',
        "They are expected to bring 9,000.",
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


def plain(page):
    """What a reader of the page sees, without the markup, each run of blanks as one."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("</style>")[1]).split())


def test_report_says_what_such_customers_did_next_and_where_it_is_not_known(page):
    text = plain(page)
    assert "Low-value lapsed 32% (1.3%) 50.00 16.00 (2.50) 800" in text
    assert "High-value &lt;active&gt; not known –" in text
    assert "nan" not in text.replace("financ", "").split()
    assert "usually 55 days between two orders" in text


def test_report_says_what_to_do_in_each_cell_that_has_customers(page, grid):
    text = plain(page)
    assert [f"Do {cell['segment']}, {cell['state']}." in text for cell in grid] == [False] + [True] * 11
    assert "High-value &lt;active&gt;, late 38 38,000 75% (7.0%) 40.00 (9.50) Do 2, late." in text
    assert "Medium-value active, one-time 4 4,000 not known not known Do 1, one-time." in text
    assert text.index("Do 2, late.") < text.index("Do 1, active.") < text.index("Do 0, active.")


def test_report_says_what_is_expected_with_its_range_and_lists_it_by_money_and_by_risk(page):
    text = plain(page).split("What they will bring", 2)[-1].split("Who moved")[0]
    assert "High-value &lt;active&gt; 50 9,000 –" in text
    assert "Low-value lapsed 50 700 300 and 900 0" in text
    assert "High-value &lt;active&gt;, late 38 3,800 1,900 and 5,700 2,280" in text
    assert "Medium-value active, one-time 4 400 – –" in text
    assert text.count("The forecast knows no season") == 3
    listed = text.split("most expected money first")[1].split("Between :")[0]
    assert listed.index("3,800") < listed.index("1,200") < listed.index("1,100") < listed.index("400")
    risky = text.split("most first")[1]
    assert risky.startswith(
        " High-value &lt;active&gt;, late: 38 customers, expected to bring 3800. 2,280 at risk."
    )
    assert "one-time" not in risky


def test_report_without_a_forecast_says_why_and_no_figure(story):
    nothing = {"expected_spend": None, "expected_low": None, "expected_high": None, "value_at_risk": None}
    grid = [cell | nothing | {"expectation": ""} for cell in story["grid"]]
    profiles = story["profiles"].assign(**dict.fromkeys(nothing, np.nan))
    why = "No forecast of the next 90 days is shown. The range held the spend of 57% of customers."
    text = plain(render_report(**(story | {"grid": grid, "profiles": profiles, "outlook": [why]})))
    assert why in text
    assert "Expected spend" not in text


def test_report_says_how_many_bring_half_and_strikingly_when_they_are_few(story):
    few = story["profiles"].assign(half_by=[1, 9, 12])
    page = render_report(**(story | {"profiles": few}))
    assert re.search(
        r"Half of the revenue of Low-value lapsed comes from\s+<strong[^>]*>1 customer</strong> alone", page
    )
    assert "Half of the revenue of Medium-value active comes from 9 customers of 50." in plain(page)


def test_report_tells_the_story_of_returns_before_the_models_reason(page):
    assert "Returned 168,470 of 168,472. Money spent is high &amp; odd" in plain(page)


def test_report_has_advice_on_who_left_the_best_segment(page, story):
    assert "Ask the biggest spenders &lt;first&gt;." in plain(page)
    assert "What to do with those who left" not in render_report(**(story | {"advice_on_fallen": ""}))


def test_a_rejected_runs_report_says_so_on_top(page, story):
    assert "REJECTED" not in page
    why = "The best segmentation has a stability of 0.72. Expected at least 0.8."
    text = plain(render_report(**(story | {"rejected": why, "warnings": ["k = 5 was not tried."]})))
    assert text.startswith(f"Customer segments REJECTED. {why} Nothing was registered")
    assert text.index("REJECTED") < text.index("Three segments.") < text.index("k = 5 was not tried.")


def test_report_of_a_shop_where_nobody_came_back(story):
    text = plain(render_report(**(story | {"gap": float("nan")})))
    assert "nobody has come back on another day yet, so everyone is one-time" in text


def test_every_image_has_a_text(page):
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == len(DESCRIPTIONS)
    assert all(len(re.search(r'alt="([^"]*)"', image).group(1)) > 40 for image in images)


def test_report_without_unusual_customers_or_figures(story):
    calm = story["scored"].assign(is_anomaly=False)
    page = render_report(**(story | {"scored": calm, "figures": {}}))
    assert "None: every one of the 150 customers fits a pattern." in page
    assert "<img" not in page
