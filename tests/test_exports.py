"""The made-up exports of known systems are counted as their answers say, refused, or asked about."""

import json
from pathlib import Path

import pytest

from training.errors import InputError
from training.shop import Reading, count_customers

EXPORTS = Path(__file__).parent / "exports"
ANSWERS = json.loads((EXPORTS / "answers.json").read_text(encoding="utf-8"))
COUNTED = [file for file, answer in ANSWERS.items() if "customers" in answer]


@pytest.mark.parametrize("file", COUNTED)
def test_an_export_is_counted_right_without_options(file):
    shop = count_customers([str(EXPORTS / file)], Reading())
    found = {
        row.customer_id: [int(row.Frequency), f"{row.Monetary:.2f}"] for row in shop.customers.itertuples()
    }
    assert found == ANSWERS[file]["customers"]
    assert shop.understanding.layout.startswith(ANSWERS[file]["layout"])
    assert sum(lines for _, lines, _ in shop.funnel.rows()) == shop.funnel.read


@pytest.mark.parametrize("file", [file for file in ANSWERS if file not in COUNTED])
def test_an_export_that_lacks_something_is_refused_in_words(file):
    with pytest.raises(InputError, match=ANSWERS[file].get("asks", ANSWERS[file]["layout"])):
        count_customers([str(EXPORTS / file)], Reading())


def test_what_was_asked_for_is_read_then():
    shop = count_customers(
        [str(EXPORTS / "shopware.csv")], Reading(status_counts=("5d0000000000000000000000000000aa",))
    )
    found = shop.customers.set_index("customer_id").loc["anna@example.com"]
    assert (found.Frequency, found.Monetary) == (2, 115)


def test_a_layout_is_switched_off_or_named():
    path = str(EXPORTS / "etsy_orders.csv")
    named = count_customers([path], Reading(layout="etsy sold orders"))
    assert named.understanding.layout.startswith("Etsy sold orders")
    with pytest.raises(InputError, match="no known layout"):
        count_customers([path], Reading(layout="Amazone"))
    with pytest.raises(InputError, match="more than one known layout"):
        count_customers([path], Reading(layout="amazon"))


def test_the_table_in_the_docs_is_what_was_found_here():
    docs = (EXPORTS.parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    for file, answer in ANSWERS.items():
        result = (
            f"right: {len(answer['customers'])} customers" if file in COUNTED else "refused: no customers"
        )
        result = f"asked: `{answer['asks']}`" if "asks" in answer else result
        assert f"| {answer['layout']} | `{file}` | {result} |" in docs
