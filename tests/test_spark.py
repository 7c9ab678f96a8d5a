"""Spark gives what one machine gives. Skipped where pyspark or Java is missing."""

import importlib.util
import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner

from training.cli import main
from training.demo import write_demo
from training.errors import InputError
from training.report.facts import monthly
from training.score import score_on_spark, score_sources
from training.shop import Reading, count_customers

ON_SPARK = Reading(engine="spark")
HERE = importlib.util.find_spec("pyspark") and (shutil.which("java") or "JAVA_HOME" in os.environ)
needs_spark = pytest.mark.skipif(
    not HERE, reason="pyspark or Java is not here: pip install -e '.[spark]', and Java 17 or 21"
)


@pytest.fixture(scope="module")
def spark():
    """The one session of this module, on two threads."""
    from training.reading.spark import ON_THIS_MACHINE, session

    with pytest.MonkeyPatch.context() as patch:
        few = ON_THIS_MACHINE.replace("shuffle.partitions=16", "shuffle.partitions=2")
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"--master local[2] {few}")
        session = session()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return str(write_demo(tmp_path_factory.mktemp("demo") / "demo.csv.gz"))


@pytest.fixture(scope="module")
def both(demo, spark):  # noqa: ARG001
    """The demo shop as DuckDB and as Spark count it."""
    return count_customers([demo], Reading()), count_customers([demo], ON_SPARK)


ORDERS = [
    ("0017", "A1", "2024-03-01 10:00:00.123456", 2, 1.5),
    ("0017", "A1", "2024-03-01 10:00:00.123456", 2, 1.5),
    ("0017", "CA2", "2024-03-02 23:59:59", -1, 1.5),
    ("18", "A3", "2024-03-05 00:00:00", 3, 0.123456),
    (None, "A4", "2024-03-05 00:00:00", 1, 9.0),
    ("19", "A5", "2024-02-28 12:00:00", 7, 1234.56),
]


HEADER = "customer;invoice;quantity;date;price;country"
# Dates of the first lines say which number is the month; there are more than the 64 KB that are looked at first.
PLAIN = [f"{n % 7};A{n // 3};{n % 5 + 1};{{date}};{n % 9}.5;DE" for n in range(3_000)]


def orders(path, unit="us", rows=ORDERS):
    """A few typed lines as Parquet."""
    columns = dict(
        zip(["customer", "invoice", "date", "quantity", "price"], zip(*rows, strict=True), strict=True)
    )
    table = pa.Table.from_pandas(
        pd.DataFrame(columns).assign(date=lambda t: pd.to_datetime(t.date, format="ISO8601"))
    )
    parquet.write_table(table.set_column(2, "date", table["date"].cast(pa.timestamp(unit), safe=False)), path)
    return str(path)


def same(one, other):
    pd.testing.assert_frame_equal(one.customers, other.customers, check_exact=True)
    assert (one.funnel, one.as_of, one.digest) == (other.funnel, other.as_of, other.digest)


@needs_spark
def test_customers_are_the_same_to_the_last_digit(both):
    duckdb, spark = both
    same(duckdb, spark)
    assert len(spark.customers) == 1463


@needs_spark
def test_months_are_the_same(both):
    duckdb, spark = both
    pd.testing.assert_frame_equal(monthly(duckdb.orders), monthly(spark.orders), check_exact=True)


@needs_spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_is_read_by_spark_as_by_duckdb(tmp_path, unit):
    file = orders(tmp_path / "sales[1].parquet", unit)
    same(count_customers([file], Reading()), count_customers([file], ON_SPARK))


@needs_spark
@pytest.mark.usefixtures("spark")
def test_files_of_different_kinds_are_one_shop(tmp_path):
    orders(tmp_path / "1.parquet", rows=ORDERS[:3])
    orders(tmp_path / "2.parquet", "ns", rows=ORDERS[3:])
    lines = ["date;customer;invoice;price;quantity", "06.03.2024;18;A6;1,50;1", '07.03.2024;"20";A7;2,25;4']
    (tmp_path / "3.csv").write_text("\n".join(lines), encoding="utf-16")
    found = count_customers([str(tmp_path)], ON_SPARK)
    same(count_customers([str(tmp_path)], Reading()), found)
    assert found.funnel.read == 8


PLAIN = [f"{n % 7};A{n // 3};{n % 5 + 1};2024-03-{n % 28 + 1:02} 10:00:00;{n % 9}.5;DE" for n in range(3000)]
HEADER = "customer;invoice;quantity;date;price;country"


def written(path, lines, encoding="utf-8", date="{0:%Y-%m-%d %H:%M:%S}"):
    """A text file of the lines below HEADER, `{date}` of them written in one form; more than are looked at first."""
    moment = datetime(2024, 3, 28, 9, 5)
    text = "\n".join([HEADER, *lines]).replace("{date}", date.format(moment))
    path.write_text(text, encoding=encoding)
    return str(path)


@needs_spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "date",
    [
        "{0:%Y-%m-%d %H:%M:%S}",
        "{0:%Y-%m-%dT%H:%M:%S}",
        "{0:%Y-%m-%d %H:%M}",
        "{0.month}/{0.day}/{0.year} 9:05",
    ],
)
def test_plain_text_is_typed_while_spark_reads_it(tmp_path, encoding, date):
    blank = [
        ";B1;1;{date};1.5;DE",
        "3;B2;;{date};1.5;DE",
        "3;B3;1;;1.5;DE",
        '3;B4;-1;{date};1.50;"two\nlines"',
    ]
    file = written(tmp_path / "sales.csv", [*PLAIN, *blank], encoding, date)
    from training.reading.spark_scan import scan

    assert scan([file], ON_SPARK.request, None, None) is not None
    found = count_customers([file], ON_SPARK)
    same(count_customers([file], Reading()), found)
    assert (found.funnel.missing_customer, found.funnel.unreadable, found.funnel.cancellations) == (1, 2, 1)


@needs_spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    "odd", ["3;B1;1;28.03.2024;1.5;DE", "3;B1;1;{date};1,234.50;DE", "3;B1;1;2024-02-31 10:00:00;1.5;DE"]
)
def test_one_cell_of_another_form_is_read_with_care(tmp_path, odd):
    file = written(tmp_path / "sales.csv", [*PLAIN, odd])
    from training.reading.spark_scan import scan

    assert scan([file], ON_SPARK.request, None, None) is not None
    same(count_customers([file], Reading()), count_customers([file], ON_SPARK))


@needs_spark
@pytest.mark.usefixtures("spark")
def test_lines_that_differ_in_any_column_are_no_duplicates(tmp_path):
    line = "3;B1;1;{date};1.5;DE"
    lines = [f"{line};{note}" for note in ("a;", "a;", ";a", "a;b", "b;a")]
    file = tmp_path / "sales.csv"
    file.write_text(
        "\n".join([f"{HEADER};note;other", *[each.replace("{date}", "2024-03-28") for each in lines]])
    )
    found = count_customers([str(file)], ON_SPARK)
    same(count_customers([str(file)], Reading()), found)
    assert found.funnel.duplicates == 1


@needs_spark
@pytest.mark.usefixtures("spark")
def test_what_is_too_large_for_one_machine_stays_on_spark(both, demo, monkeypatch):
    monkeypatch.setattr("training.reading.spark.LOCAL_UP_TO_ROWS", 100)
    found = count_customers([demo], ON_SPARK)
    assert found.orders.get_backend().name == "pyspark"
    assert both[1].orders.get_backend().name == "duckdb"
    same(both[0], found)
    pd.testing.assert_frame_equal(monthly(both[0].orders), monthly(found.orders), check_exact=True)


@needs_spark
def test_a_folder_by_its_address_and_a_table_by_its_name(spark, tmp_path):
    file = orders(tmp_path / "1.parquet")
    here = count_customers([file], Reading())
    same(here, count_customers([f"file://{tmp_path}"], ON_SPARK))
    spark.read.parquet(f"file://{file}").createOrReplaceTempView("sales")
    same(here, count_customers(["pyspark://"], replace(ON_SPARK, table="sales")))


@needs_spark
def test_a_sample_is_the_same_customers_on_both(both, demo):
    duckdb, spark = (count_customers([demo], reading, most=300, seed=7) for reading in (Reading(), ON_SPARK))
    same(duckdb, spark)
    assert spark.sampled_from == 1463
    assert 230 < len(spark.customers) < 370
    whole = both[0].customers
    pd.testing.assert_frame_equal(
        whole[whole.customer_id.isin(spark.customers.customer_id)].reset_index(drop=True), spark.customers
    )


@needs_spark
@pytest.mark.usefixtures("spark")
def test_scores_are_the_same_bit_for_bit(store, demo, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
    here = score_sources([demo], "champion", Reading(), tmp_path / "local.parquet")
    output = tmp_path / "spark.parquet"
    there = score_on_spark([demo], "champion", ON_SPARK, str(output))
    assert (there.customers, there.anomalies, there.as_of) == (1463, here.anomalies, here.as_of)
    local, found = pd.read_parquet(tmp_path / "local.parquet"), pd.read_parquet(output)
    local = local.drop(columns="returns_note")  # a sentence that is written on one machine only
    pd.testing.assert_frame_equal(
        found.sort_values("customer_id", ignore_index=True), local, check_exact=True
    )


@needs_spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "broken.csv",
            b"customer,date,amount\n1,2024-01-31,5\n2,2024-01-31\n",
            "Expected lines with 3 fields",
        ),
        (
            "mixed.csv",
            b"customer,date,amount\n" + b"1,2024-01-31,5\n" * 9000 + b"M\xfcller,2024-01-31,5\n",
            "UTF-8",
        ),
        ("late.csv", b"\n\ncustomer,date,amount\n1,2024-01-31,5\n", "does not begin with its header"),
        ("_hidden.csv", b"customer,date,amount\n1,2024-01-31,5\n", "Spark passes over"),
        ("book.xlsx", b"PK", "is a workbook"),
        ("damaged.parquet", b"PAR1", "cannot be opened as Parquet"),
    ],
)
def test_what_spark_cannot_read_is_said(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        count_customers([str(tmp_path / name)], ON_SPARK)


@needs_spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("sources", "table"),
    [
        (["file:///nowhere"], None),
        (["pyspark://"], "nowhere"),
        (["pyspark://"], None),
        (["sales.parquet"], "sales"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(sources, table):
    with pytest.raises(InputError, match=r"address of .* Parquet folder"):
        count_customers(sources, replace(ON_SPARK, table=table))


@needs_spark
@pytest.mark.usefixtures("spark")
def test_a_discount_of_an_order_is_refused_in_words(tmp_path):
    path = tmp_path / "discounted.csv"
    path.write_text("customer,order,date,quantity,price,order_discount\n1,7,2024-01-31,2,5,1\n")
    columns = {"order_discount": "order_discount"}
    with pytest.raises(InputError, match="an order's discount"):
        count_customers([str(path)], replace(ON_SPARK, columns=columns))
    assert count_customers([str(path)], Reading(columns=columns)).customers.Monetary.tolist() == [9]


def test_spark_writes_no_csv():
    with pytest.raises(InputError, match=r"Expected .parquet with --engine spark"):
        score_on_spark(["sales.parquet"], "champion", ON_SPARK, "scores.csv")


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is not None, reason="pyspark is here")
def test_without_pyspark_the_way_to_it_is_said(tmp_path):
    orders(tmp_path / "1.parquet")
    done = CliRunner().invoke(main, ["train", str(tmp_path), "--engine", "spark"])
    assert done.exit_code == 2
    assert "pip install -e '.[spark]'" in done.output


@needs_spark
def test_without_java_the_way_to_it_is_said(store, tmp_path):
    file = orders(tmp_path / "1.parquet")
    done = store.process("train", file, "--engine", "spark", check=False, JAVA_HOME="/nowhere")
    assert done.returncode == 2
    assert "Expected Java 17 or 21" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_on_a_sample_says_so(new_store, demo, tmp_path):
    import mlflow

    from training.clustering.sweep import Limits
    from training.train import Assignment, Settings, train_challenger

    shop = count_customers([demo], Reading(), most=700)
    assert shop.funnel.customers == 1470
    with new_store(tmp_path) as client:
        limits = Limits(min_stability=0, min_share=0.001, min_anomaly_rate=1e-4, max_anomaly_rate=0.5)
        given = Assignment(shop, Reading(), Settings(limits, trials=2), demo=True)
        outcome = train_challenger(given, demo)
        run = client.get_run(outcome.run_id)
        assert run.data.metrics["sampled_from"] == 1463
        assert run.data.metrics["customers"] == len(shop.customers) < 800
        said = f"{len(shop.customers)} customers, a uniform sample of 1,463, from 40,548 lines"
        assert said in outcome.lines[0]
        report = Path(mlflow.artifacts.download_artifacts(run_id=outcome.run_id, artifact_path="report.html"))
        assert "a uniform sample of 1,463" in report.read_text(encoding="utf-8")
        assert "7 customers are left out" in report.read_text(encoding="utf-8")
        scored = score_sources([demo], "challenger", Reading(), tmp_path / "all.parquet")
    assert scored.customers == 1463


def test_a_sample_is_seeded_and_nested(demo):
    small, same_one, large, other = (
        set(count_customers([demo], Reading(), most=most, seed=seed).customers.customer_id)
        for most, seed in ((200, 0), (200, 0), (600, 0), (200, 1))
    )
    assert small == same_one < large
    assert len(small & other) < 60
    assert count_customers([demo], Reading(), most=1463).sampled_from is None
