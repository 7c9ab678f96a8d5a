from datetime import date, datetime
from decimal import Decimal

import pytest
from shops import shop_lines

from training.cleaning import clean
from training.errors import InputError

JANUARY_5 = "2024-01-05 10:00"


def funnel(rows, **options):
    return clean(shop_lines(rows), **options).funnel


def orders(rows, **options):
    table = clean(shop_lines(rows), **options).orders.order_by("customer_id", "order_id")
    return [
        (row["customer_id"], row["order_id"], row["purchased"], row["returned"])
        for row in table.to_pyarrow().to_pylist()
    ]


def test_every_line_is_accounted_for_in_a_fixed_order():
    cleaned = funnel(
        [
            (None, "1", JANUARY_5, 1, "2.00"),  # no customer, whatever else is wrong
            ("a", "1", None, 1, "2.00"),  # unreadable date
            ("a", "1", JANUARY_5, None, "2.00"),  # unreadable number
            ("a", "1", JANUARY_5, 1, "2.00"),
            ("a", "1", JANUARY_5, 1, "2.00"),  # the same again
            ("a", "1", JANUARY_5, 1, "0.00"),  # worth nothing
            ("a", "1", JANUARY_5, 1, "-0.50"),  # a discount
            ("a", "C2", JANUARY_5, -1, "2.00"),  # cancelled
            ("b", "3", "2024-01-09 09:00", 1, "2.00"),  # too late
        ],
        as_of=date(2024, 1, 9),
    )
    assert [lines for _, lines, _ in cleaned.rows()] == [1, 2, 1, 1, 1, 1, 1, 1]
    assert sum(lines for _, lines, _ in cleaned.rows()) == cleaned.read == 9


def test_duplicates_are_kept_on_request():
    twice = [("a", "1", JANUARY_5, 1, "2.00")] * 2
    assert funnel(twice).purchases == 1
    assert funnel(twice, keep_duplicates=True).purchases == 2


def test_lines_that_differ_in_any_column_are_not_duplicates():
    rows = [("a", "1", JANUARY_5, 1, "2.00", "mug"), ("a", "1", JANUARY_5, 1, "2.00", "jug")]
    assert funnel(rows).duplicates == 0


def test_a_cancellation_is_a_c_invoice_or_a_negative_quantity():
    rows = [
        ("a", "1", JANUARY_5, 3, "2.00"),
        ("a", "C2", JANUARY_5, -1, "2.00"),
        ("a", "3", JANUARY_5, -1, "2.00"),
        ("a", "C4", JANUARY_5, 1, "2.00"),  # a positive one still takes money away
    ]
    assert orders(rows) == [("a", "1", 6, 0), ("a", "3", 0, 2), ("a", "C2", 0, 2), ("a", "C4", 0, 2)]


def test_an_order_number_with_a_c_for_another_reason_is_a_purchase():
    assert funnel([("a", "CA-2016-152156", JANUARY_5, 1, "2.00")]).purchases == 1


def test_without_an_invoice_a_day_is_an_order():
    rows = [
        ("a", None, "2024-01-05 10:00", 1, "2.00"),
        ("a", None, "2024-01-05 18:00", 1, "3.00"),
        ("a", None, "2024-01-06 10:00", 1, "4.00"),
    ]
    assert [(order, money) for _, order, money, _ in orders(rows)] == [("2024-01-05", 5), ("2024-01-06", 4)]


def test_money_is_exact():
    rows = [("a", str(i), JANUARY_5, 1, "0.1") for i in range(1, 11)]
    assert funnel(rows).gross == Decimal("1")


def test_as_of_is_the_latest_date_plus_one_day():
    assert clean(shop_lines([("a", "1", JANUARY_5, 1, "2.00")])).as_of == datetime(2024, 1, 6, 10, 0)


def test_a_late_date_of_a_line_that_does_not_count_moves_nothing():
    rows = [("a", "1", JANUARY_5, 1, "2.00"), (None, "2", "2031-01-01 10:00", 1, "2.00")]
    assert clean(shop_lines(rows)).as_of == datetime(2024, 1, 6, 10, 0)


def test_lines_of_the_as_of_day_are_not_used():
    rows = [("a", "1", "2024-01-04 23:59:59", 1, "2.00"), ("a", "2", "2024-01-05 00:00:00", 1, "3.00")]
    assert [order for _, order, _, _ in orders(rows, as_of=date(2024, 1, 5))] == ["1"]


def test_no_purchase_left_names_the_reasons():
    with pytest.raises(
        InputError, match=r"No purchase is left of 2 lines \(1 no customer id, 1 cancellation\)"
    ):
        clean(shop_lines([(None, "1", JANUARY_5, 1, "2.00"), ("a", "C2", JANUARY_5, -1, "2.00")]))


def test_an_empty_table_says_so():
    with pytest.raises(InputError, match="No purchase is left of 0 lines"):
        clean(shop_lines([]))


def test_the_input_is_not_modified():
    lines = shop_lines([("a", "1", JANUARY_5, 1, "2.00")] * 2)
    before = lines.to_pyarrow()
    clean(lines)
    assert lines.to_pyarrow().equals(before)
