"""The dashboard and Swagger UI in a real browser, from a real server on a real champion."""

import contextlib
import csv
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from werkzeug.serving import make_server
from word_table import TABLE

from contract import colours, words
from contract.forecast_words import FORECAST_WORDS, SEASON
from contract.names import FEATURES, FORECAST_OUTPUTS, STATES
from serving.charting_library import installed_release
from serving.snapshot import Snapshot

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
POLL = 15_000  # milliseconds between two looks of the page at /health
HOSTILE = ["<script>alert(1)</script>", "=1+1", '"><img src=x onerror=alert(1)>', "a/b c?d#e%", "<b>bold</b>"]


@contextlib.contextmanager
def listening(app):
    """`app` behind Werkzeug's server on loopback; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(api_app):
    """The address of the API on `api_store`."""
    api_app.extensions["champion"].every = 0.1
    with listening(api_app) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.skip("There is no Chromium here to open the pages with (Debian: apt-get install chromium)")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def listened_to(page):
    """The page with what its console complained of in `page.complaints`, and the addresses it asked for in `page.asked`."""
    page.set_default_timeout(60_000)
    page.complaints, page.asked = [], []
    page.on(
        "console",
        lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
    return page


WIDE = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def context(chromium, server):
    """A browser's profile; one for many pages, as the charting library is parsed once in it."""
    context = chromium.new_context(base_url=server, viewport=WIDE)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """The dashboard, opened."""
    page = listened_to(context.new_page())
    page.goto("/ui", wait_until="domcontentloaded")
    yield page
    page.close()


@pytest.fixture
def new_page(chromium, server):
    """`new_page(**options)`: an empty page of a browser's profile with these options."""
    contexts = []

    def make(**options):
        contexts.append(chromium.new_context(**{"base_url": server, "viewport": WIDE} | options))
        return listened_to(contexts[-1].new_page())

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def crown(api_store):
    """Makes a version champion by hand; afterwards it is version 1 again."""
    import mlflow

    client = mlflow.MlflowClient(*[api_store.environment["MLFLOW_TRACKING_URI"]] * 2)

    def crown(version):
        client.set_registered_model_alias("customer-segments", "champion", str(version))

    yield crown
    crown(1)


def wait_for_charts(page):
    for name in ("shares", "profiles", "map"):
        page.wait_for_selector(f"#chart-{name} svg.main-svg")


def ask(server, path, **options):
    return requests.request(options.pop("method", "GET"), server + path, timeout=30, **options).json()


def sees(locator):
    return re.sub(r"\s+", " ", locator.inner_text()).strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_loads_without_an_error_or_a_request_elsewhere(new_page, server, scheme):
    page = new_page(color_scheme=scheme)
    page.goto("/ui")
    wait_for_charts(page)
    assert page.locator("#chart-shares .bars .point").count() >= 6
    page.wait_for_load_state("networkidle")
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith((f"{server}/", "data:", "blob:"))] == []
    assert f"{server}/favicon.ico" not in page.asked


def test_charts_are_drawn_again_when_the_screen_turns_dark(page):
    wait_for_charts(page)
    title = page.locator("#chart-map .xtitle")
    light = title.evaluate("title => getComputedStyle(title).fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "light => getComputedStyle(document.querySelector('#chart-map .xtitle')).fill !== light", arg=light
    )


def written(page, calls):
    """What words.js of an opened dashboard writes for each (function, arguments, ...)."""
    return page.evaluate(
        "async calls => { const words = await import('/static/words.js');"
        " return calls.map(([name, values]) => words[name](...values)); }",
        [[function, list(arguments)] for function, arguments, *_ in calls],
    )


def test_the_browser_writes_every_word_of_the_table(page):
    assert written(page, TABLE) == [text for _, _, text in TABLE]


def test_the_browser_writes_any_number_as_the_server_does(page):
    random = np.random.default_rng(0)
    sizes = 10 ** random.uniform(-5, 7, 1_000) * random.choice([-1, 1], 1_000)
    halves = random.integers(-200_000, 200_000, 1_000) / random.choice([2, 20, 200, 2_000], 1_000)
    shares = np.concatenate([random.uniform(0, 1, 500), random.integers(0, 2_001, 500) / 2_000])
    calls = [
        (function, [float(value)])
        for function, values in [
            *((function, [*sizes, *halves]) for function in ("whole", "number", "amount", "score")),
            ("percent", [*shares, *sizes[:300], *halves[:300]]),
        ]
        for value in values
    ]
    here = [getattr(words, function)(*arguments) for function, arguments in calls]
    there = written(page, calls)
    assert [pair for pair in zip(calls, here, there, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mark_of_a_segment_has_the_palettes_colour(new_page, server, scheme):
    page = new_page(color_scheme=scheme)
    page.goto("/ui")
    wait_for_charts(page)
    for segment in ask(server, "/analytics/segments")["segments"]:
        number = segment["segment"]
        expected = getattr(colours.segment_colour(number), scheme)
        swatch = page.locator(f"#segments [data-segment='{number}'] .swatch")
        assert as_hex(swatch.evaluate("mark => getComputedStyle(mark).backgroundColor")) == expected
        drawn = page.evaluate(
            "name => document.getElementById('chart-map').data.find((trace) => trace.name === name).marker.color",
            segment["name"],
        )
        assert drawn == expected
    crosses = page.evaluate("document.getElementById('chart-map').data.at(-1).marker.color")
    assert crosses == getattr(colours.ANOMALY, scheme)


def show(snapshot, api_app, monkeypatch):
    """Let the API answer from `snapshot`."""
    follower = api_app.extensions["champion"]
    monkeypatch.setattr(follower, "current", lambda: snapshot)
    monkeypatch.setattr(follower, "snapshot", snapshot)


def as_hex(rgb):
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", rgb))


def test_twelve_segments_differ_in_colour_or_shape(new_page, api_app, monkeypatch):
    show(twelve(), api_app, monkeypatch)
    page = new_page()
    page.goto("/ui")
    wait_for_charts(page)
    looks = page.locator("#segments .swatch").evaluate_all(
        "marks => marks.map((mark) => [mark.className, mark.style.cssText].join())"
    )
    assert len(set(looks)) == 12
    markers = page.evaluate(
        "document.getElementById('chart-map').data.map(({ marker }) => `${marker.color} ${marker.symbol}`)"
    )
    assert len(set(markers)) == 13  # and the crosses
    hatches = page.evaluate("document.getElementById('chart-shares').data.at(-1).marker.pattern.shape")
    assert [bool(hatch) for hatch in hatches] == [True] * 4 + [
        False
    ] * 8  # the most valuable have the highest numbers
    assert page.complaints == []


def test_segments_are_those_of_the_api_most_valuable_first(page, server):
    segments = ask(server, "/analytics/segments")["segments"]
    cards = page.locator("#segments .card")
    assert cards.count() == len(segments)
    for place, segment in enumerate(sorted(segments, key=lambda segment: -segment["median_Monetary"])):
        card = cards.nth(place)
        assert sees(card.locator("h3")) == segment["name"]
        assert sees(card.locator("[data-is=customers]")) == f"{segment['customers']:,}"
        assert (
            sees(card.locator("[data-is=revenue-share]"))
            == f"{words.percent(segment['revenue_share'])} of all"
        )
        assert segment["action"] in sees(card)
        assert f"{words.amount(segment['median_Monetary'])} spent" in sees(card)


def test_kind_of_data_date_and_version_are_said_first(page, server):
    overview = ask(server, "/analytics/overview")
    stamp = sees(page.locator(".stamp"))
    assert "Demo data" in stamp
    assert f"Model version {overview['model_version']}" in stamp
    assert f"As of {words.day(overview['as_of'])}" in stamp


def test_customer_is_found_by_typing_an_id_and_enter(page, server):
    customer = ask(server, "/analytics/anomalies?limit=1")["customers"][0]
    page.fill("#customer", f" {customer['customer_id']}.0 ")
    page.press("#customer", "Enter")
    result = page.locator("#lookup-result")
    result.locator("table").wait_for()
    text = sees(result)
    assert f"Customer {customer['customer_id']}: {customer['segment_name']}" in text
    assert words.plainly(customer["anomaly_reason"]) in text
    assert words.amount(customer["Monetary"]) in text
    assert page.url.endswith("#lookup")
    assert "customer=" in page.url


def test_address_with_a_customer_opens_with_that_customer(new_page, server):
    customer = ask(server, "/analytics/segments/0/customers?limit=1")["customers"][0]["customer_id"]
    page = new_page()
    page.goto(f"/ui?customer={customer}")
    page.locator("#lookup-result h3", has_text=f"Customer {customer}").wait_for()
    page.goto("/ui?customer=nobody")
    page.locator("#lookup-result .error", has_text="There is no customer 'nobody'").wait_for()


def test_unknown_customer_is_told(page):
    page.fill("#customer", "nobody at all")
    page.press("#customer", "Enter")
    page.locator("#lookup-result .error", has_text="There is no customer 'nobody at all'").wait_for()


def test_a_click_on_the_map_looks_the_customer_up(page):
    wait_for_charts(page)
    page.evaluate(
        "document.getElementById('chart-map').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    box = page.locator("#chart-map .scatterlayer .trace:last-child .point").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hover = page.locator("#chart-map .hoverlayer .hovertext").first
    hover.wait_for()
    text = hover.text_content()
    assert "Anomaly score" in text
    page.mouse.down()
    page.mouse.up()
    heading = page.locator("#lookup-result h3")
    heading.wait_for()
    assert re.match(r"Customer (\S+?):", sees(heading))[1] in text


def test_made_up_customer_is_scored_as_the_api_does(page, server):
    given = {"Recency": 3, "Frequency": 40, "Monetary": 90_000, "Tenure": 360}
    for name, value in given.items():
        page.fill(f"#score-{name}", str(value))
    assert page.input_value("#score-AverageOrderValue") == "2250"
    page.press("#score-Tenure", "Enter")
    result = page.locator("#score-result")
    result.locator("table").wait_for()
    scored = ask(server, "/score", method="POST", json=given)
    assert sees(result.locator("h3")) == scored["segment_name"]
    assert f"nomaly score {scored['anomaly_score']:.2f}" in sees(result)
    assert ("Unusual." in sees(result)) == scored["is_anomaly"]


def test_form_starts_with_a_customer_that_can_be_scored(page):
    page.click("#score-form button[type=submit]")
    page.locator("#score-result table").wait_for()
    assert page.locator("#score-form .error:not(:empty)").count() == 0


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("Recency", "9999", "Given 9999, expected at most days since first order."),
        ("Frequency", "0", "Given 0, expected at least 1"),
        ("Monetary", "much", 'Given "much", expected a number.'),
        ("Tenure", "", "Fill this in."),
        ("AverageOrderValue", "-1", "Given -1, expected at least 0."),
    ],
)
def test_bad_value_is_told_at_its_field(page, name, typed, says):
    page.fill(f"#score-{name}", typed)
    page.click("#score-form button[type=submit]")
    page.locator(f"#error-{name}:not(:empty)").wait_for()
    assert says in sees(page.locator(f"#error-{name}"))
    assert page.get_attribute(f"#score-{name}", "aria-invalid") == "true"
    assert page.locator("[aria-invalid]").count() == 1
    assert page.evaluate("document.activeElement.name") == name
    assert "traceback" not in sees(page.locator("#score")).lower()


def test_audience_is_downloaded_whole(page, server):
    number = page.get_attribute("#segments .card >> nth=0", "data-segment")
    with page.expect_download() as download:
        page.locator("#segments .card").first.get_by_text("Download CSV").click()
    assert download.value.suggested_filename == f"segment-{number}-customers-v1.csv"
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = ask(server, f"/analytics/segments/{number}/customers?limit=500")
    assert len(rows) == listed["total"]
    assert rows[0]["customer_id"] == listed["customers"][0]["customer_id"]
    assert {row["segment"] for row in rows} == {number}


def test_lists_are_read_page_by_page(page, server):
    unusual = ask(server, "/analytics/anomalies?limit=500")["customers"]
    names = page.locator("#unusual-list tbody th")
    shown = names.all_inner_texts()
    assert shown == [row["customer_id"] for row in unusual[: len(shown)]]

    cards = page.locator("#segments .card")
    cards.first.get_by_text("List customers").click()
    audience = page.locator("#audience")
    audience.locator("tbody tr").first.wait_for()
    number = cards.first.get_attribute("data-segment")
    listed = [
        row["customer_id"]
        for row in ask(server, f"/analytics/segments/{number}/customers?limit=60")["customers"]
    ]
    assert audience.locator("tbody th").all_inner_texts() == listed[:20]
    assert audience.get_by_text("Previous").is_disabled()
    audience.get_by_text("Next").click()
    audience.get_by_text("Page 2 of").wait_for()
    assert audience.locator("tbody th").all_inner_texts() == listed[20:40]
    audience.get_by_text("Close").click()
    assert audience.is_hidden()
    assert page.evaluate("document.activeElement.textContent") == "List customers"


def test_who_moved_is_a_matrix_and_a_list_that_leads_to_the_customers(page, server):
    movement = ask(server, "/analytics/movement?limit=500")
    section = page.locator("#movement")
    assert section.locator(".sentences li").all_inner_texts() == movement["sentences"]
    rows = section.locator(".matrix tbody tr")
    best = [move for move in movement["moves"] if move["from_segment"] == movement["best"]]
    assert (
        sees(rows.first.locator("th"))
        == f"{movement['best_name']} {sum(move['customers'] for move in best):,}"
    )
    for move in best:
        way = "stayed" if move["to_segment"] == movement["best"] else "fell"
        cells = [" ".join(text.split()) for text in rows.first.locator(f"td.{way}").all_inner_texts()]
        count = f"{'↓ ' if way == 'fell' else ''}{move['customers']:,} "
        money = move["Monetary_after"] if move["to_segment"] is not None else move["Monetary_before"]
        assert any(text.startswith(count) and text.endswith(f" {words.amount(money)}") for text in cells)
    fallen = section.locator("#fallen-list")
    listed = [customer["customer_id"] for customer in movement["customers"]]
    assert fallen.locator("tbody th").all_inner_texts() == listed[:20]
    fallen.locator("tbody a").first.click()
    page.locator("#lookup-result table").wait_for()
    assert page.complaints == []


def test_cards_say_what_such_customers_did_next_with_the_statistics_one_click_away(page, server):
    segments = {segment["segment"]: segment for segment in ask(server, "/analytics/segments")["segments"]}
    known = [segment for segment in segments.values() if segment["next_bought_again"] is not None]
    assert known
    for segment in known:
        card = page.locator(f"#segments .card[data-segment='{segment['segment']}']")
        each = segment["next_mean_spend"] / segment["next_bought_again"]
        shown = sees(card.locator(".next"))
        assert f"Bought again {words.percent(segment['next_bought_again'])}" in shown
        assert f"Spent each {words.amount(each)} who bought" in shown
        statistics = card.locator("details p")
        assert statistics.is_hidden()
        card.locator("summary").click()
        assert f"(standard error {words.amount(segment['next_mean_spend_se'])})" in sees(statistics)
        assert words.counted(segment["half_by"], "customer") in sees(card)


def test_a_cell_of_the_grid_opens_its_list_and_its_download(page, server):
    states = ask(server, "/analytics/states")
    cells = [cell for cell in states["cells"] if cell["customers"]]
    links = page.locator("#states .cell")
    assert links.count() == len(cells)
    for place, cell in enumerate(cells):
        text = sees(links.nth(place))
        assert text.startswith(f"{cell['customers']:,} ")
        assert f"{words.amount(cell['revenue'])} spent" in text
        if cell["evidence"]:
            assert f"{words.percent(cell['evidence']['bought_again'])} bought again" in text
        else:
            assert "next: not known" in text
    place, cell = max(enumerate(cells), key=lambda pair: (bool(pair[1]["evidence"]), pair[1]["customers"]))
    links.nth(place).click()
    panel = page.locator("#cell")
    panel.locator("tbody tr").first.wait_for()
    assert sees(panel.locator("h3")) == f"{cell['name']}, {cell['state']}: biggest spenders first"
    assert cell["action"] in sees(panel)
    assert "standard error" in sees(panel.locator("[data-statistics]"))
    listed = ask(server, f"/analytics/segments/{cell['segment']}/customers?limit=500&state={cell['state']}")[
        "customers"
    ]
    assert panel.locator("tbody th").all_inner_texts() == [row["customer_id"] for row in listed[:20]]
    panel.get_by_role("button", name="Next").click()
    panel.get_by_text("Page 2 of").wait_for()
    assert panel.locator("tbody th").all_inner_texts() == [row["customer_id"] for row in listed[20:40]]
    with page.expect_download() as download:
        panel.get_by_text("Download this list").click()
    name = f"segment-{cell['segment']}-{cell['state']}-customers-v1.csv"
    assert download.value.suggested_filename == name
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == cell["customers"]
    assert {row["state"] for row in rows} == {cell["state"]}
    assert page.complaints == []


def test_a_cell_of_the_grid_is_opened_and_closed_with_the_keyboard_alone(page):
    cell = page.locator("#states .cell").nth(1)
    cell.focus()
    assert cell.evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.locator("#cell tbody tr").first.wait_for()
    page.wait_for_function("document.activeElement.id === 'cell-title'")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#cell").is_hidden()
    assert cell.evaluate("cell => document.activeElement === cell")


def test_every_cell_says_what_to_do_and_how_sure_that_is(page, server):
    cells = [cell for cell in ask(server, "/analytics/states")["cells"] if cell["customers"]]
    page.locator("#states summary").click()
    rows = page.locator("#states .advice tbody tr")
    assert rows.count() == len(cells)
    for place, cell in enumerate(cells):
        text = sees(rows.nth(place))
        assert cell["action"] in text
        assert ("standard error" in text) == (cell["evidence"] is not None)


def test_the_page_says_how_well_the_segments_told_what_came_next(page, server):
    forward = ask(server, "/analytics/forward")
    told = sees(page.locator(".trust > p"))
    assert f"the segments told {words.percent(forward['eta_squared']['segments_log'])} of the" in told
    assert f"25 RFM cells told {words.percent(forward['eta_squared']['rfm_cells_log'])}, which" in told
    difference = forward["ahead"]["rfm_cells"]
    if difference["difference"] < -2 * difference["standard_error"]:
        assert "25 RFM cells told" in told.split("which is more")[0]
    page.locator(".trust summary").click()
    assert page.locator(".trust li").all_inner_texts() == forward["sentences"]


def test_a_version_from_before_states_shows_all_else(new_page, api_app, monkeypatch):
    show(twelve(), api_app, monkeypatch)
    page = new_page()
    page.goto("/ui")
    wait_for_charts(page)
    said = "The states of the customers are not known. Version 7 was trained before states were kept."
    assert said in sees(page.locator("#states"))
    assert "It is not known how well the segments tell later spend." in sees(page.locator(".trust"))
    assert page.locator("#states .cell, #segments .next, #segments .few").count() == 0
    page.locator("#segments .card").first.get_by_text("List customers").click()
    page.locator("#audience tbody tr").first.wait_for()
    columns = page.locator("#audience thead th").count()
    assert page.locator("#audience tbody tr").first.locator("th, td").count() == columns == 8
    assert "state" not in sees(page.locator("#audience")).lower()
    assert page.complaints == []


def test_a_returner_and_a_few_who_bring_half_are_told(new_page, api_app, monkeypatch):
    snapshot = twelve()
    texts = {"returns_note": ["returned 990 of 991"] * 36, "anomaly_reason": ["Monetary is low"] * 36}
    columns = snapshot.customers | texts
    big = {"customers": 400, "half_by": 2}
    profiles = [snapshot.profiles[0] | big, snapshot.profiles[1] | {"half_by": 2}, *snapshot.profiles[2:]]
    told = {"warnings": ["k = 5 was not tried."], "rejected": "Stability 0.7 is below 0.8."}
    summary = snapshot.summary | told
    changed = replace(snapshot, customers=columns, profiles=profiles, summary=summary, _answers={})
    show(changed, api_app, monkeypatch)
    page = new_page()
    page.goto("/ui")
    few = page.locator("#segments .few")
    assert few.count() == 1  # of three customers, two bring half as a matter of course
    assert "Half of this revenue comes from 2 customers." in sees(few)
    assert "Returned 990 of 991. Money spent is low" in sees(page.locator("#unusual-list .why").first)
    page.locator("#unusual-list tbody a").first.click()
    page.locator(
        "#lookup-result .unusual", has_text="Unusual. Returned 990 of 991. Money spent is low."
    ).wait_for()
    head = sees(page.locator(".page-head"))
    assert "k = 5 was not tried." in head
    assert "Rejected. Stability 0.7 is below 0.8." in head


def between(group):
    if group["expected_low"] is None:
        return "range not known"
    return f"between {words.amount(group['expected_low'])} and {words.amount(group['expected_high'])}"


def test_cards_and_cells_say_what_is_expected_with_its_range_and_that_no_season_is_known(page, server):
    for segment in ask(server, "/analytics/segments")["segments"]:
        card = sees(page.locator(f"#segments [data-segment='{segment['segment']}'] .expected"))
        assert f"Spend {words.amount(segment['expected_spend'])} {between(segment)}" in card
        assert f"At risk {words.amount(segment['value_at_risk'])}" in card
    assert sees(page.locator("#segments .season")) == SEASON
    cells = [cell for cell in ask(server, "/analytics/states")["cells"] if cell["customers"]]
    links = page.locator("#states .cell")
    assert [f"{words.amount(cell['expected_spend'])} expected" for cell in cells] == [
        sees(links.nth(place).locator(".expected")) for place in range(len(cells))
    ]
    late = next(place for place, cell in enumerate(cells) if cell["state"] == "late")
    links.nth(late).click()
    sentence = sees(page.locator("#cell [data-expectation]"))
    assert sentence.startswith(cells[late]["expectation"])
    assert f"{words.amount(cells[late]['value_at_risk'])} at risk" in sentence
    assert sentence.endswith(SEASON)


def test_a_customer_is_told_with_what_such_customers_bring(page, server):
    listed = ask(server, "/analytics/segments/2/customers?limit=1")["customers"][0]
    page.fill("#customer", listed["customer_id"])
    page.press("#customer", "Enter")
    told = sees(page.locator("#lookup-result .expected"))
    assert told.startswith(f"Expected in the next 90 days: {words.amount(listed['expected_spend'])} and ")
    assert f"{words.percent(listed['likely_to_buy'])} of such customers buy at all" in told
    ends = [words.amount(listed[end]) for end in ("spend_low", "spend_high")]
    assert told.endswith(f"four in five spend between {ends[0]} and {ends[1]}.")


def test_the_glossary_explains_the_forecast_in_plain_words(page):
    glossary = sees(page.locator("#glossary"))
    for label, meaning in FORECAST_WORDS.values():
        assert f"{label} {meaning.format(days=90)}" in glossary


def test_a_forecast_that_does_not_hold_is_not_shown(new_page, api_app, monkeypatch):
    snapshot = api_app.extensions["champion"].current()
    failed = {**snapshot.forecast, "holds": False, "reasons": ["It was wrong."], "shop": None}
    nothing = dict.fromkeys(("expected_spend", "expected_low", "expected_high", "value_at_risk"))
    grid = [cell | nothing | {"expectation": ""} for cell in snapshot.evidence["grid"]]
    customers = snapshot.customers | dict.fromkeys(FORECAST_OUTPUTS, [None] * len(snapshot))
    profiles = [profile | nothing for profile in snapshot.profiles]
    evidence = {**snapshot.evidence, "grid": grid}
    untold = replace(
        snapshot, forecast=failed, evidence=evidence, customers=customers, profiles=profiles, _answers={}
    )
    show(untold, api_app, monkeypatch)
    answer = api_app.test_client().get("/analytics/forecast")
    assert answer.status_code == 404
    assert answer.json["error"]["message"] == "It is not said what the customers will bring. It was wrong."
    page = new_page()
    page.goto("/ui")
    page.locator("#states .cell").first.click()
    page.locator("#cell tbody tr").first.wait_for()
    page.locator("#cell tbody a").first.click()
    page.locator("#lookup-result table").wait_for()
    assert page.locator(".expected, .season").count() == 0
    assert page.locator("main").get_by_text(re.compile("expected in|at risk", re.IGNORECASE)).count() == 0
    assert page.complaints == []


def test_each_endpoint_can_be_tried(page):
    forms = page.locator("#api form")
    for place in range(forms.count()):
        form = forms.nth(place)
        form.locator("[type=submit]").click()
        form.locator(".answer pre").wait_for()
        assert sees(form.locator(".answer")).startswith("200 OK"), form.locator("input").input_value()
        if form.locator("input").input_value() == "/health":
            assert '"model_version": 1' in sees(form.locator("pre"))
    assert page.complaints == []


def test_swagger_ui_executes(new_page, server):
    page = new_page()
    page.goto("/apidocs")
    operation = page.locator("#operations-analytics-overview")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.wait_for()
    assert "200" in sees(answer.locator(".response-col_status").last)
    assert '"model_version": 1' in sees(answer)
    assert page.complaints == []
    assert all(url.startswith((f"{server}/", "data:")) for url in page.asked)


def test_a_promotion_is_told_and_versions_are_not_mixed(new_page, server, crown):
    page = new_page()
    page.clock.install()
    page.goto("/ui")
    page.wait_for_load_state("networkidle")
    assert sees(page.locator("#notice")) == ""
    crown(2)
    for _ in range(100):
        if ask(server, "/health")["model_version"] == 2:
            break
        threading.Event().wait(0.1)
    page.clock.fast_forward(POLL)
    page.locator("#notice", has_text="Version 2 is live now: reload").wait_for()
    page.fill("#customer", page.get_attribute("#customer", "placeholder"))
    page.press("#customer", "Enter")
    page.locator("#lookup-result .error", has_text="Version 2 is live now").wait_for()
    page.locator("#notice").get_by_role("button", name="Reload").click()
    page.locator(".stamp", has_text="Model version 2").wait_for()
    page.locator("#lookup-result table").wait_for()
    crown(1)
    for _ in range(100):
        if ask(server, "/health")["model_version"] == 1:
            break
        threading.Event().wait(0.1)


def test_a_champion_that_may_not_be_the_newest_is_told(new_page, api_app, monkeypatch):
    monkeypatch.setattr(type(api_app.extensions["champion"]), "stale", "Version 9 could not be loaded.")
    page = new_page()
    page.goto("/ui")
    page.locator("#notice", has_text="Version 9 could not be loaded.").wait_for()


def test_phone_does_not_scroll_sideways(new_page):
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto("/ui")
    wait_for_charts(page)
    page.locator("#segments .card").first.get_by_text("List customers").click()
    page.locator("#audience tbody tr").first.wait_for()
    page.locator("#states .cell").first.click()
    page.locator("#cell tbody tr").first.wait_for()
    page.locator("#unusual-list tbody a").first.click()
    page.locator("#lookup-result table").wait_for()
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width == [390, 390]


def test_look_up_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "customer":
            break
    assert page.locator("#customer").evaluate("field => getComputedStyle(field).outlineStyle") == "solid"
    page.keyboard.type(page.get_attribute("#customer", "placeholder"))
    page.keyboard.press("Enter")
    page.locator("#lookup-result table").wait_for()


def hostile():
    """A snapshot whose every text tries to be markup."""
    count = len(HOSTILE)
    frame = pd.DataFrame(
        {name: np.arange(1.0, count + 1) for name in FEATURES}
        | {
            "customer_id": HOSTILE,
            "Returned": 0.0,
            "country": HOSTILE[::-1],
            "segment": [0, 0, 1, 1, 1],
            "segment_name": HOSTILE[0],
            "state": ["late", "one-time", "late", "active", "due"],
            "returns_note": HOSTILE[2],
            "is_anomaly": [True, False, True, False, True],
            "anomaly_score": np.arange(9.0, 9.0 - count, -1.0),
            "anomaly_reason": f"Monetary {HOSTILE[2]}",
            "distance": 1.0,
            "pca_1": np.arange(float(count)),
            "pca_2": 0.0,
        }
    )
    profiles = [
        {"segment": segment, "name": HOSTILE[2 * segment], "customers": 2, "share": 0.5, "revenue": 1.0}
        | {"revenue_share": 0.5, "anomalies": 0, "action": HOSTILE[0]}
        | {f"{statistic}_{name}": 1.0 for statistic in ("mean", "median") for name in FEATURES}
        for segment in (0, 1)
    ]
    summary = {"as_of": "2024-01-01T00:00:00", "data": "real", "outcome": [HOSTILE[0]], "missing": {}}
    names = {"from_segment": 1, "from_name": HOSTILE[2], "to_segment": 0, "to_name": HOSTILE[0]}
    money = {"Monetary_before": 3.0, "Monetary_after": 3.0}
    movement = {
        "from_as_of": "2023-12-02T00:00:00",
        "to_as_of": "2024-01-01T00:00:00",
        "best": 1,
        "best_name": HOSTILE[2],
        "sentences": [HOSTILE[4]],
        "moves": [names | money | {"customers": 1}],
        "fallen": [{"customer_id": HOSTILE[2], **names, **money, "Recency": 40}],
    }
    grid = [
        {"segment": segment, "state": state, "customers": 1, "revenue": 1.0, "evidence": None}
        | {"action": HOSTILE[0]}
        for segment in (0, 1)
        for state in STATES
    ]
    evidence = {"days": 90, "cut_offs": [], "shop": None, "left_best": None, "segments": {}, "grid": grid}
    return Snapshot.of(7, frame, profiles, summary, scorer=None, movement=movement, evidence=evidence)


def twelve():
    """A snapshot of twelve segments of three customers each, the higher its number the more valuable."""
    count = 36
    segment = np.repeat(np.arange(12), 3)
    frame = pd.DataFrame(
        {name: np.arange(1.0, count + 1) for name in FEATURES}
        | {
            "customer_id": [f"c{index}" for index in range(count)],
            "Returned": 0.0,
            "country": "Iceland",
            "segment": segment,
            "segment_name": [f"Segment {number}" for number in segment],
            "is_anomaly": np.arange(count) == 7,
            "anomaly_score": np.where(np.arange(count) == 7, 2.0, 0.5),
            "anomaly_reason": "",
            "distance": 1.0,
            "pca_1": np.cos(np.arange(count)),
            "pca_2": np.sin(np.arange(count)),
        }
    )
    profiles = [
        {
            "segment": number,
            "name": f"Segment {number}",
            "customers": 3,
            "share": 1 / 12,
            "revenue": 1.0 + number,
        }
        | {"revenue_share": (1 + number) / 78, "anomalies": 0, "action": "Look at them."}
        | {f"{statistic}_{name}": 1.0 + number for statistic in ("mean", "median") for name in FEATURES}
        for number in range(12)
    ]
    summary = {
        "as_of": "2024-01-01T00:00:00",
        "data": "real",
        "outcome": [],
        "missing": {"movement": "None."},
    }
    return Snapshot.of(7, frame, profiles, summary, scorer=None)


def test_texts_of_the_data_are_shown_and_never_run(new_page, api_app, monkeypatch):
    show(hostile(), api_app, monkeypatch)
    page = new_page()
    page.goto("/ui")
    wait_for_charts(page)
    assert page.locator("#unusual-list tbody th").all_inner_texts() == HOSTILE[::2]
    assert HOSTILE[0] in page.locator("#segments h3").all_inner_texts()
    assert page.locator("#movement .sentences li").all_inner_texts() == [HOSTILE[4]]
    assert page.locator("#fallen-list tbody th").all_inner_texts() == [HOSTILE[2]]
    assert HOSTILE[0] in re.sub(r"\s+", "", page.locator("#chart-map .legend").text_content())
    page.locator("#segments .card").first.get_by_text("List customers").click()
    page.locator("#audience tbody tr").first.wait_for()
    page.locator("#states .cell").last.click()
    page.locator("#cell tbody tr").first.wait_for()
    assert HOSTILE[0] in page.locator("#cell .action").inner_text()
    for customer in HOSTILE:
        page.fill("#customer", customer)
        page.press("#customer", "Enter")
        page.locator("#lookup-result h3", has_text=f"Customer {customer}: {HOSTILE[0]}").wait_for()
    assert page.locator("main img, main script, main b:text('bold')").count() == 0
    assert page.complaints == []


def test_page_without_javascript_still_shows_segments_and_unusual_customers(new_page, server):
    page = new_page(java_script_enabled=False)
    page.goto("/ui")
    names = [segment["name"] for segment in ask(server, "/analytics/segments")["segments"]]
    assert sorted(page.locator("#segments .card h3").all_inner_texts()) == sorted(names)
    assert page.locator("#unusual-list tbody tr").count() > 1
    assert "JavaScript is off" in page.locator("noscript").inner_text()
    assert page.locator("#score-form").is_hidden()


def test_page_works_with_a_token(new_page, api_store, api_of):
    with api_of(api_store, token="sesame") as app, listening(app) as address:
        page = new_page(base_url=address, http_credentials={"username": "anyone", "password": "sesame"})
        page.goto("/ui")
        wait_for_charts(page)
        page.fill("#customer", page.get_attribute("#customer", "placeholder"))
        page.press("#customer", "Enter")
        page.locator("#lookup-result table").wait_for()
        assert page.complaints == []


def test_without_a_champion_a_person_reads_which_command_to_run(new_page, new_folder, api_of):
    with api_of(new_folder("nothing")) as app:
        client = app.test_client()
        assert client.get("/ui").json["error"]["code"] == 503
        answer = client.get("/ui", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert answer.headers["Retry-After"]
        with listening(app) as address:
            page = new_page(base_url=address)
            page.goto("/ui")
            assert "segments train --promote" in page.locator("main pre").inner_text()


def test_charting_library_is_packed_and_kept_by_the_browser(client):
    path = f"/static/plotly-{installed_release()}.min.js"
    packed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.mimetype == "text/javascript"
    assert "immutable" in packed.headers["Cache-Control"]
    assert len(packed.data) < 2_500_000
    plain = client.get(path)
    assert "Content-Encoding" not in plain.headers
    assert b"plotly.js" in plain.data[:200]
    assert client.get("/static/plotly-0.0.0.min.js").status_code == 404
