"""The pages and Swagger UI in a real browser, from a real server on a real champion."""

import csv
import re
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
from browser import ARGUMENTS, LAPTOP, PHONE, WIDE, ask, listened_to, listening, program, sees, wait_until
from word_table import TABLE

from contract import colours, words
from contract.forecast_words import FORECAST_WORDS, SEASON
from contract.languages import MARKS, localised
from contract.names import FEATURES, FORECAST_OUTPUTS, MOST_GONE_LISTED, STATES
from serving.charting_library import installed_release
from serving.snapshot import Snapshot

pytestmark = pytest.mark.browser

POLL = 15_000  # milliseconds between two looks of the page at /health
MOST_BYTES = 200_000  # of the first screen
PAGES = ("", "/segments", "/customers", "/movement", "/unusual", "/past", "/developers")
HOSTILE = ["<script>alert(1)</script>", "=1+1", '"><img src=x onerror=alert(1)>', "a/b c?d#e%", "<b>bold</b>"]


@pytest.fixture(scope="module")
def server(api_app):
    """The address of the API on `api_store`."""
    api_app.extensions["champion"].every = 0.1
    with listening(api_app) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
    if not program():
        pytest.skip("There is no Chromium here to open the pages with (Debian: apt-get install chromium)")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium, server):
    """A browser's profile; one for many pages, as the charting library is parsed once in it."""
    context = chromium.new_context(base_url=server, viewport=WIDE)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """An empty page of the shared profile."""
    page = listened_to(context.new_page())
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
def crown(api_store, server):
    """Makes a version champion by hand and waits for it; afterwards it is version 1 again."""
    import mlflow

    client = mlflow.MlflowClient(*[api_store.environment["MLFLOW_TRACKING_URI"]] * 2)

    def crown(version):
        client.set_registered_model_alias("customer-segments", "champion", str(version))
        wait_until(lambda: ask(server, "/health")["model_version"] == version)

    yield crown
    crown(1)


@pytest.fixture
def show(api_app, monkeypatch):
    """`show(snapshot)`: let the API answer from `snapshot`."""

    def show(snapshot):
        follower = api_app.extensions["champion"]
        monkeypatch.setattr(follower, "current", lambda: snapshot)
        monkeypatch.setattr(follower, "snapshot", snapshot)

    return show


def draw_map(page):
    """Scroll to the map, for which the charting library comes, and wait until it is drawn."""
    page.locator("#map").scroll_into_view_if_needed()
    page.wait_for_selector("#chart-map svg.main-svg")


def as_hex(rgb):
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", rgb))


def matches(page):
    """How many customers the list on the page holds."""
    return int(sees(page.locator("[data-is=matches]")).split()[0].replace(",", ""))


def leads_to(page, link):
    """How many customers the list has to which a link leads, and the filter of its address; the page comes back."""
    link.click()
    page.locator("[data-is=matches]").wait_for()
    count, query = matches(page), dict(parse_qsl(urlsplit(page.url).query))
    page.go_back(wait_until="domcontentloaded")
    return count, query


def listed(server, **filters):
    """The API's answer for a list."""
    return ask(server, "/analytics/customers", params={"per_page": 500} | filters)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_error_or_asks_elsewhere(new_page, server, scheme):
    page = new_page(color_scheme=scheme)
    for path in PAGES:
        page.goto(f"/ui{path}")
        assert page.locator("main h1").count() == 1
    page.wait_for_load_state("networkidle")
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith((f"{server}/", "data:", "blob:"))] == []
    assert f"{server}/favicon.ico" not in page.asked


def test_the_nav_stays_says_where_one_is_and_the_back_button_goes_back(page):
    page.goto("/ui")
    titles = page.locator("header nav a").all_inner_texts()
    assert titles == ["Overview", "Segments", "Customers", "Movement", "Unusual", "Past", "For developers"]
    for title, path in zip(titles, PAGES, strict=True):
        page.locator("header nav").get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(f"**/ui{path}")
        assert page.locator("header nav [aria-current=page]").all_inner_texts() == [title]
        page.mouse.wheel(0, 2_000)
        assert page.locator("header nav").bounding_box()["y"] >= 0
    for path in PAGES[-2::-1]:
        page.go_back()
        page.wait_for_url(f"**/ui{path}")


def test_the_first_screen_is_small_and_needs_no_charting_library(new_page):
    page = new_page(viewport=LAPTOP)
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto("/ui")
    page.wait_for_load_state("networkidle")
    assert not [url for url in page.asked if "plotly" in url]
    assert 10_000 < sum(sizes) < MOST_BYTES
    last = page.locator(".acts .card").last.locator("dl").bounding_box()
    assert last["y"] + last["height"] < LAPTOP["height"]


def test_the_overview_says_how_many_how_much_and_which_model(page, server):
    overview, forecast = ask(server, "/analytics/overview"), ask(server, "/analytics/forecast")
    page.goto("/ui")
    figures = sees(page.locator(".figures"))
    assert f"Customers {words.whole(overview['customers'])}" in figures
    assert f"Money spent {words.amount(overview['revenue'])}" in figures
    assert f"Expected in 90 days {words.amount(forecast['shop']['expected_spend'])}" in figures
    assert f"Unusual customers {words.whole(overview['anomalies'])}" in figures
    stamp = sees(page.locator(".stamp"))
    assert "Demo data" in stamp
    assert f"Model version {overview['model_version']}" in stamp
    assert f"As of {words.day(overview['as_of'])}" in stamp
    assert "Money in the shop's own currency" in stamp
    for segment in ask(server, "/analytics/segments")["segments"]:
        row = sees(page.locator(f"tr[data-segment='{segment['segment']}']"))
        numbers = (words.whole(segment["customers"]), words.percent(segment["share"]))
        money = (words.amount(segment["revenue"]), words.percent(segment["revenue_share"]))
        assert row == " ".join([segment["name"], *numbers, *money])


def test_what_changed_leads_to_its_lists(page, server):
    page.goto("/ui")
    changes = page.locator(".changes a")
    assert changes.count() == 4
    for place, way in enumerate(["came", "rose", "fell", "became_late"]):
        expected = listed(server, moved=way)
        text = sees(changes.nth(place))
        assert re.sub(r"^[↑↓] ", "", text).startswith(f"{words.whole(expected['matches'])} ")
        assert f"{words.amount(expected['money'])} spent so far" in text
        if expected["matches"]:
            assert leads_to(page, changes.nth(place)) == (expected["matches"], {"moved": way})


def test_every_bar_of_the_overview_leads_to_its_list(page, server):
    page.goto("/ui")
    bars = page.locator(".strip-bar a")
    segments = {segment["segment"]: segment for segment in ask(server, "/analytics/segments")["segments"]}
    assert bars.count() == 2 * len(segments)
    for place in range(bars.count()):
        count, query = leads_to(page, bars.nth(place))
        assert count == segments[int(query["segment"])]["customers"]


def test_three_lists_to_act_on_have_size_money_and_expectation_and_lead_to_them(page, server):
    cells = {(cell["segment"], cell["state"]): cell for cell in ask(server, "/analytics/states")["cells"]}
    page.goto("/ui")
    cards = page.locator(".acts .card")
    assert cards.count() == 3
    for place in range(3):
        text = sees(cards.nth(place))
        count, query = leads_to(page, cards.nth(place).locator("h3 a"))
        cell = cells[int(query["segment"]), query["state"]]
        assert count == cell["customers"]
        assert f"Customers {words.whole(cell['customers'])} Spent {words.amount(cell['revenue'])}" in text
        assert f"Expected {words.amount(cell['expected_spend'])}" in text
        assert cell["action"] in text
    assert SEASON in sees(page.locator(".season"))


def test_the_report_opens_from_here_under_the_same_policy(page, server):
    page.goto("/ui")
    page.locator(".stamp").get_by_role("link", name="Full report").click()
    page.locator("#outlook").wait_for()
    assert page.url == f"{server}/ui/report"
    assert "default-src 'self'" in page.evaluate(
        "fetch(location.href).then((answer) => answer.headers.get('Content-Security-Policy'))"
    )


def written(page, calls, language="en"):
    """What words.js of an opened page writes for each (function, arguments, ...), in a language's marks."""
    marks = vars(MARKS[language])
    return page.evaluate(
        """async ([calls, marks]) => {
            const { known } = await import('/static/data.js');
            known.marks = marks;
            const words = await import('/static/words.js');
            return calls.map(([name, values]) => words[name](...values));
        }""",
        [[[function, list(arguments)] for function, arguments, *_ in calls], marks],
    )


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_browser_writes_every_word_of_the_table(page, language):
    page.goto("/ui")
    assert written(page, TABLE, language) == [localised(text, language) for _, _, text in TABLE]


def test_the_browser_writes_any_number_as_the_server_does(page):
    page.goto("/ui")
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


def test_a_field_takes_the_number_that_it_shows(page):
    page.goto("/ui/developers")
    for language, text in (("en", "1,234.5"), ("de", "1.234,5"), ("fr", "1\u202f234,5"), ("de", "1234,5")):
        assert written(page, [("typed", [text])], language) == [1234.5]
    assert written(page, [("written", [1234.567])], "de") == ["1234,57"]


def test_a_german_browser_reads_german_numbers_and_english_words(new_page, server):
    customers = ask(server, "/analytics/overview")["customers"]
    page = new_page(locale="de-DE")
    page.goto("/ui")
    figures = sees(page.locator(".figures"))
    assert f"Customers {localised(words.whole(customers), 'de')}" in figures
    assert re.search(r"Unusual customers \d+ \d,\d\s%", figures)
    page.goto("/ui/developers")
    page.fill("#score-Monetary", "1.234,50")
    page.fill("#score-Frequency", "4")
    assert page.input_value("#score-AverageOrderValue") == "308,63"
    page.press("#score-Frequency", "Enter")
    page.locator("#score-result table").wait_for()
    assert "1.235" in sees(page.locator("#score-result"))
    assert page.complaints == []


def test_the_currency_is_a_setting_where_the_data_do_not_say_it(page, monkeypatch):
    monkeypatch.setenv("SEGMENTS_CURRENCY", "GBP")
    monkeypatch.setenv("SEGMENTS_LANGUAGE", "fr")
    page.goto("/ui")
    assert "Money in GBP" in sees(page.locator(".stamp"))
    assert re.search(r"Money spent \d+\s\d+\s\d+\sGBP", sees(page.locator(".figures")))


def test_every_mark_of_a_segment_has_the_palettes_colour_also_when_the_screen_turns_dark(page, server):
    page.goto("/ui/segments")
    draw_map(page)
    segments = ask(server, "/analytics/segments")["segments"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        crosses = getattr(colours.ANOMALY, scheme)
        page.wait_for_function(
            "colour => document.getElementById('chart-map').data.at(-1).marker.color === colour", arg=crosses
        )
        for segment in segments:
            expected = getattr(colours.segment_colour(segment["segment"]), scheme)
            swatch = page.locator(f"#segments [data-segment='{segment['segment']}'] h2 .swatch")
            assert as_hex(swatch.evaluate("mark => getComputedStyle(mark).backgroundColor")) == expected
            drawn = page.evaluate(
                "name => document.getElementById('chart-map').data.find((own) => own.name === name).marker.color",
                segment["name"],
            )
            assert drawn == expected
    assert page.complaints == []


def test_twelve_segments_differ_in_colour_or_shape(page, show):
    show(twelve())
    page.goto("/ui/segments")
    draw_map(page)
    looks = page.locator("#segments h2 .swatch").evaluate_all(
        "marks => marks.map((mark) => [mark.className, mark.style.cssText].join())"
    )
    assert len(set(looks)) == 12
    markers = page.evaluate(
        "document.getElementById('chart-map').data.map(({ marker }) => `${marker.color} ${marker.symbol}`)"
    )
    assert len(set(markers)) == 13  # and the crosses
    page.goto("/ui")
    bars = page.locator(".strip-bar a").evaluate_all(
        "bars => bars.map((bar) => [bar.className, getComputedStyle(bar).getPropertyValue('--colour')].join())"
    )
    assert len(set(bars)) == 12
    assert page.complaints == []


def test_a_mark_on_the_map_leads_to_the_customers_page(page):
    page.goto("/ui/segments")
    draw_map(page)
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
    page.wait_for_url("**/ui/customers/*")
    assert re.fullmatch(r"Customer (\S+)", sees(page.locator("h1")))[1] in text


def between(group):
    if group["expected_low"] is None:
        return "range not known"
    return f"between {words.amount(group['expected_low'])} and {words.amount(group['expected_high'])}"


def test_segments_are_those_of_the_api_most_valuable_first(page, server):
    segments = sorted(ask(server, "/analytics/segments")["segments"], key=lambda own: -own["median_Monetary"])
    page.goto("/ui/segments")
    cards = page.locator("#segments .card")
    assert cards.count() == len(segments)
    for place, segment in enumerate(segments):
        card = cards.nth(place)
        text = sees(card)
        assert sees(card.locator("h2")) == segment["name"]
        assert sees(card.locator("[data-is=customers]")) == f"{segment['customers']:,}"
        assert f"{words.percent(segment['revenue_share'])} of all" in text
        assert segment["action"] in text
        assert f"{words.amount(segment['median_Monetary'])} spent" in text
        assert words.counted(segment["half_by"], "customer") in text
        expected = sees(card.locator(".expected"))
        assert f"Spend {words.amount(segment['expected_spend'])} {between(segment)}" in expected
        assert f"At risk {words.amount(segment['value_at_risk'])}" in expected
        count, query = leads_to(page, card.get_by_role("link", name="List customers"))
        assert (count, query) == (segment["customers"], {"segment": str(segment["segment"])})
    assert sees(page.locator(".season")) == SEASON


def test_two_segments_are_seen_side_by_side_at_an_address_of_their_own(page):
    page.goto("/ui/segments")
    boxes = page.locator(".choose input")
    numbers = [boxes.nth(place).get_attribute("value") for place in range(2)]
    for place in range(2):
        boxes.nth(place).check()
    page.get_by_role("button", name="Show these").click()
    page.wait_for_url(f"**/ui/segments?segment={numbers[0]}&segment={numbers[1]}")
    cards = page.locator("#segments .card")
    assert [cards.nth(place).get_attribute("data-segment") for place in range(cards.count())] == numbers
    assert page.locator(".spread").first.is_visible()
    page.goto("/ui/segments?segment=99")
    assert "There is no segment '99'. Expected one of:" in sees(page.locator("main .error"))


def test_every_bar_of_a_distribution_leads_to_a_list_of_as_many(page, server):
    number = max(ask(server, "/analytics/segments")["segments"], key=lambda own: own["customers"])["segment"]
    page.goto(f"/ui/segments?segment={number}")
    spreads = page.locator(".spread")
    assert spreads.count() == 5
    for place in range(5):
        bars = spreads.nth(place).locator("a")
        told = [
            int(re.search(r": ([\d,]+) customer", text)[1].replace(",", ""))
            for text in bars.all_inner_texts()
        ]
        assert sum(told) == listed(server, segment=number)["matches"]
        tallest = told.index(max(told))
        href = bars.nth(tallest).get_attribute("href")
        assert ask(server, f"/analytics/customers?{urlsplit(href).query}")["matches"] == told[tallest]


def test_cards_say_what_such_customers_did_next_with_the_statistics_one_click_away(page, server):
    known = [
        own for own in ask(server, "/analytics/segments")["segments"] if own["next_bought_again"] is not None
    ]
    assert known
    page.goto("/ui/segments")
    for segment in known:
        card = page.locator(f"#segments .card[data-segment='{segment['segment']}']")
        each = segment["next_mean_spend"] / segment["next_bought_again"]
        shown = sees(card.locator(".next"))
        assert f"Bought again {words.percent(segment['next_bought_again'])}" in shown
        assert f"Spent each {words.amount(each)} who bought" in shown
        statistics = card.locator("details p").first
        assert statistics.is_hidden()
        card.locator("summary", has_text="The statistics").click()
        assert f"(standard error {words.amount(segment['next_mean_spend_se'])})" in sees(statistics)


def test_a_term_is_explained_where_it_stands_and_esc_closes_it(page):
    page.goto("/ui/segments")
    term = page.locator(".term", has_text="At risk").first
    term.focus()
    page.keyboard.press("Enter")
    meaning = page.locator(".meaning:popover-open")
    assert FORECAST_WORDS["value_at_risk"][1].format(days=90) in sees(meaning)
    page.keyboard.press("Escape")
    assert page.locator(".meaning:popover-open").count() == 0
    assert term.evaluate("term => document.activeElement === term")


def test_esc_closes_what_is_open_around_the_reader(page):
    page.goto("/ui/customers")
    page.locator("summary", has_text="Columns").click()
    page.locator("[name=fields]").first.focus()
    page.keyboard.press("Escape")
    assert page.locator("[name=fields]").first.is_hidden()
    assert page.evaluate("document.activeElement.textContent") == "Columns"


def test_every_cell_of_the_grid_leads_to_its_list(page, server):
    cells = [cell for cell in ask(server, "/analytics/states")["cells"] if cell["customers"]]
    page.goto("/ui/segments")
    links = page.locator("#states .cell")
    assert links.count() == len(cells)
    for place, cell in enumerate(cells):
        text = sees(links.nth(place))
        assert text.startswith(f"{cell['customers']:,} ")
        assert f"{words.amount(cell['revenue'])} spent" in text
        assert f"{words.amount(cell['expected_spend'])} expected" in text
        told = (
            f"{words.percent(cell['evidence']['bought_again'])} bought"
            if cell["evidence"]
            else "next: not known"
        )
        assert told in text
        asked = {"segment": str(cell["segment"]), "state": cell["state"]}
        assert leads_to(page, links.nth(place)) == (cell["customers"], asked)


def test_every_cell_says_what_to_do_and_how_sure_that_is(page, server):
    cells = [cell for cell in ask(server, "/analytics/states")["cells"] if cell["customers"]]
    page.goto("/ui/segments")
    page.locator("#states summary").click()
    rows = page.locator("#states .advice tbody tr")
    assert rows.count() == len(cells)
    for place, cell in enumerate(cells):
        text = sees(rows.nth(place))
        assert cell["action"] in text
        assert between(cell) in text
        assert ("standard error" in text) == (cell["evidence"] is not None)


def test_the_page_says_how_well_the_segments_told_what_came_next(page, server):
    forward = ask(server, "/analytics/forward")
    page.goto("/ui/segments")
    told = sees(page.locator(".trust > p"))
    assert f"the segments told {words.percent(forward['eta_squared']['segments_log'])} of the" in told
    assert f"25 RFM cells told {words.percent(forward['eta_squared']['rfm_cells_log'])}, which" in told
    difference = forward["ahead"]["rfm_cells"]
    if difference["difference"] < -2 * difference["standard_error"]:
        assert "25 RFM cells told" in told.split("which is more")[0]
    page.locator(".trust summary").click()
    assert page.locator(".trust li").all_inner_texts() == forward["sentences"]


def test_the_glossary_explains_the_forecast_in_plain_words(page):
    page.goto("/ui/segments")
    glossary = sees(page.locator("#glossary"))
    for label, meaning in FORECAST_WORDS.values():
        assert f"{label} {meaning.format(days=90)}" in glossary


def test_a_list_is_searched_filtered_sorted_and_sent(page, server):
    page.goto("/ui/customers")
    assert matches(page) == ask(server, "/analytics/overview")["customers"]
    page.locator("#filter [name=state][value=late]").check()
    page.locator("#filter [name=state][value=due]").check()
    page.locator("summary", has_text="More filters").click()
    page.fill("[name=min_monetary]", "100")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/ui/customers?*")
    assert parse_qsl(urlsplit(page.url).query) == [
        ("state", "due"),
        ("state", "late"),
        ("min_monetary", "100"),
    ]
    expected = listed(server, state=["due", "late"], min_monetary=100)
    assert matches(page) == expected["matches"]
    told = sees(page.locator(".matches"))
    assert (
        f"{words.amount(expected['money'])} spent, {words.percent(expected['share_of_money'])} of all" in told
    )
    assert f"{words.amount(expected['expected_spend'])} expected in the next 90 days" in told
    page.locator("table.list thead").get_by_role("link", name="Expected spend").click()
    page.wait_for_url("**sort=-expected_spend*")
    assert page.locator("[aria-sort=descending]").inner_text().startswith("Expected spend")
    expected = listed(server, state=["due", "late"], min_monetary=100, sort="-expected_spend")["customers"]
    shown = page.locator("table.list tbody th").all_inner_texts()
    assert shown == [row["customer_id"] for row in expected[:25]]
    page.get_by_role("link", name="Next").click()
    page.get_by_text("Page 2 of").wait_for()
    assert page.locator("table.list tbody th").all_inner_texts() == [
        row["customer_id"] for row in expected[25:50]
    ]
    address = page.url
    page.go_back()
    page.get_by_text("Page 1 of").wait_for()
    page.goto(address)  # as a colleague opens it
    assert page.locator("#filter [name=state][value=late]").is_checked()
    assert page.input_value("#filter [name=min_monetary]") == "100"
    assert page.complaints == []


def test_a_customer_is_found_by_a_part_of_the_id(page, server):
    customer = listed(server, per_page=1)["customers"][0]["customer_id"]
    page.goto("/ui/customers")
    page.fill("#q", customer[1:])
    page.press("#q", "Enter")
    page.locator("table.list tbody th", has_text=customer).click()
    page.wait_for_url(f"**/ui/customers/{customer}")
    page.goto("/ui/customers?q=nobody+at+all")
    assert "No customer is like that." in sees(page.locator(".empty"))


def test_columns_are_chosen(page):
    page.goto("/ui/customers")
    page.locator("summary", has_text="Columns").click()
    for name in ("state", "Recency", "country"):
        page.locator(f"[name=fields][value={name}]").uncheck()
    page.locator("[name=fields][value=Tenure]").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**fields=*")
    heads = page.locator("table.list thead th").all_inner_texts()
    assert "First order, days ago" in heads
    assert not {"State", "Last order, days ago", "Country"} & set(heads)


def test_what_cannot_be_asked_is_told_with_what_can(page):
    page.goto("/ui/customers?state=lost")
    text = sees(page.locator("[role=alert]"))
    assert '"lost" is not known' in text
    assert "one-time, active, due, late" in text


def test_a_list_is_downloaded_whole_or_with_some_held_out(page, server):
    cell = max(ask(server, "/analytics/states")["cells"], key=lambda cell: cell["customers"])
    page.goto(f"/ui/customers?segment={cell['segment']}&state={cell['state']}")
    page.locator("#download summary").click()

    def downloaded(button):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        with Path(download.value.path()).open(newline="") as file:
            return download.value.suggested_filename, [row["customer_id"] for row in csv.DictReader(file)]

    name, everyone = downloaded("Download all")
    assert name.endswith("-v1.csv")
    assert cell["state"] in name
    assert len(everyone) == cell["customers"]
    _, treated = downloaded("Download those to write to")
    name, control = downloaded("Download those held out")
    assert "control" in name
    assert control
    assert not set(treated) & set(control)
    assert sorted(treated + control) == sorted(everyone)
    page.locator("#download select[name=form]").first.select_option("klaviyo")
    page.get_by_role("button", name="Download all").click()
    page.locator("#download [role=alert]", has_text="--keep email").wait_for()


def test_a_customers_page_says_why_this_segment_and_what_to_expect(page, server):
    row = listed(server, state="due", sort="-expected_spend", per_page=1)["customers"][0]
    customer = ask(server, f"/analytics/customers/{row['customer_id']}")
    page.goto(f"/ui/customers/{customer['customer_id']}")
    text = sees(page.locator("main"))
    assert f"Customer {customer['customer_id']} " in text
    assert customer["nearest"]["name"] in text
    assert all(move["sentence"] in text for move in customer["moves"])
    told = sees(page.locator(".expected"))
    assert told.startswith(f"Expected in the next 90 days: {words.amount(customer['expected_spend'])} and ")
    assert f"{words.percent(customer['likely_to_buy'])} of such customers buy at all" in told
    ends = [words.amount(customer[end]) for end in ("spend_low", "spend_high")]
    assert f"four in five spend between {ends[0]} and {ends[1]}." in told
    for name in FEATURES:
        assert f"{words.WORDS[name].label} {words.measure(name, customer[name])} " in text
    months = page.locator(".months tbody tr")
    assert months.count() == len(customer["months"]) > 0
    assert sees(months.first).startswith(
        f"{words.month_name(customer['months'][0]['month'])} {customer['months'][0]['orders']} "
    )
    assert all(f"{words.day(own['as_of'])} {own['name']} {own['state']}" in text for own in customer["past"])


def test_an_address_from_before_there_were_pages_still_opens_the_customer(page, server):
    customer = listed(server, per_page=1)["customers"][0]["customer_id"]
    page.goto(f"/ui?customer={customer}#lookup")
    assert sees(page.locator("h1")) == f"Customer {customer}"
    page.goto("/ui/customers/nobody")
    assert "There is no customer 'nobody'" in sees(page.locator("[role=alert]"))


def test_unusual_customers_are_listed_by_oddity_or_money_with_their_story(page, server):
    for sort, label in (("-anomaly_score", "most unusual first"), ("-Monetary", "most money first")):
        page.goto("/ui/unusual")
        page.get_by_role("link", name=label).click()
        page.wait_for_url(f"**sort={sort}")
        expected = listed(server, unusual="true", sort=sort)["customers"]
        rows = page.locator("#unusual-list tbody tr")
        assert rows.locator("th").all_inner_texts() == [row["customer_id"] for row in expected[:25]]
        for place, row in enumerate(expected[:5]):
            assert words.plainly(row["anomaly_reason"]) in sees(rows.nth(place))
            assert (words.plainly(row["returns_note"] or "") or "") in sees(rows.nth(place))
    page.locator("#unusual-list tbody a").first.click()
    page.wait_for_url(f"**/ui/customers/{expected[0]['customer_id']}")


def test_who_moved_is_a_matrix_whose_rows_columns_and_cells_are_lists(page, server):
    movement = ask(server, "/analytics/movement?limit=500")
    page.goto("/ui/movement")
    assert page.locator("main > .sentences li").all_inner_texts() == movement["sentences"]
    assert "30 days" in sees(page.locator(".intro"))
    counts = {(move["from_segment"], move["to_segment"]): move for move in movement["moves"]}
    links = page.locator("#matrix td a")
    seen = 0
    for place in range(links.count()):
        text = sees(links.nth(place))
        count, query = leads_to(page, links.nth(place))
        start = None if query["from_segment"] == "new" else int(query["from_segment"])
        move = counts[start, int(query["segment"])]
        assert count == move["customers"]
        assert f"{words.whole(count)} " in text
        assert text.endswith(f" {words.amount(move['Monetary_after'])}")
        seen += 1
    assert seen == sum(1 for _, end in counts if end is not None)
    row = page.locator("#matrix tbody th a").first
    count, query = leads_to(page, row)
    start = int(query["from_segment"])
    assert count == sum(
        m["customers"] for (own, end), m in counts.items() if own == start and end is not None
    )
    fallen = [customer["customer_id"] for customer in movement["customers"]]
    assert page.locator("#fallen tbody th").all_inner_texts() == fallen[:20]


def test_any_two_versions_are_compared_and_their_cells_are_lists(page, server):
    answer = ask(server, "/analytics/movement/between?from=2&to=1")
    page.goto("/ui/movement")
    page.locator("[name=from]").select_option("2")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**from=2&to=1")
    assert f"{answer['days']} days" in sees(page.locator(".intro"))
    counts = {(move["from_segment"], move["to_segment"]): move["customers"] for move in answer["moves"]}
    gone = sum(count for (_, end), count in counts.items() if end is None)
    assert page.locator("#gone tbody tr").count() == len(answer["gone"]) == min(gone, MOST_GONE_LISTED)
    assert page.locator("#matrix td a[href='#gone']").count() == sum(end is None for _, end in counts)
    links = page.locator("#matrix td a:not([href='#gone'])")
    for place in range(links.count()):
        count, query = leads_to(page, links.nth(place))
        assert query["since"] == "2"
        start = None if query["from_segment"] == "new" else int(query["from_segment"])
        assert count == counts[start, int(query["segment"])]
    page.goto("/ui/movement?from=2024-01-01&to=1")
    assert "'2024-01-01' is no version and no as-of date that the registry holds" in sees(
        page.locator("[role=alert]")
    )
    assert ask(server, "/analytics/movement/between?from=9")["error"]["code"] == 404


def test_the_past_holds_two_versions_beside_each_other_the_gates_words_and_who_promoted(page, server):
    versions = {own["version"]: own for own in ask(server, "/analytics/versions")["versions"]}
    page.goto("/ui/past?one=1&other=2")
    table = page.locator("#pair table")
    for label, name in (("Customers", "customers"), ("Money spent", "revenue")):
        row = sees(table.locator("tr", has=page.locator("th", has_text=re.compile(f"^{label}$"))))
        numbers = [words.amount(own[name]) for own in (versions[1], versions[2])]
        assert row == " ".join([label, *numbers])
    gate = sees(page.locator("#gate"))
    assert "Version 1, the champion: passed" in gate
    verdict = (versions[2]["gate"] or {}).get("verdict", "the gate has not judged it")
    assert f"Version 2: {verdict}" in gate
    rule = versions[1]["gate"]["rules"][2]
    assert f"{rule['name']} {rule['found']} {rule['expected']} yes" in gate
    assert "segments train" in sees(page.locator("#promotions tbody"))
    assert "by hand" not in sees(page.locator("#promotions tbody tr").first)


def test_a_promotion_by_hand_is_told(page, server, crown):
    crown(2)
    page.goto("/ui")
    assert "Model version 2, promoted by hand" in sees(page.locator(".stamp"))
    assert ask(server, "/analytics/overview")["promoted_by_hand"] in sees(page.locator("main"))
    page.locator(".stamp").get_by_role("link", name="promoted by hand").click()
    assert "by hand: the alias was moved without the gate" in sees(page.locator("#promotions tbody tr").first)


def test_a_forecast_that_does_not_hold_is_not_shown(page, api_app, show):
    snapshot = api_app.extensions["champion"].current()
    failed = {**snapshot.forecast, "holds": False, "reasons": ["It was wrong."], "shop": None}
    nothing = dict.fromkeys(("expected_spend", "expected_low", "expected_high", "value_at_risk"))
    grid = [cell | nothing | {"expectation": ""} for cell in snapshot.evidence["grid"]]
    customers = snapshot.customers | dict.fromkeys(FORECAST_OUTPUTS, [None] * len(snapshot))
    profiles = [profile | nothing for profile in snapshot.profiles]
    table = snapshot.all_customers
    numbers = {
        name: own for name, own in table.numbers.items() if name not in (*FORECAST_OUTPUTS, "value_at_risk")
    }
    untold = replace(
        snapshot,
        forecast=failed,
        evidence={**snapshot.evidence, "grid": grid},
        customers=customers,
        profiles=profiles,
        all_customers=replace(table, numbers=numbers),
        _answers={},
        _results={},
    )
    show(untold)
    answer = api_app.test_client().get("/analytics/forecast")
    assert answer.status_code == 404
    assert answer.json["error"]["message"] == "It is not said what the customers will bring. It was wrong."
    someone = table.rows(np.array([0]), ["customer_id"])[0]["customer_id"]
    for path in ("", "/segments", "/customers", f"/customers/{someone}", "/unusual"):
        page.goto(f"/ui{path}")
        assert page.locator(".expected, .season").count() == 0
        assert page.get_by_text(re.compile("expected|at risk", re.IGNORECASE)).count() == 0, path
    assert page.complaints == []


def test_a_version_from_before_states_shows_all_else(page, show):
    show(twelve())
    page.goto("/ui")
    assert "The states of the customers are not known. Version 7 was trained before" in sees(
        page.locator("main")
    )
    assert "It is not known who moved. None." in sees(page.locator("main"))
    page.goto("/ui/segments")
    said = "The states of the customers are not known. Version 7 was trained before states were kept."
    assert said in sees(page.locator("#states"))
    assert "It is not known how well the segments tell later spend." in sees(page.locator(".trust"))
    assert page.locator("#states .cell, #segments .next, #segments .few").count() == 0
    page.goto("/ui/customers?segment=3")
    assert matches(page) == 3
    assert "state" not in sees(page.locator("main")).lower()
    page.goto("/ui/movement")
    assert "It is not known who moved. None." in sees(page.locator("main"))
    page.goto("/ui/customers/c7")
    assert "This version does not say where its segments lie." in sees(page.locator("main"))
    assert page.complaints == []


def test_a_returner_and_a_few_who_bring_half_are_told(page, show):
    snapshot = twelve(returns_note="returned 990 of 991", anomaly_reason="Monetary is low")
    big = {"customers": 400, "half_by": 2}
    profiles = [snapshot.profiles[0] | big, snapshot.profiles[1] | {"half_by": 2}, *snapshot.profiles[2:]]
    told = {"warnings": ["k = 5 was not tried."], "rejected": "Stability 0.7 is below 0.8."}
    show(replace(snapshot, profiles=profiles, summary=snapshot.summary | told, _answers={}, _results={}))
    page.goto("/ui/segments")
    few = page.locator("#segments .few")
    assert few.count() == 1  # of three customers, two bring half as a matter of course
    assert "Half of this money comes from 2 customers." in sees(few)
    page.goto("/ui/unusual")
    assert "Returned 990 of 991. Money spent is low" in sees(page.locator("#unusual-list .why").first)
    page.locator("#unusual-list tbody a").first.click()
    assert "Unusual. Returned 990 of 991. Money spent is low." in sees(page.locator(".unusual"))
    page.goto("/ui")
    main = sees(page.locator("main"))
    assert "k = 5 was not tried." in main
    assert "Rejected. Stability 0.7 is below 0.8." in main


def test_made_up_customer_is_scored_as_the_api_does(page, server):
    given = {"Recency": 3, "Frequency": 40, "Monetary": 90_000, "Tenure": 360}
    page.goto("/ui/developers")
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
    assert f"Expected in the next 90 days: {words.amount(scored['expected_spend'])}" in sees(result)


def test_form_starts_with_a_customer_that_can_be_scored(page):
    page.goto("/ui/developers")
    page.click("#score-form button[type=submit]")
    page.locator("#score-result table").wait_for()
    assert page.locator("#score-form .error:not(:empty)").count() == 0


def test_bad_value_is_told_at_its_field(page):
    page.goto("/ui/developers")
    for name, typed, says in [
        ("Recency", "9999", "Given 9999, expected at most days since first order."),
        ("Frequency", "0", "Given 0, expected at least 1"),
        ("Monetary", "much", 'Given "much", expected a number.'),
        ("Tenure", "", "Fill this in."),
        ("AverageOrderValue", "-1", "Given -1, expected at least 0."),
    ]:
        page.click("#score-form button[type=reset]")
        page.fill(f"#score-{name}", typed)
        page.click("#score-form button[type=submit]")
        page.locator(f"#error-{name}:not(:empty)").wait_for()
        assert says in sees(page.locator(f"#error-{name}"))
        assert page.get_attribute(f"#score-{name}", "aria-invalid") == "true"
        assert page.locator("[aria-invalid]").count() == 1
        assert page.evaluate("document.activeElement.name") == name
        assert "traceback" not in sees(page.locator("#score")).lower()


def test_each_endpoint_can_be_tried(page):
    page.goto("/ui/developers")
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


def test_a_promotion_is_told_and_versions_are_not_mixed(new_page, crown):
    page = new_page()
    page.clock.install()
    page.goto("/ui/developers")
    assert sees(page.locator("#notice")) == ""
    crown(2)
    page.clock.fast_forward(POLL)
    page.locator("#notice", has_text="Version 2 is live now: reload").wait_for()
    page.click("#score-form button[type=submit]")
    page.locator("#score-result .error", has_text="Version 2 is live now").wait_for()
    page.locator("#notice").get_by_role("button", name="Reload").click()
    page.locator(".stamp", has_text="Model version 2").wait_for()


def test_a_champion_that_may_not_be_the_newest_is_told(page, api_app, monkeypatch):
    monkeypatch.setattr(type(api_app.extensions["champion"]), "stale", "Version 9 could not be loaded.")
    page.goto("/ui")
    assert sees(page.locator("#notice")) == "Version 9 could not be loaded."


def test_phone_does_not_scroll_sideways(new_page, server):
    customer = listed(server, unusual="true", per_page=1)["customers"][0]["customer_id"]
    page = new_page(**PHONE)
    for path in (*PAGES, f"/customers/{customer}", "/movement?from=2&to=1", "/customers?q=nobody"):
        page.goto(f"/ui{path}")
        page.evaluate("document.querySelectorAll('main details').forEach((part) => { part.open = true; })")
        width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width == [390, 390], path
        here = page.locator("header [aria-current]").bounding_box()
        assert 0 <= here["x"] <= 390 - here["width"]


def test_a_customer_is_found_with_the_keyboard_alone(page, server):
    customer = listed(server, per_page=1)["customers"][0]["customer_id"]
    page.goto("/ui/customers")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.locator("#q").evaluate("field => getComputedStyle(field).outlineStyle") == "solid"
    page.keyboard.type(customer)
    page.keyboard.press("Enter")
    page.wait_for_url("**q=*")
    page.locator("table.list tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/customers/{customer}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(new_page, server, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    customer = listed(server, unusual="true", per_page=1)["customers"][0]["customer_id"]
    page = new_page(color_scheme=scheme, viewport=LAPTOP)
    for path in (
        *PAGES,
        f"/customers/{customer}",
        "/movement?from=2&to=1",
        "/customers?q=nobody",
        "/customers?sort=x",
    ):
        page.goto(f"/ui{path}")
        page.evaluate("document.querySelectorAll('main details').forEach((part) => { part.open = true; })")
        found = axe.run(page).response["violations"]
        assert [(own["id"], own["nodes"][0]["html"]) for own in found] == [], path


def test_on_paper_there_are_no_controls_and_all_advice(page):
    page.goto("/ui/segments")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#states .advice").is_visible()
    for control in ("header nav", ".choose", ".buttons >> nth=0"):
        assert page.locator(control).is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#states .advice").is_hidden()


def test_with_reduced_motion_nothing_moves(new_page):
    page = new_page(reduced_motion="reduce")
    page.goto("/ui")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    moving = page.evaluate("document.getAnimations().length")
    assert moving == 0


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


def twelve(**columns):
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
    ).assign(**columns)
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


def test_texts_of_the_data_are_shown_and_never_run(page, show):
    show(hostile())
    page.goto("/ui/unusual")
    assert page.locator("#unusual-list tbody th").all_inner_texts() == HOSTILE[::2]
    page.goto("/ui/segments")
    draw_map(page)
    assert HOSTILE[0] in page.locator("#segments h2").all_inner_texts()
    assert HOSTILE[0] in re.sub(r"\s+", "", page.locator("#chart-map .legend").text_content())
    page.goto("/ui/movement")
    assert page.locator("main > .sentences li").all_inner_texts() == [HOSTILE[4]]
    assert page.locator("#fallen tbody th").all_inner_texts() == [HOSTILE[2]]
    for customer in HOSTILE:
        page.goto("/ui/customers")
        page.locator("table.list tbody a", has_text=re.compile(f"^{re.escape(customer)}$")).click()
        page.locator("h1", has_text=f"Customer {customer}").wait_for()
        assert HOSTILE[0] in page.locator(".lead").inner_text()
    for path in ("", "/segments", "/customers", "/developers"):
        page.goto(f"/ui{path}")
        assert page.locator("main img, main script, main b:text-is('bold')").count() == 0
    assert page.complaints == []


def test_pages_work_without_javascript(new_page, server):
    page = new_page(java_script_enabled=False)
    page.goto("/ui")
    assert page.locator(".acts .card").count() == 3
    page.goto("/ui/customers")
    page.locator("#filter [name=state][value=late]").check()
    page.get_by_role("button", name="Show").click()
    assert matches(page) == listed(server, state="late")["matches"]
    page.locator("table.list thead").get_by_role("link", name="Orders").click()
    assert page.locator("[aria-sort=descending]").inner_text().startswith("Orders")
    page.goto("/ui/developers")
    assert "JavaScript is off" in page.locator("noscript").inner_text()
    assert page.locator("#score-form").is_hidden()


def test_pages_work_with_a_token(new_page, api_store, api_of):
    with api_of(api_store, token="sesame") as app, listening(app) as address:
        page = new_page(base_url=address, http_credentials={"username": "anyone", "password": "sesame"})
        page.goto("/ui/segments")
        draw_map(page)
        page.goto("/ui/developers")
        page.click("#score-form button[type=submit]")
        page.locator("#score-result table").wait_for()
        assert page.complaints == []


def test_a_first_open_while_the_champion_loads_says_so_and_comes_back_by_itself(
    new_page, api_store, api_of, monkeypatch
):
    from serving import champion

    ready = threading.Event()
    load = champion.load
    monkeypatch.setattr(champion, "load", lambda *given: ready.wait(60) and load(*given))
    monkeypatch.setattr(champion, "FIRST_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(champion.Follower.current, "__defaults__", (0.1,))
    with api_of(api_store) as app, listening(app) as address:
        page = new_page(base_url=address)
        page.goto("/ui/customers")
        assert "The model is being loaded." in sees(page.locator("main"))
        ready.set()
        page.locator("[data-is=matches]").wait_for()


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
