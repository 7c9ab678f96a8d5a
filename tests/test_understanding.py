"""What was understood is said by every command that reads a shop, kept with the model, and used again."""

import io
import json
import re

import numpy as np
import openpyxl
import pandas as pd
import pytest

from training.errors import InputError
from training.score import read_as_before
from training.shop import Reading, count_customers


def shop(folder, text, name="shop.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return [str(path)]


def money(sources, **options):
    customers = count_customers(sources, Reading(**options)).customers
    return dict(zip(customers.customer_id, customers.Monetary, strict=True))


def refusal(sources, **options):
    with pytest.raises(InputError) as caught:
        count_customers(sources, Reading(**options))
    return str(caught.value)


PLAIN = "customer_id,order_id,order_date,amount\nA1,1,2024-01-05,10.00\nB2,2,2024-02-05,20.00\n"


def test_all_missing_columns_are_asked_for_in_one_command(tmp_path):
    text = "store_id,who,day,paid\n1,k7,2024-01-05,10.50\n1,k8,2024-02-05,20.25\n1,k7,2024-02-07,5.75\n"
    message = refusal(shop(tmp_path, text))
    assert message.startswith("No column for customer and date and amount in ")
    assert message.endswith("Map them with --column customer=who --column date=day --column amount=paid.")
    options = dict(part.split("=") for part in message.rstrip(".").split("--column ")[1:])
    assert money(shop(tmp_path, text), columns={role: name.strip() for role, name in options.items()}) == {
        "k7": 16.25,
        "k8": 20.25,
    }


@pytest.mark.parametrize(
    "above", ["sep=,\n", "Sales report\n\n", "Report of the shop\nFrom 2024-01-01 to 2024-12-31\n\n"]
)
def test_lines_above_the_header_are_passed_over(tmp_path, above):
    assert money(shop(tmp_path, above + PLAIN)) == {"A1": 10, "B2": 20}


def test_columns_that_blanks_part(tmp_path):
    assert money(shop(tmp_path, PLAIN.replace(",", "   "), "shop.txt")) == {"A1": 10, "B2": 20}


def test_a_file_without_a_header_has_numbered_columns(tmp_path):
    text = PLAIN.split("\n", 1)[1]
    columns = {"customer": "1", "invoice": "2", "date": "3", "amount": "4"}
    assert money(shop(tmp_path, text), header=False, columns=columns) == {"A1": 10, "B2": 20}


def test_letters_of_an_old_macintosh(tmp_path):
    text = PLAIN.replace("A1", "Zoë-Ä1").replace("customer_id", "Käufer")
    assert set(money(shop(tmp_path, text, encoding="mac_roman"))) == {"Zoë-Ä1", "B2"}


def test_digits_that_a_spreadsheet_lost_are_refused(tmp_path):
    message = refusal(shop(tmp_path, PLAIN.replace("A1", "5.12345E+12")))
    assert "1 line with a number like 5.12345E+12 in customer_id" in message
    assert money(shop(tmp_path, PLAIN.replace("A1", '="0012"').replace("B2", "'0013"))) == {
        "0012": 10,
        "0013": 20,
    }


def test_an_unknown_status_is_asked_about_and_then_known(tmp_path):
    lines = [line + end for line, end in zip(PLAIN.split(), (",status", ",paid", ",stage 7"), strict=True)]
    sources = shop(tmp_path, "\n".join(lines))
    assert "status is: stage 7 (1 line)" in refusal(sources)
    assert money(sources, status_counts=("stage 7",)) == {"A1": 10, "B2": 20}
    assert money(sources, status_counts=("paid",)) == {"A1": 10}
    assert money(sources, columns={"status": "none"}) == {"A1": 10, "B2": 20}


def test_a_status_under_another_name_is_not_passed_over(tmp_path):
    lines = [line + end for line, end in zip(PLAIN.split(), (",remark", ",paid", ",cancelled"), strict=True)]
    sources = shop(tmp_path, "\n".join(lines))
    assert "remark looks like a status" in refusal(sources)
    assert money(sources, columns={"status": "remark"}) == {"A1": 10}


def test_a_price_of_the_line_is_asked_about(tmp_path):
    head = "customer_id,order_id,order_date,product,quantity,unit_price\n"
    lines = [f"A{n % 3},{n},2024-01-{n + 1:02},Mug,{1 + n % 4},{5 * (1 + n % 4)}.00\n" for n in range(20)]
    sources = shop(tmp_path, head + "".join(lines))
    assert "--column amount=unit_price" in refusal(sources)
    whole = money(sources, columns={"amount": "unit_price"})
    assert sum(whole.values()) == sum(5 * (1 + n % 4) for n in range(20))


def test_names_are_asked_about(tmp_path):
    text = PLAIN.replace("customer_id", "Customer").replace("A1", "Anna Berg").replace("B2", "Bert Cole")
    assert 'Customer holds names, such as "Anna Berg"' in refusal(shop(tmp_path, text))
    assert money(shop(tmp_path, text), columns={"customer": "Customer"}) == {"Anna Berg": 10, "Bert Cole": 20}


def test_columns_to_keep_have_a_customer_s_latest_value(tmp_path):
    lines = [
        "customer_id,order_id,order_date,amount,city",
        "A1,1,2024-01-05,10.00,Rome",
        "A1,2,2024-02-05,1.00,Oslo",
    ]
    customers = count_customers(shop(tmp_path, "\n".join(lines)), Reading(keep=("city",))).customers
    assert list(customers.city) == ["Oslo"]
    assert "--keep names town" in refusal(shop(tmp_path, PLAIN), keep=("town",))


def test_a_model_s_mapping_is_used_again_where_the_columns_are(tmp_path):
    text = PLAIN.replace("customer_id", "who").replace("amount", "paid")
    trained = count_customers(shop(tmp_path, text), Reading(columns={"customer": "who", "amount": "paid"}))
    before = json.loads(json.dumps(trained.understanding.mapping))
    again = read_as_before(Reading(), before)
    assert money(shop(tmp_path, text), **{"before": again.before}) == {"A1": 10, "B2": 20}
    assert money(shop(tmp_path, PLAIN), **{"before": again.before}) == {"A1": 10, "B2": 20}


def test_another_currency_than_the_model_s_is_refused(tmp_path):
    dollars = shop(tmp_path, PLAIN.replace("10.00", "$10.00").replace("20.00", "$20.00"))
    before = count_customers(dollars, Reading()).understanding.mapping
    euros = shop(tmp_path, PLAIN.replace("10.00", "€10.00").replace("20.00", "€20.00"), "euro.csv")
    message = refusal(euros, before=read_as_before(Reading(), before).before)
    assert message.startswith("Money is in EUR, but the model was trained on $.")


def test_plain_files_are_understood_too(tmp_path):
    rows = dict(count_customers(shop(tmp_path, PLAIN), Reading()).understanding.rows())
    assert rows["columns"] == "customer = customer_id, date = order_date"
    assert rows["money"] == "amount, the line's"
    assert rows["order"] == "order_id"


def test_without_an_order_number_a_day_is_an_order_and_that_is_said(tmp_path):
    text = "customer_id,order_date,amount\nA1,2024-01-05,10.00\nA1,2024-01-05,12.00\n"
    found = count_customers(shop(tmp_path, text), Reading())
    assert found.customers.Frequency.tolist() == [1]
    assert "no order number was found" in dict(found.understanding.rows())["order"]


def test_few_dates_far_away_are_set_aside_unless_they_are_kept(tmp_path):
    sources = shop(tmp_path, PLAIN + "C3,3,2024-03-05,5.00\nD4,4,2042-03-05,6.00\n")
    assert set(money(sources)) == {"A1", "B2", "C3"}
    assert set(money(sources, far_dates="keep")) == {"A1", "B2", "C3", "D4"}
    half = shop(tmp_path, PLAIN + "C3,3,2042-03-05,5.00\nD4,4,2042-03-05,6.00\n")
    assert "--far-dates keep" in refusal(half)


def test_guests_stand_for_nobody_and_their_addresses_for_themselves(tmp_path):
    head = "customer_id,email,order_id,order_date,amount\n"
    lines = ["7001,anna@example.com,1,2024-01-05,10.00", "guest,bert@example.com,2,2024-01-06,20.00",
             "guest,ANNA@example.com,3,2024-01-07,5.00", "guest,,4,2024-01-08,6.00"]  # fmt: skip
    found = count_customers(shop(tmp_path, head + "\n".join(lines)), Reading())
    assert dict(zip(found.customers.customer_id, found.customers.Monetary, strict=True)) == {
        "7001": 15,
        "bert@example.com": 20,
    }
    assert found.funnel.placeholders == 1


def test_two_layouts_that_fit_are_asked_about(tmp_path, monkeypatch):
    from training.reading import plan
    from training.reading.layouts import MAGENTO, STRIPE_PAYMENTS

    monkeypatch.setattr(plan, "match", lambda _: [MAGENTO, STRIPE_PAYMENTS])
    assert '--layout "Magento 2 orders grid export" or --layout' in refusal(shop(tmp_path, PLAIN))


DATED = "customer_id,order_id,order_date,amount\nA1,1,{},10.00\nB2,2,{},20.00\n"


@pytest.mark.parametrize(
    ("first", "second", "days"),
    [
        ("Thu Nov 26 17:51:52 2026", "Sat Nov 28 17:51:52 CET 2026", 3),
        ("Thu Nov  5 17:51:52 2026", "Sat Nov 07 17:51:52 +0000 2026", 3),
        ("1704450153.25", "1704622953.75", 3),
        ("1704450153000.25", "1704622953000.5", 3),
        ("310199", "020299", 3),
        ("991231", "000102", 3),
    ],
)
def test_more_forms_of_dates(tmp_path, first, second, days):
    found = count_customers(shop(tmp_path, DATED.format(first, second)), Reading()).customers
    assert found.Recency.tolist() == [days, 1]


def test_six_digits_that_fit_several_orders_are_asked_about(tmp_path):
    text = DATED.format("240131", "240202")
    assert "--date-order year-first or --date-order day-first" in refusal(shop(tmp_path, text))
    days = count_customers(shop(tmp_path, text), Reading(date_order="year-first")).customers.Recency
    assert days.tolist() == [3, 1]
    assert "dropped a leading zero" in refusal(shop(tmp_path, DATED.format("310124", "50224")))


ITEMS = """Order,Customer email,Order date,Item,Qty,Unit price
1,anna@example.com,2024-01-05,Cup,1,10.50
,,,Pot,2,5.25
,,,Lid,1,1.25
2,bert@example.com,2024-02-05,Cup,1,10.50
,,,Pot,4,5.25
,,,Lid,1,1.25
3,,2024-02-15,Cup,1,10.50
,,,Pot,1,5.25
"""  # the third order is a guest's
ABOVE = {"anna@example.com": 22.25, "bert@example.com": 32.75}
ALONE = {"anna@example.com": 10.5, "bert@example.com": 10.5}


def with_semicolons(folder, text):
    return shop(folder, re.sub(r"(\d)[.](\d)", r"\1,\2", text.replace(",", ";")))


def without_orders(folder, text):
    return shop(folder, re.sub("(?m)^[^,]*,", "", text))


def as_workbook(folder, text):
    book = openpyxl.Workbook()
    for line in text.splitlines():
        book.active.append([cell or None for cell in line.split(",")])
    book.save(folder / "shop.xlsx")
    return [str(folder / "shop.xlsx")]


def as_parquet(folder, text):
    pd.read_csv(io.StringIO(text), parse_dates=["Order date"]).to_parquet(folder / "shop.parquet")
    return [str(folder / "shop.parquet")]


@pytest.mark.parametrize("write", [shop, with_semicolons, without_orders, as_workbook, as_parquet])
def test_lines_without_an_order_are_asked_about_and_then_known(tmp_path, write):
    sources = write(tmp_path, ITEMS)
    message = refusal(sources)
    assert message.startswith("5 lines of 8 (63%) with money, but without ")
    assert "--blank-lines above" in message
    assert "--blank-lines nobody" in message
    assert money(sources, blank_lines="above") == ABOVE
    assert money(sources, blank_lines="nobody") == ALONE


def test_the_block_says_that_lines_are_of_the_order_above(tmp_path):
    understood = count_customers(shop(tmp_path, ITEMS), Reading(blank_lines="above")).understanding
    assert dict(understood.rows())["note"].startswith(
        "5 lines without Order, Customer email and Order date: of the order above"
    )
    assert read_as_before(Reading(), understood.mapping).blank_lines == "above"


def test_equal_lines_of_two_orders_are_no_duplicates(tmp_path):
    text = ITEMS.replace("Pot,4", "Pot,2")
    assert set(money(shop(tmp_path, text), blank_lines="above").values()) == {22.25}


def test_lines_of_another_file_are_not_above(tmp_path):
    head, *lines = ITEMS.splitlines(keepends=True)
    sources = shop(tmp_path, "".join([head, *lines[:4]]), "a.csv")
    sources += shop(tmp_path, "".join([head, *lines[4:]]), "b.csv")
    assert money(sources, blank_lines="above") == ABOVE | {"bert@example.com": 10.5}


@pytest.mark.parametrize(
    "last",
    [
        ",,,,,1000.00\n",
        ",,,Total,1,1000.00\n",
        ",,,,1,1000.00\n",
        "Total,,,,1,1000.00\n,,,Cup,1,900.00\n",
    ],
)
def test_totals_at_the_end_are_not_of_the_order_above(tmp_path, last):
    text = ITEMS[: ITEMS.index("3,,")] + last
    assert money(shop(tmp_path, text), blank_lines="above") == ABOVE


@pytest.mark.parametrize("whose", ["7,,2024-03-01,", "7,,,", ",,2024-03-01,"])
def test_guests_are_not_asked_about(tmp_path, whose):
    assert money(shop(tmp_path, ITEMS.replace("\n,,,", f"\n{whose}"))) == ALONE


@pytest.mark.parametrize("written", [",", "1,", "1,0"])
def test_remarks_without_money_are_not_asked_about(tmp_path, written):
    text = re.sub(r"(?m)^,,,(\w+),.*", rf",,,\1,{written}", ITEMS)
    assert money(shop(tmp_path, text)) == ALONE


@pytest.mark.parametrize(("orders", "blank", "asked"), [(95, 5, True), (96, 5, False), (20, 4, False)])
def test_few_lines_without_an_order_are_nobody_s(tmp_path, orders, blank, asked):
    text = "Order,Customer,Order date,Item,Qty,Unit price\n"
    text += "".join(f"{at},A{at},2024-01-05,Cup,1,10.50\n" for at in range(orders))
    sources = shop(tmp_path, text + ",,,Cup,1,10.50\n" * blank)
    if asked:
        assert "--blank-lines" in refusal(sources)
    else:
        assert count_customers(sources, Reading()).funnel.missing_customer == blank


def test_a_layout_that_is_named_needs_its_header(tmp_path):
    message = refusal(shop(tmp_path, PLAIN), layout="Shopify")
    assert "does not have the header of a Shopify orders export" in message
    assert "--layout none" in message


def test_remarks_below_a_table_are_counted_and_shown(tmp_path):
    text = PLAIN.replace("amount\n", "amount,a,b\n").replace(".00\n", ".00,,\n") + "End of report\n"
    found = count_customers(shop(tmp_path, text), Reading())
    assert found.funnel.read == 2
    assert "1 remark below the table of shop.csv: End of report" in found.understanding.notes


LINE = "A{n},{n},2024-01-{day:02},10.50,{remark}\n"


@pytest.mark.parametrize(("lines", "kind"), [(400, "csv"), (3_000, "csv"), (700, "parquet")])
def test_a_status_that_only_later_lines_show_is_asked_about(tmp_path, lines, kind):
    rows = [
        LINE.format(n=n, day=1 + n % 28, remark="paid" if n < lines - 2 else "cancelled")
        for n in range(lines)
    ]
    sources = shop(tmp_path, "customer_id,order_id,order_date,amount,remark\n" + "".join(rows))
    if kind == "parquet":
        sources = [str(tmp_path / "shop.parquet")]
        table = pd.read_csv(tmp_path / "shop.csv", parse_dates=["order_date"])
        table.to_parquet(sources[0], index=False)
    assert "remark looks like a status" in refusal(sources)
    assert len(money(sources, columns={"status": "remark"})) == lines - 2
    assert len(money(sources, columns={"status": "none"})) == lines


def test_a_blank_cell_of_a_plain_file_is_shown(tmp_path):
    header = "customer_id,order_id,order_date,quantity,unit_price\n"
    lines = [
        "A1,1,2024-01-05,1,10.25\n",
        ",2,2024-01-05,1,\n",
        "A1,3,2024-01-05,1,10.25\n",
        "B2,4,2024-01-05,2,\n",
    ]
    understanding = count_customers(shop(tmp_path, header + "".join(lines)), Reading()).understanding
    assert [str(example) for example in understanding.examples] == ['line 5, unit_price: ""']
    whole = count_customers(shop(tmp_path, header + lines[0], name="whole.csv"), Reading()).understanding
    assert whole.examples == ()


@pytest.mark.parametrize(
    ("more", "notes"),
    [
        ("3,2024-03-05,5.00,,a@shop.test\n", []),  # the address stands in where the number is blank
        (
            "3,2024-03-05,5.00,A1,new@shop.test\n4,2024-04-05,5.00,,new@shop.test\n",
            ["1 customer known under more than one id or e-mail address: each is one customer"],
        ),
    ],
)
def test_customers_with_several_ids_are_counted_and_not_those_with_a_number_and_an_address(
    tmp_path, more, notes
):
    text = "order_id,order_date,amount,customer_id,email\n1,2024-01-05,10.00,A1,a@shop.test\n2,2024-02-05,20.00,B2,b@shop.test\n"
    found = count_customers(shop(tmp_path, text + more), Reading())
    assert set(found.customers.customer_id) == {"A1", "B2"}
    assert [note for note in found.understanding.notes if "more than one id" in note] == notes


@pytest.mark.parametrize("cells", ["9999999999999999999,5.50", "999999999999999,5.50", "2,999999999999999.5"])
def test_a_number_beyond_all_money_cannot_be_read_and_the_other_lines_can(tmp_path, cells):
    lines = "".join(f"c{day % 5},{day},2024-01-{day:02d} 10:00:00,2,5.50\n" for day in range(1, 21))
    text = f"customer_id,invoice,date,quantity,price\n{lines}c1,99,2024-01-05 10:00:00,{cells}\n"
    found = count_customers(shop(tmp_path, text), Reading())
    assert (found.funnel.read, found.funnel.unreadable, found.funnel.purchases) == (21, 1, 20)
    assert found.customers.Monetary.tolist() == [44] * 5


def test_a_moment_beyond_all_calendars_cannot_be_read_and_the_other_lines_can(tmp_path):
    days = [np.datetime64("2024-01-01T10:00", "us") + np.timedelta64(day, "D") for day in range(20)]
    table = pd.DataFrame({"customer_id": [f"c{day % 5}" for day in range(21)], "invoice": range(21)})
    table["date"] = np.array([*days, np.datetime64("99999-01-01T10:00", "us")])
    table["quantity"], table["price"] = 2, 5.5
    table.to_parquet(tmp_path / "shop.parquet")
    found = count_customers([str(tmp_path / "shop.parquet")], Reading())
    assert (found.funnel.read, found.funnel.unreadable, found.funnel.purchases) == (21, 1, 20)
