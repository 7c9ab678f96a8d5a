"""Lines that a twin reads ahead are those that the training would read itself."""

import multiprocessing
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest
from cycles import shop_rows, write_shop

from training.ahead import MOST_BYTES, Ahead
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


@pytest.fixture(scope="module")
def fresh():
    """A process of its own that calls functions: like a command, it has no other threads, and can fork."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *words: pool.submit(function, *words).result()


def rows(table):
    return table.to_pandas().sort_values(["customer_id", "invoice", "date", "step"]).reset_index(drop=True)


def read(sources, reading, *, is_killed=False):
    """What a twin reads, as plain values; None: nothing."""
    with Ahead(sources, reading) as reader:
        assert reader._twin is not None
        if is_killed:
            reader._twin.process.kill()
            reader._twin.process.join()
            assert reader._twin.process.exitcode == -signal.SIGKILL
        if (found := reader.moments()) is None:
            return None
        shop = count_customers(sources, reading, read_ahead=found)
        table, understanding = found
        return (
            rows(table),
            table.schema(),
            understanding,
            shop.customers,
            shop.funnel,
            shop.earlier(30).customers,
        )


def is_left_to_others(sources):
    with Ahead(sources, Reading()) as reader:
        return reader.moments() is None


@pytest.mark.parametrize("source", ["plain", "careful", "demo"])
def test_they_are_the_same(source, request, fresh):
    sources = request.getfixturevalue(source)
    lines, schema, understanding, customers, funnel, earlier = fresh(read, sources, Reading())
    table, expected = moments_of(sources, Reading())
    assert lines.equals(rows(table))
    assert schema == table.schema()
    assert understanding == expected
    shop = count_customers(sources, Reading())
    assert customers.equals(shop.customers)
    assert funnel == shop.funnel
    assert earlier.equals(shop.earlier(30).customers)


def test_who_is_forgotten_is_left_out(plain, fresh):
    who = shop_rows()[0][0]
    hashed = Forgotten("key", frozenset()).hash_of(who)
    _, _, _, customers, funnel, _ = fresh(
        read, plain, Reading(forgotten=Forgotten("key", frozenset({hashed})))
    )
    assert funnel.forgotten > 0
    assert who not in set(customers.customer_id)


def test_what_it_cannot_read_is_told_by_who_reads_it_then(tmp_path, fresh):
    file = tmp_path / "orders.csv"
    file.write_text("a,b\n1,2\n")
    assert fresh(read, [str(file)], Reading()) is None
    with pytest.raises(InputError, match="No column for customer"):
        count_customers([str(file)], Reading(), read_ahead=None)


def test_a_twin_that_was_killed_read_nothing(plain, fresh):
    assert fresh(partial(read, is_killed=True), plain, Reading()) is None


def test_no_twin_reads_what_is_missing_a_database_or_very_large(plain, tmp_path, fresh):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for source in ("missing.csv", "postgresql://nobody/shop", str(large)):
        assert fresh(is_left_to_others, [source])
    assert not fresh(is_left_to_others, plain)
