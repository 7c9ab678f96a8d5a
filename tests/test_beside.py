"""A discount, tax or shipping beside the money is taken off where the data show how it belongs, else asked about."""

import pytest

from training.errors import InputError
from training.shop import Reading, count_customers

PRICED = """\
customer_id,order_id,order_date,quantity,unit_price,discount{}
A1,1,2024-01-05,2,10.00,{}
B2,2,2024-01-16,1,20.00,{}
B2,2,2024-01-16,3,5.00,{}
"""
TOTAL = """\
customer_id,order_id,order_date,{}order_total,shipping,tax
A1,1,2024-01-05,{}25.00,5.00,2.00
B2,2,2024-01-16,{}45.00,5.00,4.00
"""


def shop(folder, text, **options):
    path = folder / "shop.csv"
    path.write_text(text, encoding="utf-8")
    return count_customers([str(path)], Reading(**options))


def money(folder, text, **options):
    customers = shop(folder, text, **options).customers
    return dict(zip(customers.customer_id, customers.Monetary.round(2).tolist(), strict=True))


@pytest.mark.parametrize(
    ("cells", "columns", "expected"),
    [
        (("1.00", "0", "0.50"), {"discount": "discount"}, {"A1": 19, "B2": 34.5}),
        (("-1.00", "0", "-0.50"), {"discount": "discount"}, {"A1": 19, "B2": 34.5}),
        (("1.00", "2.00", "2.00"), {"order_discount": "discount"}, {"A1": 19, "B2": 33}),
        (("10", "0", "20"), {"discount_percent": "discount"}, {"A1": 18, "B2": 32}),
        (("10 %", "0%", "20%"), {"discount_percent": "discount"}, {"A1": 18, "B2": 32}),
        (("0.1", "0", "0.2"), {"discount_percent": "discount"}, {"A1": 18, "B2": 32}),
        (("1.00", "0", "0.50"), {"discount": "none"}, {"A1": 20, "B2": 35}),
    ],
)
def test_a_discount_is_asked_about_and_read_as_the_answer_says(tmp_path, cells, columns, expected):
    text = PRICED.format("", *cells)
    with pytest.raises(InputError, match=r"discount \(\d lines with other than 0\).*--column discount=none"):
        shop(tmp_path, text)
    assert money(tmp_path, text, columns=columns) == expected


@pytest.mark.parametrize(
    ("column", "cells", "expected", "note"),
    [
        (
            "line_total",
            ("1.00,19.00", "0,20.00", "0.50,14.50"),
            {"A1": 19, "B2": 34.5},
            "subtracted from each line",
        ),
        ("line_total", ("10,18.00", "0,20.00", "20,12.00"), {"A1": 18, "B2": 32}, "percent"),
        ("line_total", ("0.1,18.00", "0,20.00", "0.2,12.00"), {"A1": 18, "B2": 32}, "a share"),
        (
            "order_total",
            ("1.00,19.00", "2.00,33.00", "2.00,33.00"),
            {"A1": 19, "B2": 33},
            "off the whole order",
        ),
    ],
)
def test_a_discount_that_another_column_confirms_is_subtracted(tmp_path, column, cells, expected, note):
    text = PRICED.format(f",{column}", *cells)
    assert money(tmp_path, text) == expected
    assert any(note in each for each in shop(tmp_path, text).understanding.notes)


def test_a_discount_of_zeros_or_of_codes_changes_nothing(tmp_path):
    for cells in (("0", "", "0.00"), ("MAY", "", "X-1")):
        assert money(tmp_path, PRICED.format("", *cells)) == {"A1": 20, "B2": 35}


def test_shipping_and_tax_beside_a_total_are_asked_about_together(tmp_path):
    text = TOTAL.format("", "", "")
    with pytest.raises(InputError, match=r"tax=none.*and --column .shipping=shipping"):
        shop(tmp_path, text)
    both = {"tax": "tax", "shipping": "shipping"}
    assert money(tmp_path, text, columns=both) == {"A1": 18, "B2": 36}
    assert money(tmp_path, text, columns=dict.fromkeys(both, "none")) == {"A1": 25, "B2": 45}


def test_another_column_shows_that_shipping_and_tax_are_not_in_the_money(tmp_path):
    found = shop(tmp_path, TOTAL.format("amount,", "18.00,", "36.00,"))
    assert found.customers.Monetary.tolist() == [18, 36]
    assert "tax, shipping are not in it, as order_total confirms" in found.understanding.notes


def test_goods_before_a_discount_are_told_by_the_total(tmp_path):
    text = (
        "customer_id,order_id,order_date,order_total,shipping,discount,amount\n"
        "A1,1,2024-01-05,22,3,1,20\nB2,2,2024-01-16,33,3,0,30\n"
    )
    assert money(tmp_path, text) == {"A1": 19, "B2": 30}
