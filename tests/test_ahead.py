"""Lines that a twin reads ahead are those that the training would read itself."""

import signal
import sys

import pytest
from cycles import shop_rows, write_shop

from training import ahead
from training.ahead import Ahead
from training.demo import write_demo
from training.errors import InputError
from training.reading.forgotten import Forgotten
from training.shop import Reading, count_customers, moments_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Twins are made on Linux.")


@pytest.fixture
def plain(tmp_path):
    return [str(write_shop(tmp_path / "in", shop_rows()))]


@pytest.fixture
def careful(tmp_path):
    """A file that DuckDB does not type by itself."""
    file = tmp_path / "orders.csv"
    lines = ["Kundennummer;Bestellnummer;Bestelldatum;Menge;Einzelpreis"]
    lines += [
        f"K{n % 70};{n};{1 + n % 28:02}.{1 + n % 12:02}.2024;{1 + n % 3};{n % 90},5{n % 10}"
        for n in range(300)
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    return [str(file)]


@pytest.fixture
def demo(tmp_path):
    return [str(write_demo(tmp_path / "demo.csv.gz"))]


def rows(table):
    return table.to_pandas().sort_values(["customer_id", "invoice", "date", "step"]).reset_index(drop=True)


@pytest.mark.parametrize("source", ["plain", "careful", "demo"])
def test_they_are_the_same(source, request):
    sources = request.getfixturevalue(source)
    with Ahead(sources, Reading()) as reader:
        table, understanding = reader.moments()
    own, own_understanding = moments_of(sources, Reading())
    assert understanding == own_understanding
    assert table.schema() == own.schema()
    assert rows(table).equals(rows(own))
    shop = count_customers(sources, Reading(), read_ahead=(table, understanding))
    expected = count_customers(sources, Reading())
    assert shop.customers.equals(expected.customers)
    assert shop.funnel == expected.funnel
    assert shop.earlier(30).customers.equals(expected.earlier(30).customers)


def test_who_is_forgotten_is_left_out(plain):
    who = shop_rows()[0][0]
    people = Forgotten("key", frozenset())
    reading = Reading(forgotten=Forgotten("key", frozenset({people.hash_of(who)})))
    with Ahead(plain, reading) as reader:
        shop = count_customers(plain, reading, read_ahead=reader.moments())
    assert shop.funnel.forgotten > 0
    assert who not in set(shop.customers.customer_id)


def test_what_it_cannot_read_is_told_by_who_reads_it_then(tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text("a,b\n1,2\n")
    with Ahead([str(file)], Reading()) as reader:
        found = reader.moments()
    assert found is None
    with pytest.raises(InputError, match="No column for customer"):
        count_customers([str(file)], Reading(), read_ahead=found)


def test_a_twin_that_was_killed_read_nothing(plain):
    with Ahead(plain, Reading()) as reader:
        reader._twin.process.kill()
        assert reader._twin.process.join() is None
        assert reader._twin.process.exitcode == -signal.SIGKILL
        assert reader.moments() is None


def test_no_twin_reads_what_is_very_large_missing_or_a_database(plain, monkeypatch):
    for sources in (["missing.csv"], ["postgresql://nobody/shop"]):
        with Ahead(sources, Reading()) as reader:
            assert reader.moments() is None
    monkeypatch.setattr(ahead, "MOST_BYTES", 10)
    with Ahead(plain, Reading()) as reader:
        assert reader.moments() is None
