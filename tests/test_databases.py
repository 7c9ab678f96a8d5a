"""A shop's table in DuckDB, SQLite, PostgreSQL or MariaDB gives what its file gives, and the database is only read."""

import contextlib
import csv
import gc
import gzip
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import servers

from training.demo import write_demo
from training.errors import InputError
from training.reading import address, memory
from training.reading.database import open_table
from training.reading.read import read_lines as read
from training.shop import Reading, count_customers

KINDS = ("duckdb", "sqlite", "postgresql", "mysql")
TYPES = {
    "InvoiceNo": "VARCHAR(20)",
    "StockCode": "VARCHAR(20)",
    "Description": "VARCHAR(200)",
    "Quantity": "INTEGER",
    "InvoiceDate": "TIMESTAMP",
    "UnitPrice": "DECIMAL(18, 2)",
    "CustomerID": "DOUBLE PRECISION",
    "Country": "VARCHAR(50)",
}
OWN = {"sqlite": {"InvoiceDate": "TEXT"}, "mysql": {"InvoiceDate": "DATETIME"}}
OTHER_NAME = 'My "Order`s" 100%'


@dataclass(frozen=True)
class Database:
    """A database with the demo shop in it, and a way of writing into it."""

    kind: str
    address: str
    open: object  # -> a connection that may write

    def run(self, *statements):
        """Run the statements; the rows of the last one."""
        with contextlib.closing(self.open()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return rows

    def quoted(self, name):
        return (
            "`" + name.replace("`", "``") + "`"
            if self.kind == "mysql"
            else '"' + name.replace('"', '""') + '"'
        )

    def fill(self, name, types, rows):
        columns = ", ".join(f"{self.quoted(column)} {kind}" for column, kind in types.items())
        self.run(f"CREATE TABLE {self.quoted(name)} ({columns})")
        mark = "?" if self.kind in ("duckdb", "sqlite") else "%s"
        table = self.quoted(name).replace("%", "%%") if mark == "%s" else self.quoted(name)
        with contextlib.closing(self.open()) as connection:
            if self.kind == "duckdb":  # which inserts single rows slowly
                connection.register("lines", pd.DataFrame(rows, columns=list(types), dtype="str"))
                connection.execute(f"INSERT INTO {table} SELECT * FROM lines")
                return
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(types))})", rows)
            connection.commit()

    def contents(self):
        """The names of all that is in it, and for a file its bytes."""
        if self.kind in ("duckdb", "sqlite"):
            file = address.file(self.address)
            return sorted(path.name for path in file.parent.iterdir()), file.read_bytes()
        return self.run("SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2")


@pytest.fixture(scope="session")
def postgres():
    if not servers.program("initdb"):
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb():
    if not servers.program("mariadbd"):
        pytest.skip("MariaDB is not installed here: apt-get install mariadb-server")
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    return str(write_demo(tmp_path_factory.mktemp("demo") / "demo.csv.gz"))


@pytest.fixture(scope="session")
def from_file(demo):
    """The demo shop, counted from its file."""
    return count_customers([demo], Reading())


@pytest.fixture(scope="session", params=KINDS)
def filled(request, demo, tmp_path_factory):
    """Each kind of database, with the demo shop: typed, as texts, as a view, in a schema and under an odd name."""
    with gzip.open(demo, "rt", encoding="utf-8", newline="") as file:
        _, *texts = csv.reader(file)
    made = empty(request.param, tmp_path_factory.mktemp(request.param), request)
    made.fill("orders", TYPES | OWN.get(made.kind, {}), [[cell or None for cell in row] for row in texts])
    made.fill("texts", dict.fromkeys(TYPES, "VARCHAR(200)"), texts)
    made.run(f"CREATE TABLE {made.quoted(OTHER_NAME)} AS SELECT * FROM orders")
    made.run("CREATE VIEW bought AS SELECT * FROM orders WHERE " + made.quoted("Quantity") + " > 0")
    if made.kind != "sqlite":
        made.run("CREATE SCHEMA sales", "CREATE TABLE sales.archive AS SELECT * FROM orders")
    return made


def opened(file):
    """A DuckDB file that this process opened before, in a test that only let go of its table."""
    gc.collect()
    return duckdb.connect(str(file))


def empty(kind, folder, request):
    if kind == "duckdb":
        return Database(kind, f"duckdb://{folder}/shop.db", lambda: opened(folder / "shop.db"))
    if kind == "sqlite":
        return Database(kind, f"sqlite:///{folder}/shop.db", lambda: sqlite3.connect(folder / "shop.db"))
    server = request.getfixturevalue("postgres" if kind == "postgresql" else "mariadb")
    return Database(kind, server.address(), server.connect)


@pytest.fixture
def query(tmp_path):
    def write(text):
        (tmp_path / "query.sql").write_text(text, encoding="utf-8")
        return str(tmp_path / "query.sql")

    return write


def same(one, other):
    pd.testing.assert_frame_equal(one.customers, other.customers, check_exact=True)
    assert (one.funnel, one.as_of, one.digest) == (other.funnel, other.as_of, other.digest)


def refusal(place, **what):
    with pytest.raises(InputError) as caught:
        open_table(place, **what)
    message = str(caught.value)
    assert "\n" not in message
    assert "Expected" in message
    assert servers.PASSWORD not in message
    assert servers.ENCODED not in message
    return message


# The same answers as from the file


@pytest.mark.parametrize("table", ["orders", "texts", OTHER_NAME])
def test_a_table_gives_the_customers_of_its_file_to_the_last_digit(filled, from_file, table):
    same(from_file, count_customers([filled.address], Reading(table=table)))


def test_a_table_in_a_schema(filled, from_file):
    table = "main.orders" if filled.kind == "sqlite" else "sales.archive"
    same(from_file, count_customers([filled.address], Reading(table=table)))


def test_a_view_and_a_query_of_the_same_lines_are_the_same(filled, from_file, query):
    view = count_customers([filled.address], Reading(table="bought"))
    file = query(
        f"-- what was bought; not ) what came back\nSELECT * FROM orders\nWHERE {filled.quoted('Quantity')} > 0; -- all\n"
    )
    same(view, count_customers([filled.address], Reading(query=file)))
    assert view.funnel.read == from_file.funnel.read - int(
        filled.run(f"SELECT count(*) FROM orders WHERE {filled.quoted('Quantity')} <= 0")[0][0]
    )


def test_a_query_may_begin_with_with_and_end_with_a_comment(filled, query):
    file = query("WITH few AS (SELECT 1 AS a UNION ALL SELECT NULL) SELECT a FROM few ORDER BY a DESC -- )")
    assert sorted(open_table(filled.address, query=file).a.to_pyarrow().to_pylist(), key=str) == [1, None]


def test_nothing_is_written_into_the_database(filled, query):
    before = filled.contents()
    count_customers([filled.address], Reading(table="orders"))
    count_customers([filled.address], Reading(query=query("SELECT * FROM texts")))
    assert filled.contents() == before
    filled.run("CREATE TABLE written AS SELECT 1 AS a", "DROP TABLE written")  # nor is it held any longer


# Values


def test_postgres_values_keep_their_types(postgres):
    postgres.run(
        """CREATE TABLE kinds (whole int8, money numeric(10, 2), free numeric, long numeric, single real, day date,
           local timestamp, moment timestamptz, truth bool, code char(4), id uuid, data bytea, tags text[])""",
        """INSERT INTO kinds VALUES (9007199254740993, 12345678.90, 0.1, 12345678901234567890123456789012345678.9, 2.55,
           '2024-02-29', '2024-02-29 23:59:59.123456', '2024-03-01 00:30:00+02', true, 'ab',
           '00000000-0000-0000-0000-00000000000a', '\\x00ff', '{a,b}'),
           (null, null, 1234.5678, null, 'NaN', 'infinity', '-infinity', null, null, '', null, null, null),
           (null, null, 'NaN', null, null, null, null, null, null, null, null, null, null)""",
    )
    table = open_table(postgres.address(), "kinds")
    first, second, third = table.to_pyarrow().to_pylist()
    assert first == {
        "whole": 9007199254740993,
        "money": Decimal("12345678.90"),
        "free": Decimal("0.1000"),
        "long": "12345678901234567890123456789012345678.9",  # more digits than DuckDB's widest decimal
        "single": 2.55,
        "day": datetime(2024, 2, 29).date(),
        "local": datetime(2024, 2, 29, 23, 59, 59, 123456),
        "moment": datetime(2024, 2, 29, 22, 30, tzinfo=UTC),
        "truth": True,
        "code": "ab",
        "id": "00000000-0000-0000-0000-00000000000a",
        "data": "\\x00ff",
        "tags": "{a,b}",
    }
    assert second["free"] == Decimal("1234.5678")
    assert (second["day"], second["local"], second["code"], second["whole"]) == (None, None, "", None)
    assert set(third.values()) == {None}


def test_mysql_values_keep_their_types(mariadb):
    mariadb.run(
        """CREATE TABLE kinds (whole bigint unsigned, money decimal(10, 2), double_ double, single float, day date,
           local datetime(6), moment timestamp NULL, truth bool, code char(4), year_ year, data blob, letters text)""",
        "SET time_zone = '+02:00'",
        "SET sql_mode = ''",
        """INSERT INTO kinds VALUES (18446744073709551615, 12345678.90, 0.1, 2.55, '2024-02-29',
           '2024-02-29 23:59:59.123456', '2024-03-01 00:30:00', true, 'ab', 2024, x'41ff', 'Zoë 🎁'),
           (null, null, null, null, '0000-00-00', null, null, null, '', null, null, null)""",
    )
    first, second = open_table(mariadb.address(), "kinds").to_pyarrow().to_pylist()
    assert first == {
        "whole": Decimal(18446744073709551615),
        "money": Decimal("12345678.90"),
        "double_": 0.1,
        "single": 2.55,
        "day": datetime(2024, 2, 29).date(),
        "local": datetime(2024, 2, 29, 23, 59, 59, 123456),
        "moment": datetime(2024, 2, 29, 22, 30, tzinfo=UTC),
        "truth": 1,
        "code": "ab",
        "year_": 2024,
        "data": "A\\xff",
        "letters": "Zoë 🎁",
    }
    assert {name for name, value in second.items() if value is not None} == {"code"}


def test_sqlite_columns_are_typed_by_their_values(tmp_path):
    values = {
        "whole": [1, None, 2**62],
        "real": [0.1, 2.5, None],
        "price": [3, 2.95, None],  # a column declared as decimal stores 3.00 as 3
        "too_large": [2**53 + 1, 0.5, None],
        "mixed": ["007", 7, 7.5],
        "blob": [b"a", b"\xff", "text"],
        "void": [None, None, None],
        "latin": ["ü", None, "z"],
    }
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute(f"CREATE TABLE kinds ({', '.join(values)})")
        marks = ", ".join(["?"] * len(values))
        connection.executemany(f"INSERT INTO kinds VALUES ({marks})", zip(*values.values(), strict=True))
        connection.execute("UPDATE kinds SET latin = CAST(x'fc' AS TEXT) WHERE latin = 'ü'")
        connection.commit()
    table = open_table(f"sqlite:///{tmp_path}/shop.db", "kinds")
    assert table.to_pyarrow().to_pydict() == values | {
        "price": [3.0, 2.95, None],
        "too_large": ["9007199254740993", "0.5", None],
        "mixed": ["007", "7", "7.5"],
        "blob": ["a", "\\xff", "text"],
        "latin": ["\\xfc", None, "z"],
    }


ZONED = "SELECT 'A1' AS invoice, 7 AS customer, 2.50 AS amount, {} AS date"
MOMENT = {
    "duckdb": "TIMESTAMPTZ '2024-03-01 00:30:00+02'",
    "postgresql": "TIMESTAMPTZ '2024-03-01 00:30:00+02'",
}


@pytest.mark.parametrize("kind", MOMENT)
def test_a_moment_is_the_one_of_utc_as_in_zoned_parquet(kind, request, tmp_path, query):
    source = empty(kind, tmp_path, request)
    source.run("SELECT 1")
    duckdb.sql(ZONED.format(MOMENT["duckdb"])).write_parquet(str(tmp_path / "zoned.parquet"))
    (expected,) = read([tmp_path / "zoned.parquet"]).to_pyarrow().to_pylist()
    (row,) = read([source.address], query=query(ZONED.format(MOMENT[kind]))).to_pyarrow().to_pylist()
    assert row == expected
    assert row["date"] == datetime(2024, 2, 29, 22, 30)


def test_more_rows_than_the_memory_holds_are_read(tmp_path, monkeypatch):
    rows = 400_000
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (customer, note)")
        numbers = ((number, f"{number:>100}") for number in range(rows))
        connection.executemany("INSERT INTO orders VALUES (?, ?)", numbers)
        connection.commit()
    monkeypatch.setattr(memory, "BYTES_PER_CORE", 32_000_000 // (os.cpu_count() or 1))
    table = open_table(f"sqlite:///{tmp_path}/shop.db", "orders")
    answer = table.aggregate(rows=table.count(), total=table.customer.sum(), length=table.note.length().sum())
    assert answer.to_pyarrow().to_pylist() == [
        {"rows": rows, "total": rows * (rows - 1) // 2, "length": 100 * rows}
    ]


# What is refused, in one line


def test_a_missing_table_is_refused_with_the_names_that_are_there(filled):
    message = refusal(filled.address, table="order")
    assert "No table or view order in" in message
    assert "Expected one of: orders, " in message
    assert "Check --table" in message


def test_a_name_in_another_case_is_taken_when_it_is_the_only_one(filled):
    assert open_table(filled.address, "ORDERS").columns == tuple(TYPES)


def test_a_name_in_several_schemas_is_asked_about(postgres):
    postgres.run(
        "CREATE SCHEMA a", "CREATE SCHEMA b", "CREATE TABLE a.twice (x int)", "CREATE TABLE b.twice (y int)"
    )
    assert "Give --table a.twice or --table b.twice" in refusal(postgres.address(), table="twice")
    assert open_table(postgres.address(), '"b"."twice"').columns == ("y",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DELETE FROM orders", "begins with DELETE"),
        ("", "begins with nothing"),
        ("SELECT 1 AS a; DROP TABLE orders", "more than one statement"),
        ("SELECT 1 AS a) AS b; DROP TABLE orders; SELECT (1", "more than one statement"),
        ("SELECT 'a", "cannot be read"),
        ("SELECT nothing FROM orders", "Correct the query."),
        ("SELECT 1 AS a FROM FROM orders", "yntax"),
    ],
)
def test_what_is_no_select_is_refused(filled, query, text, message):
    before = filled.contents()
    assert message in refusal(filled.address, query=query(text))
    assert filled.contents() == before


def test_a_select_that_writes_is_refused(postgres, query):
    postgres.run("CREATE TABLE kept AS SELECT 1 AS a")
    file = query("WITH gone AS (DELETE FROM kept RETURNING a) SELECT a FROM gone")
    assert "cannot be read" in refusal(postgres.address(), query=file)
    file = query("SELECT setval(pg_get_serial_sequence('numbered', 'n'), 5) AS n")
    postgres.run("CREATE TABLE numbered (n serial)")
    assert "read-only transaction" in refusal(postgres.address(), query=file)
    assert postgres.run("SELECT a FROM kept") == [(1,)]


def test_lines_without_an_order_are_asked_about(filled, query):
    def blank(name):
        column = filled.quoted(name)
        return f"CASE WHEN {filled.quoted('Quantity')} = 1 THEN NULL ELSE {column} END AS {column}"

    names = ("InvoiceNo", "InvoiceDate", "CustomerID")
    others = [filled.quoted(name) for name in ("StockCode", "Quantity", "UnitPrice")]
    file = query(f"SELECT {', '.join([*map(blank, names), *others])} FROM orders")
    for given, words in (
        ("auto", "without InvoiceNo, CustomerID and InvoiceDate"),
        ("above", "none stands above"),
    ):
        with pytest.raises(InputError, match=f"{words}.*--blank-lines nobody"):
            count_customers([filled.address], Reading(query=file, blank_lines=given))
    nobody = count_customers([filled.address], Reading(query=file, blank_lines="nobody"))
    assert nobody.funnel.missing_customer > 0


def test_a_missing_query_file_is_refused(filled):
    assert "nowhere.sql cannot be read: No such file" in refusal(filled.address, query="nowhere.sql")


def test_a_table_and_a_query_are_one_too_many(filled):
    assert "not with both" in refusal(filled.address, table="orders", query="query.sql")
    assert "with --table NAME or with --query FILE.sql" in refusal(filled.address)


SERVERS = ("postgres", "mariadb")


@pytest.mark.parametrize("kind", SERVERS)
def test_what_a_server_refuses_is_said(kind, request, free_port):
    server = request.getfixturevalue(kind)
    here = f"owner@127.0.0.1:{server.port}/"
    message = refusal(server.address(password="wrong"), table="orders")
    assert f"{server.scheme}://{here}shop cannot be read: " in message
    assert "Correct user and password" in message
    message = refusal(server.address("shopp"), table="orders")
    assert "shopp" in message
    assert "Correct the name of the database" in message
    message = refusal(server.address().replace(f":{server.port}/", f":{free_port()}/"), table="orders")
    assert "Connection refused" in message
    assert "Start the server, or correct host and port." in message
    message = refusal(server.address().replace("127.0.0.1", "nowhere.invalid"), table="orders")
    assert "Start the server, or correct host and port." in message


@pytest.mark.parametrize("kind", SERVERS)
def test_a_table_that_may_not_be_read_is_said(kind, request):
    server = request.getfixturevalue(kind)
    secret = servers.PASSWORD.replace("%", "%%")
    made = f"CREATE USER guest {'PASSWORD' if kind == 'postgres' else 'IDENTIFIED BY'} '{secret}'"
    server.run("CREATE TABLE closed AS SELECT 1 AS a", "CREATE TABLE open_one AS SELECT 1 AS a", made)
    server.run("GRANT SELECT ON open_one TO guest")
    assert open_table(server.address(user="guest"), "open_one").count().to_pyarrow().as_py() == 1
    message = refusal(server.address(user="guest"), table="closed")
    assert "closed" in message


@pytest.mark.parametrize("kind", SERVERS)
def test_a_password_that_is_not_percent_encoded_is_taken_as_it_is(kind, request):
    server = request.getfixturevalue(kind)
    server.run(f"CREATE USER plain {'PASSWORD' if kind == 'postgres' else 'IDENTIFIED BY'} 'a@b/c:d'")
    server.run("CREATE TABLE for_plain AS SELECT 1 AS a", "GRANT SELECT ON for_plain TO plain")
    place = server.address(user="plain", password="a@b/c:d")
    assert open_table(place, "for_plain").count().to_pyarrow().as_py() == 1


@pytest.mark.parametrize(("kind", "driver"), [("postgresql", "psycopg"), ("mysql", "pymysql")])
def test_a_missing_driver_names_the_extra(kind, driver, monkeypatch):
    monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    extra = {"psycopg": "postgres", "pymysql": "mysql"}[driver]
    message = refusal(f"{kind}://owner:{servers.ENCODED}@127.0.0.1/shop", table="orders")
    assert f"Run: pip install -e '.[{extra}]'" in message


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_file_that_is_no_database_is_refused(kind, tmp_path):
    (tmp_path / "shop.db").write_text("customer,date,amount\n" * 200)
    assert "shop.db cannot be read: " in refusal(f"{kind}://{tmp_path}/shop.db", table="orders")
    assert "No such database" in refusal(f"{kind}://{tmp_path}/no.db", table="orders")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.db"]


def test_an_unknown_database_is_refused():
    message = refusal("nonsense://me:hidden@host/shop", table="orders")
    assert "nonsense://me@host/shop" in message
    assert "hidden" not in message


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'read'); print(1, flush=True); input()"


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_duckdb_file_that_another_process_has_open(mode, tmp_path):
    file = tmp_path / "shop.db"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS a")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, file, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"1\n"
        if mode == "read":
            assert open_table(f"duckdb://{file}", "orders").count().to_pyarrow().as_py() == 1
        else:
            assert "Another program writes it" in refusal(f"duckdb://{file}", table="orders")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


# Addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:pw@host:5432/shop", "postgresql://me@host:5432/shop"),  # pragma: allowlist secret
        ("postgresql://me:p@ss/w:rd?x@host/shop", "postgresql://me@host/shop"),
        ("mysql://:p%40ss@host/shop", "mysql://@host/shop"),
        (
            "postgresql://host/shop?user=me&password=pw&sslmode=require",
            "postgresql://host/shop?user=me&password=***&sslmode=require",
        ),
        ("postgresql://me@host/shop", "postgresql://me@host/shop"),
        ("duckdb://shop.db", "duckdb://shop.db"),
        ("a table of mysql://me:pw@host/shop", "a table of mysql://me@host/shop"),  # pragma: allowlist secret
        ("data/raw/me:pw@host.csv", "data/raw/me:pw@host.csv"),
    ],
)
def test_an_address_is_shown_without_its_password(text, expected):
    assert address.shown(text) == expected


def test_what_a_driver_says_is_cleaned_however_the_password_is_written():
    place = f"postgresql://me:{servers.ENCODED}@host/shop"
    said = f"invalid: {place}, {servers.PASSWORD}, {servers.ENCODED}"
    cleaned = address.without_password(said, place)
    assert servers.PASSWORD not in cleaned
    assert servers.ENCODED not in cleaned


def test_an_address_without_a_port_or_with_a_wrong_one():
    assert address.parts("postgres://me@host/shop").port == 5432
    assert address.parts("mariadb://[::1]:3307/my%20shop") == address.Address(
        "mariadb", "::1", 3307, "my shop"
    )
    with pytest.raises(InputError, match="Expected postgresql://USER@HOST:PORT/DATABASE"):
        address.parts("postgresql://host:port/shop")


def test_a_file_is_found_with_two_three_or_four_slashes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my shop.db").touch()
    for kind in ("sqlite", "duckdb"):
        for text in (
            "my shop.db",
            "/my shop.db",
            "my%20shop.db",
            f"{tmp_path}/my shop.db",
            f"/{tmp_path}/my shop.db",
        ):
            assert address.file(f"{kind}://{text}").samefile("my shop.db")


# Through the command line

SHORT_SEARCH = ("--trials", "2", "--max-segments", "4")  # these tests are about where the lines come from


def test_train_score_compare_and_drift_read_a_duckdb_file(new_folder, demo):
    store = new_folder("databases")
    with duckdb.connect(str(store.folder / "shop.db")) as connection:
        connection.execute(
            f"CREATE TABLE orders AS SELECT * FROM read_csv('{demo}', types={{'CustomerID': 'VARCHAR'}})"
        )
    (store.folder / "query.sql").write_text("SELECT * FROM orders")
    shop = ["duckdb://shop.db", "--table", "orders"]
    done = store.run("train", *shop, "--promote", *SHORT_SEARCH)
    assert "Reading duckdb://shop.db" in done.stdout
    assert "1,463 customers as of" in done.stdout
    for command in (
        ["score", *shop, "-o", "table.csv"],
        ["score", "duckdb://shop.db", "--query", "query.sql", "-o", "query.csv"],
        ["score", demo, "-o", "file.csv"],
        ["compare", *shop, "--from", "2024-06-30", "--to", "2024-12-21"],
        ["drift", *shop, "--log"],
    ):
        store.run(*command)
    tables = [(store.folder / name).read_bytes() for name in ("table.csv", "query.csv", "file.csv")]
    assert len(set(tables)) == 1
    done = store.run("train", "duckdb://shop.db", "--table", "order", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "Error: No table or view order in duckdb://shop.db. Expected one of: orders."
    )


@pytest.mark.parametrize("kind", SERVERS[:1])  # what hides it is the same for every server
def test_the_password_is_nowhere_after_a_training(kind, request, demo, new_folder):
    server = request.getfixturevalue(kind)
    store = new_folder(f"password-{kind}")
    made = Database(server.scheme, server.address(), server.connect)
    with gzip.open(demo, "rt", encoding="utf-8", newline="") as file:
        _, *texts = csv.reader(file)
    made.fill("secret_shop", dict.fromkeys(TYPES, "VARCHAR(200)"), texts)
    shop = [server.address(), "--table", "secret_shop"]
    logs = []
    for command in (
        ["train", *shop, *SHORT_SEARCH],
        ["score", *shop, "-o", "scored.csv", "--model", "challenger"],
        ["drift", *shop, "--log", "--json", "drift.json", "--model", "challenger"],
        ["train", server.address("shopp"), "--table", "secret_shop"],
        ["train", server.address(), "--table", "nothing"],
        ["train", server.address(), "other.csv", "--table", "nothing"],
        [
            "score",
            server.address(password="s3cret" * 100),  # pragma: allowlist secret
            "--table",
            "nothing",
            "-o",
            "no.csv",
            "--model",
            "1",
        ],
        ["train", server.address(), "--table", "secret_shop", "--column", "customer=nothing"],
        ["train", server.address(), "--table", "secret_shop", "--engine", "spark"],
    ):
        done = (store.run if logs else store.process)(*command, check=False)
        logs.append(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
        assert done.returncode == (0 if len(logs) <= 3 else 2), done.stderr
    said = "\n".join(logs)
    assert f"{server.scheme}://owner@127.0.0.1:{server.port}/shop" in said
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    contents = {path.name: path.read_bytes() for path in files}
    assert len(files) > 20
    assert any(f"owner@127.0.0.1:{server.port}".encode() in content for content in contents.values())
    for secret in (servers.PASSWORD, servers.ENCODED, "s3cret"):
        assert secret not in said
        assert not [name for name, content in contents.items() if secret.encode() in content]


def test_a_query_belongs_to_a_database(demo):
    with pytest.raises(InputError, match=r"--query query\.sql was given without a database"):
        count_customers([demo], replace(Reading(), query="query.sql"))
