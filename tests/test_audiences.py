"""Lists as files: what each tool's import takes, who is held out, who joined and left, and the names of the files."""

import csv
import hashlib
import io

import numpy as np
import pandas as pd
import pytest

from contract.lists.audiences import HoldOut, changed, part_of, version_before
from contract.lists.contacts import cleaned, contact_columns
from contract.lists.countries import country_code
from contract.lists.customers import customer_table
from contract.lists.file_names import file_name
from contract.lists.files import FORMS, lines_of, reachable
from contract.lists.hold_out import held_out, share_of
from contract.lists.problems import ListError, NotInVersion
from contract.lists.selections import select
from serving.pages.customers import usual

PROFILES = [{"segment": 0, "name": "Low-value"}, {"segment": 1, "name": "High-value active"}]
SUMMARY = {"as_of": "2011-12-10T12:50:00"}
KEPT = {
    "Billing Email": ["Ada.Byron@Gmail.com ", "no address", "=1+1@x.org", "zoe@example.com"],
    "Phone": ["+49 (0)170 123-4567", "0049 30 1234567", "030 123456", None],
    "First Name": ["Ada", "Bo", "Eve", " Zoë "],
    "Last name": ["Byron-King", "Li", "X", "=HYPERLINK()"],
    "PLZ": ["10115", "0150", "1", "WC2H 8LG"],
    "country": ["Germany", "Norway", "Nowhere", "United Kingdom"],
}


def table_of(ids=("a", "b", "c", "d"), version=3, **columns):
    """Customers who can be reached in several ways."""
    count = len(ids)
    frame = pd.DataFrame(
        {
            "customer_id": ids,
            "Recency": 10.0,
            "Frequency": 3.0,
            "Monetary": [1234.5678 - place for place in range(count)],
            "AverageOrderValue": 411.5,
            "Tenure": 100.0,
            "segment": [place % 2 for place in range(count)],
            "segment_name": [
                "Low-value" if place % 2 == 0 else "High-value active" for place in range(count)
            ],
            "state": "late",
            "is_anomaly": False,
            "anomaly_score": 0.123456,
        }
        | (KEPT if count == 4 else {})
        | columns
    )
    return customer_table(version, frame, PROFILES, SUMMARY)


def rows_of(form, table=None, **asked):
    """The rows of a file in a form, as a spreadsheet reads them."""
    chosen = reachable(select(table or table_of(), asked.pop("pairs", [])), form)
    text = "".join(lines_of(chosen.table, chosen.indices, form, **asked))
    return list(csv.DictReader(io.StringIO(text)))


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_nobody_was_in_a_segment_that_came_later():
    then = table_of(version=2)
    assert select(then, [("segment", "5")], later={0, 1, 5}).ids == []
    assert len(select(then, [("segment", "0"), ("segment", "5")], later={0, 1, 5})) == 2
    with pytest.raises(ListError, match=r"is not known\. Expected one of: 0, 1, 5\."):
        select(then, [("segment", "6")], later={0, 1, 5})


def test_a_column_that_was_kept_under_a_second_name_is_shown_once():
    land = ["Norway", "Spain", None, None]
    shown = usual(table_of(country=land, Country=land, city=["Oslo", None, None, None]))
    assert [name for name in shown if name in ("country", "Country", "city")] == ["country", "city"]


def test_a_plain_file_has_the_columns_that_were_asked_for_rounded_and_stamped():
    first, *_ = rows_of("plain", fields=["customer_id", "Monetary", "anomaly_score", "Recency", "Last name"])
    assert first == {
        "customer_id": "a",
        "Monetary": "1234.57",
        "anomaly_score": "0.1235",
        "Recency": "10",
        "Last name": "Byron-King",
        "model_version": "3",
        "as_of": "2011-12-10T12:50:00",
    }
    assert len(rows_of("plain")) == 4


def test_no_cell_of_any_file_is_a_formula():
    for form in FORMS:
        for row in rows_of(form):
            for cell in row.values():
                assert not cell.startswith(("=", "-", "@")), (form, row)
                assert not cell.startswith("+") or cell[1:].isdecimal()


def test_mailchimp_gets_addresses_tags_and_properties():
    rows = rows_of("mailchimp")
    assert [row["Email Address"] for row in rows] == ["Ada.Byron@Gmail.com", "zoe@example.com"]
    assert list(rows[0])[:6] == [
        "Email Address",
        "First Name",
        "Last Name",
        "Phone Number",
        "Customer ID",
        "Tags",
    ]
    assert rows[0]["Tags"] == "Low-value, late"
    assert rows[0]["Money spent"] == "1234.57"
    assert rows[1]["Last Name"] == "'=HYPERLINK()"


def test_klaviyo_gets_who_has_an_address_or_an_international_number():
    rows = rows_of("klaviyo", fields=["state", "Monetary"])
    assert list(rows[0]) == [
        *("Email", "Phone Number", "First Name", "Last Name", "Country", "Zip Code", "External ID"),
        *("Customer State", "Money spent"),
    ]
    assert [(row["Email"], row["Phone Number"]) for row in rows] == [
        ("Ada.Byron@Gmail.com", "+491701234567"),
        ("", "+49301234567"),
        ("zoe@example.com", ""),
    ]


def test_google_gets_hashes_as_it_demands():
    first, second, third = rows_of("google")
    assert list(first) == ["Email", "Phone", "First Name", "Last Name", "Country", "Zip"]
    assert first == {
        "Email": sha256("ada.byron@gmail.com"),
        "Phone": sha256("+491701234567"),
        "First Name": sha256("ada"),
        "Last Name": sha256("byron-king"),
        "Country": "DE",
        "Zip": "10115",
    }
    assert (second["Email"], second["Country"]) == ("", "NO")
    assert (third["Phone"], third["Country"]) == ("", "GB")
    assert third["First Name"] == sha256("zoë")


def test_google_gets_a_postal_address_only_whole():
    without = {name: KEPT[name] for name in ("Billing Email", "First Name", "country")}
    frame = table_of(**dict.fromkeys(("Phone", "Last name", "PLZ")) | without)
    assert list(rows_of("google", frame)[0]) == list(rows_of("google")[0])  # an empty column is a column
    bare = table_of(ids=("a", "b"), email=["a@x.org", "b@x.org"], **{"First Name": ["A", "B"]})
    assert rows_of("google", bare) == [{"Email": sha256("a@x.org")}, {"Email": sha256("b@x.org")}]


def test_meta_gets_hashes_as_it_demands():
    first, _, third = rows_of("meta")
    assert first == {
        "email": sha256("ada.byron@gmail.com"),
        "phone": sha256("491701234567"),
        "fn": sha256("ada"),
        "ln": sha256("byronking"),
        "zip": sha256("10115"),
        "country": sha256("de"),
    }
    assert third["phone"] == ""
    assert third["zip"] == sha256("wc2h8lg")


@pytest.mark.parametrize("form", [form for form in FORMS if form != "plain"])
def test_what_is_missing_for_a_form_is_said_with_the_option_that_keeps_it(form):
    with pytest.raises(NotInVersion, match="--keep email") as problem:
        rows_of(form, table_of(ids=("1", "2"), country=["Norway", "Spain"]))
    assert "Version 3 keeps no e-mail address" in str(problem.value)
    assert "Kept columns: country." in str(problem.value)


def test_ids_that_are_addresses_are_addresses():
    table = table_of(ids=("ada@x.org", "bo@x.org", "17850"))
    assert contact_columns(table) == {"email": "customer_id"}
    assert [row["Email"] for row in rows_of("klaviyo", table)] == ["ada@x.org", "bo@x.org"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("email", " A.b+c@Example.co.uk ", "A.b+c@Example.co.uk"),
        ("email", "a@b", ""),
        ("email", "a b@c.de", ""),
        ("email", "+1@c.de", ""),
        ("email", None, ""),
        ("phone", "+1 (212) 555-0100", "+12125550100"),
        ("phone", "0044 20 7946 0000", "+442079460000"),
        ("phone", "020 7946 0000", ""),
        ("phone", "+0123456789", ""),
        ("zip", " 0150 ", "0150"),
    ],
)
def test_contacts_are_cleaned_and_what_is_none_is_empty(kind, text, expected):
    assert cleaned(kind, text) == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [("EIRE", "IE"), ("gb", "GB"), ("USA", "US"), ("Österreich", "AT"), ("Atlantis", ""), (None, "")],
)
def test_countries_get_their_two_letters(name, code):
    assert country_code(name) == code


IDS = [f"customer {number}" for number in range(20_000)]


def test_a_hold_out_depends_on_the_id_alone():
    control = held_out(IDS, 0.1, 0)
    assert control.mean() == pytest.approx(0.1, abs=0.01)
    assert held_out(IDS[::-1], 0.1, 0)[::-1].tolist() == control.tolist()
    assert held_out(IDS[:50], 0.1, 0).tolist() == control[:50].tolist()
    assert (held_out(IDS, 0.3, 0) >= control).all()
    assert 0.05 < held_out(IDS, 0.1, 1)[control].mean() < 0.15
    # The same in each release: who was held out stays held out.
    assert [own for own in IDS[:60] if held_out([own], 0.1, 0)[0]] == HELD_OUT_OF_THE_FIRST_60


HELD_OUT_OF_THE_FIRST_60 = [f"customer {number}" for number in (8, 21, 33, 41, 43, 45, 57)]


@pytest.mark.parametrize("text", ["10%", "0.1", " 10 % "])
def test_a_share_is_taken_as_people_write_it(text):
    assert share_of(text) == pytest.approx(0.1)


@pytest.mark.parametrize("text", ["", "0", "0%", "91%", "1", "10", "-5%", "nan", "ten", "1e-3", "٣%"])
def test_a_share_that_leaves_nobody_is_refused(text):
    with pytest.raises(ListError, match="Expected a share above 0% up to 90%"):
        share_of(text)


def test_treated_and_control_are_the_list_and_nobody_is_in_both():
    chosen = select(table_of(ids=tuple(IDS[:500])), [])
    treated, control = (part_of(chosen, HoldOut(0.2, 5), part) for part in ("treated", "control"))
    assert sorted(treated.ids + control.ids) == sorted(chosen.ids)
    assert not set(treated.ids) & set(control.ids)
    assert 60 < len(control) < 140


def test_who_joined_and_left_a_list():
    now = select(table_of(ids=("a", "b", "new")), [("sort", "customer_id")])
    then = select(table_of(ids=("a", "gone", "b"), version=2), [("sort", "customer_id")])
    assert changed(now, then, "joined").ids == ["new"]
    left = changed(now, then, "left")
    assert (left.ids, left.table.version) == (["gone"], 2)


VERSIONS = [(1, "2024-01-01T10:00:00"), (2, "2024-02-01T10:00:00"), (3, "2024-03-01T10:00:00")]


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("2024-02-01", 2), ("2024-02-29", 2), ("2030-01-01", 2)]
)
def test_since_is_a_version_or_the_last_one_before_a_day(text, number):
    assert version_before(text, VERSIONS, 3) == number


@pytest.mark.parametrize(
    ("text", "says"),
    [("9", "1 (2024-01-01), 2 (2024-02-01)"), ("2023-01-01", "no such version"), ("May", "YYYY-MM-DD")],
)
def test_since_something_unknown_is_told_the_versions(text, says):
    with pytest.raises(ListError) as problem:
        version_before(text, VERSIONS, 3)
    assert says in str(problem.value)


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([], "customers-2011-12-10-v3.csv"),
        ([("segment", "1"), ("state", "late")], "late-high-value-active-2011-12-10-v3.csv"),
        (
            [("kept.country", "Germany"), ("min_monetary", "500")],
            "germany-monetary-from-500-2011-12-10-v3.csv",
        ),
        ([("unusual", "true"), ("q", "Zoë/../x")], "unusual-zoe-..-x-2011-12-10-v3.csv"),
    ],
)
def test_the_name_of_a_file_says_who_is_in_it(pairs, name):
    assert file_name(select(table_of(), pairs)) == name


def read(text):
    return pd.read_csv(io.StringIO(text), dtype={"customer_id": str})


def test_the_api_gives_a_list_as_a_file(client):
    page = client.get("/analytics/customers?state=late&per_page=500").json
    answer = client.get("/analytics/audience?state=late")
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert f"late-{page['as_of'][:10]}-v1.csv" in answer.headers["Content-Disposition"]
    rows = read(answer.text)
    assert rows.customer_id.tolist() == [row["customer_id"] for row in page["customers"]]
    assert rows.Monetary.tolist() == pytest.approx([row["Monetary"] for row in page["customers"]], abs=0.005)


def test_the_api_holds_the_same_customers_out_each_time(client):
    address = "/analytics/audience?fields=customer_id,segment&holdout=20%25"
    treated, control = (read(client.get(address + part).text) for part in ("", "&holdout_part=control"))
    whole = read(client.get("/analytics/audience?fields=customer_id").text)
    assert sorted([*treated.customer_id, *control.customer_id]) == sorted(whole.customer_id)
    assert 0.15 < len(control) / len(whole) < 0.25
    late = read(client.get(address + "&holdout_part=control&state=late&sort=customer_id").text)
    assert set(late.customer_id) <= set(control.customer_id)


def test_the_api_says_who_joined_and_left_since_a_version(client):
    lists = [
        read(client.get(f"/analytics/audience?segment=0&since=2&change={change}").text)
        for change in ("joined", "left")
    ]
    own = set(read(client.get("/analytics/audience?segment=0").text).customer_id)
    joined, left = (set(rows.customer_id) for rows in lists)
    assert joined <= own
    assert not left & own
    assert set(lists[1].model_version) <= {2}
    assert joined or left  # the two versions count returns differently


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("form=klaviyo", 409, "--keep email"),
        ("form=word", 400, "Expected one of: plain, mailchimp, klaviyo, google, meta"),
        ("holdout=0", 400, "Expected a share"),
        ("holdout_part=control", 400, "without holdout"),
        ("holdout=10%25&seed=-1", 400, "Expected one, such as 1."),
        ("holdout=10%25&seed=" + "0" * 5_000, 400, "Expected one, such as 1."),
        ("holdout=10%25&holdout_part=x", 400, "Expected one of: treated, control"),
        ("since=77", 400, "Registered beside 1: 2"),
        ("since=2&change=x", 400, "Expected one of: joined, left"),
        ("change=left", 400, "without since"),
        ("page=2", 400, 'Filter "page" is not known'),
        ("form=plain&form=meta", 400, "more than once"),
    ],
)
def test_the_api_refuses_in_words(client, query, code, says):
    response = client.get(f"/analytics/audience?{query}")
    assert response.status_code == code
    assert says in response.json["error"]["message"]


def test_the_command_writes_what_the_api_gives(api_store, client, tmp_path):
    path = tmp_path / "late.csv"
    done = api_store.run(
        "audience", "--where", "state=late", "--where", "segment=0", "--model", "1", "-o", path
    )
    assert path.read_bytes() == client.get("/analytics/audience?state=late&segment=0").get_data()
    assert f"written to {path}." in done.stdout


def test_the_command_leaves_a_control_group_out_and_says_who_is_where(api_store, client, tmp_path):
    path = tmp_path / "list.csv"
    done = api_store.run(
        "audience", "--holdout", "10%", "--fields", "customer_id", "--model", "1", "-o", path
    )
    treated, control = (
        pd.read_csv(tmp_path / f"list-{part}.csv", dtype=str) for part in ("treated", "control")
    )
    assert pd.read_csv(path, dtype=str).customer_id.tolist() == treated.customer_id.tolist()
    held = read(client.get("/analytics/audience?holdout=10%25&holdout_part=control").text)
    assert control.customer_id.tolist() == held.customer_id.tolist()
    assert set(control.group) == {"control"}
    assert list(control)[:4] == ["customer_id", "segment", "segment_name", "state"]
    assert f"{len(control)} customers held out" in done.stdout
    assert "segments lift" in done.stdout


def test_the_command_says_who_joined_and_left(api_store, tmp_path):
    path = tmp_path / "list.csv"
    words = ("audience", "--where", "segment=0", "--model", "1", "--since", "2", "-o", path)
    lines = api_store.run(*words).stdout.splitlines()
    assert [line.split(" the list since version 2: ")[1] for line in lines] == [
        str(tmp_path / f"list-{change}-since-v2.csv") for change in ("joined", "left")
    ]
    counts = [len(pd.read_csv(tmp_path / f"list-{change}-since-v2.csv")) for change in ("joined", "left")]
    assert [int(line.split()[0].replace(",", "")) for line in lines] == counts
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--where", "late"], "Expected NAME=VALUE"),
        (["--where", "state=Late"], "Expected one of: one-time"),
        (["--for", "google"], "--keep email"),
        (["--holdout", "0"], "Expected a share"),
        (["--since", "2020-01-01"], "no such version"),
        (["--model", "77"], "No model version '77'"),
    ],
)
def test_the_command_refuses_in_words(api_store, tmp_path, words, says):
    path = tmp_path / "list.csv"
    done = api_store.run("audience", *words, "-o", path, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_the_file_itself(api_store):
    done = api_store.run("audience", "--where", "unusual=true", "--model", "1")
    (path,) = api_store.folder.glob("unusual-*-v1.csv")
    assert path.name in done.stdout
    path.unlink()


def test_numbers_stay_what_they_are(client):
    rows = read(client.get("/analytics/audience?fields=customer_id,Monetary,Recency").text)
    assert rows.Recency.dtype == np.int64
    assert (rows.Monetary == rows.Monetary.round(2)).all()
