"""Exports of known systems are recognised by their header, and words in headers and cells have one meaning.

The files of tests/exports are made up, each in the layout that its system documents. answers.json says of each what
a reader must find: of every customer the number of orders and the money (goods after discount, without shipping and
tax, less what was refunded), or that the file is refused, or what must be asked.
"""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from training.reading.folding import fold
from training.reading.header_words import HEADERS, ORDER_OR_LINE, names
from training.reading.layout import Money
from training.reading.layouts import LAYOUTS, match, present, usable
from training.reading.placeholders import (
    DOUBTFUL_WORDS,
    GUEST_WORDS,
    TOTAL_WORDS,
    is_guest,
    is_total,
    may_be_guest,
)
from training.reading.status_words import COUNTS, DOES_NOT_COUNT, counting, not_counting, verdict

EXPORTS = Path(__file__).parent / "exports"
ANSWERS = json.loads((EXPORTS / "answers.json").read_text(encoding="utf-8"))
SALES = (
    "wc-completed, Completed, PAID, partially_refunded, Partially Refunded, partially-paid, shipped, "
    "wc-processing, Versandt, teilweise erstattet, Livrée, Enviado, Spedito, Verzonden, Concluído, "
    "Zrealizowane, Выполнен, Awaiting Fulfillment, Terminé, W trakcie realizacji"
)
NO_SALES = (
    "cancelled, Canceled, VOIDED, wc-failed, Pending payment, pending_payment, refunded, Draft, on-hold, "
    "On hold, chargeback, Declined, expired, authorized, Storniert, Annulé, Anulado, Rimborsato, "
    "Geannuleerd, Aguardando pagamento, Błąd płatności, Отменён, Возвращён, Unpaid"
)
NOBODY = (
    "Guest, WALK-IN, walk in customer, NOT LOGGED IN, anonymous, unknown, -1, Gast, Laufkundschaft, "
    "Client de passage, Consumidor final, guest@shop.de, no-reply@example.com, Гость"
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}


def header(file):
    """The column names of an example: its first row of five cells or more."""
    text = (EXPORTS / file).read_text(encoding="utf-8")
    delimiter = max(",;\t", key=text.count)
    return next(row for row in csv.reader(text.splitlines(), delimiter=delimiter) if len(row) > 4)


@pytest.mark.parametrize("file", ANSWERS)
def test_an_export_fits_its_own_layout_and_no_other(file):
    assert [layout.name for layout in match(header(file))] == [ANSWERS[file]["layout"]]


def test_every_layout_has_an_example():
    assert {answer["layout"] for answer in ANSWERS.values()} == set(BY_NAME)


def test_every_example_has_an_answer():
    files = {path.name for path in EXPORTS.iterdir()} - {"answers.json"}
    assert files == set(ANSWERS)


@pytest.mark.parametrize("file", [file for file in ANSWERS if not ANSWERS[file].get("refused")])
def test_a_layout_names_columns_that_its_export_has(file):
    layout, columns = BY_NAME[ANSWERS[file]["layout"]], header(file)
    for role in (layout.customer, layout.order, layout.date):
        assert present(role, columns)
    assert usable(layout.money, columns)
    for role in (layout.time, layout.status, layout.against, layout.line, layout.refund_customer):
        assert present(role, columns) or not role
    assert layout.kinds is None or present([layout.kinds.column], columns)
    assert usable(layout.refunded, columns) or not layout.refunded


@pytest.mark.parametrize("file", [file for file in ANSWERS if ANSWERS[file].get("refused")])
def test_an_export_without_customers_is_known_as_that(file):
    layout = BY_NAME[ANSWERS[file]["layout"]]
    assert not present(layout.customer, header(file))
    assert layout.refuses or layout.customer


def test_case_blanks_underscores_and_dashes_do_not_matter():
    columns = ["NAME", "financial_status", " Lineitem-Quantity ", "\ufefflineitemprice"]
    assert [layout.name for layout in match(columns)] == ["Shopify orders export"]


def test_a_shop_s_own_table_is_no_known_layout():
    assert match(["order_id", "customer_id", "order_date", "quantity", "unit_price"]) == []
    assert match(["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]) == []
    assert match([]) == []


def test_columns_are_named_as_the_file_spells_them():
    assert present(["E-Mail", "User ID"], ["user_id", "EMAIL", "email"]) == ["EMAIL", "user_id"]


def test_money_is_made_in_the_first_way_that_the_file_has_columns_for():
    total = Money("order", plus=("Total",), minus=("Shipping",))
    price = Money("line", times=("Qty", "Price"))
    assert usable([total, price], ["total", "shipping", "qty", "price"]) == total
    assert usable([total, price], ["total", "qty", "price"]) == price
    assert usable([total, price], ["total", "qty"]) is None


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_is_complete(layout):
    assert layout.source.startswith("https://")
    if layout.refuses:
        assert not layout.money
        assert "Export" in layout.refuses
    else:
        assert layout.customer
        assert layout.order
        assert layout.date
        assert layout.money


@pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS if layout.kinds], ids=lambda layout: layout.name
)
def test_a_kind_of_row_is_a_sale_or_a_refund_or_neither(layout):
    kinds = layout.kinds
    uses = Counter(fold(value) for value in kinds.sales + kinds.refunds + kinds.others)
    assert set(uses.values()) == {1}


def test_layout_names_are_different():
    assert len(BY_NAME) == len(LAYOUTS)


@pytest.mark.parametrize("value", SALES.split(", "))
def test_a_sale_that_brought_money_counts(value):
    assert verdict(value) is True


@pytest.mark.parametrize("value", NO_SALES.split(", "))
def test_an_order_without_money_does_not_count(value):
    assert verdict(value) is False


@pytest.mark.parametrize("value", ["", "closed", "partial", "foo", "wc-", "5", "A1", "Texas"])
def test_a_status_that_nobody_knows_is_left_to_the_user(value):
    assert verdict(value) is None


def test_no_status_word_means_both():
    assert counting().isdisjoint(not_counting())
    assert "" not in counting() | not_counting()
    assert COUNTS.keys() == DOES_NOT_COUNT.keys()


def test_no_column_name_has_two_roles():
    uses = Counter(name for role in HEADERS for group in names(role) for name in group)
    assert [name for name, count in uses.items() if count > 1] == []


def test_column_names_are_written_as_they_are_compared():
    assert [name for role in HEADERS for group in names(role) for name in group if fold(name) != name] == []


def test_a_total_that_the_numbers_decide_is_a_name_of_money():
    money = {name for role in ("amount", "total") for group in names(role) for name in group}
    assert money >= ORDER_OR_LINE


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("trans_date", "date"),
        ("transaction_timestamp", "date"),
        ("Datum", "date"),
        ("Дата заказа", "date"),
        ("grand_total", "total"),
        ("tran_amount", "amount"),
        ("sales_value", "amount"),
        ("spend", "amount"),
        ("list_price", "price"),
        ("Précio unitario", "price"),
        ("household_id", "customer"),
        ("cust", "customer"),
        ("UID", "customer"),
        ("CustomerKey", "customer"),
        ("Kunden-Nr.", "customer"),
        ("N° client", "customer"),
        ("Código do cliente", "customer"),
        ("basket_id", "invoice"),
        ("Numéro de commande", "invoice"),
        ("Nr zamówienia", "invoice"),
        ("E-Mail", "email"),
        ("Währung", "currency"),
        ("Ilość", "quantity"),
        ("Stückzahl", "quantity"),
        ("Refunded Amount", "refunded"),
        ("Financial Status", "status"),
        ("País", "country"),
        ("Uhrzeit", "time"),
    ],
)
def test_a_usual_column_name_is_known(name, role):
    assert [
        known for known in HEADERS if fold(name) in {word for group in names(known) for word in group}
    ] == [role]


@pytest.mark.parametrize(
    "name", ["store_id", "state", "id", "name", "product_category", "cost", "shipping", "tax"]
)
def test_a_column_of_something_else_has_no_role(name):
    assert not [
        known for known in HEADERS if fold(name) in {word for group in names(known) for word in group}
    ]


@pytest.mark.parametrize("value", NOBODY.split(", "))
def test_a_placeholder_is_nobody(value):
    assert is_guest(value)


@pytest.mark.parametrize(
    "value", ["1", "17850", "A-1", "anna@example.com", "Guestino", "00012", "cus_A", "Walker"]
)
def test_a_real_customer_is_no_placeholder(value):
    assert not is_guest(value)


@pytest.mark.parametrize("value", ["0", "00000", "99999", "1", "cash", "POS"])
def test_a_value_that_may_be_a_customer_is_a_placeholder_only_by_its_frequency(value):
    assert may_be_guest(value)
    assert not is_guest(value)


def test_certain_and_doubtful_placeholders_are_different():
    assert GUEST_WORDS.isdisjoint(DOUBTFUL_WORDS)


@pytest.mark.parametrize(
    "value", ["Total", "Grand total", "TOTALS", "Summe:", "Gesamt (EUR)", "Итого", "Totale"]
)
def test_a_total_line_is_known(value):
    assert is_total(value)


@pytest.mark.parametrize("value", ["Total Recall", "A1", "", "totalis"])
def test_a_name_that_starts_with_total_is_no_total(value):
    assert not is_total(value)


def test_total_words_are_no_customers():
    assert TOTAL_WORDS.isdisjoint(GUEST_WORDS)
