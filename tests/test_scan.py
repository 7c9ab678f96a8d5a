"""Files that are scanned give the customers that a careful reading gives, whatever stands in their later lines."""

import datetime as dt
import gzip

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training import shop
from training.cleaning import clean, moments
from training.errors import InputError
from training.features import customer_features
from training.reading import memory
from training.reading.read import read
from training.reading.request import Request
from training.reading.scan import scan_lines
from training.scanned import scanned_moments
from training.shop import Reading, count_customers

HEAD = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
PLAIN = [
    f"{invoice},{'ABC'[line]},{line + 1},2024-01-{1 + invoice % 28:02} 10:0{line}:00,{invoice % 7}.25,{invoice % 90}.0,UK\n"
    for invoice in range(700)
    for line in range(3)
]  # more than the first 64 KB, so that what follows them is not in the sample
CANCELLED = "C9,A,-1,2024-01-05 10:00:00,4.25,5.0,UK\n"


def written(path, *lines, head=HEAD):
    path.write_text(head + "".join(lines))
    return path


def counted(path, **options):
    """The customers and the funnel as the product counts them."""
    found = count_customers([str(path)], Reading(**options))
    return found.customers, found.funnel


def carefully(path, duplicates="drop", **options):
    """The same by `read`, which looks at every cell."""
    cleaned = clean(read([path], Request(duplicates=duplicates, **options)).table)
    return customer_features(cleaned.orders, cleaned.as_of).to_pandas(), cleaned.funnel


def same(one, other):
    pd.testing.assert_frame_equal(one[0], other[0], check_exact=True)
    assert one[1] == other[1]


def test_a_plain_file_is_scanned_and_stored_nowhere(tmp_path):
    path = written(tmp_path / "shop.csv", *PLAIN, CANCELLED)
    lines = scan_lines([path])
    assert lines.count().execute() == len(PLAIN) + 1
    assert lines.get_backend().raw_sql("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)
    same(counted(path), carefully(path))


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
@pytest.mark.parametrize(
    "late",
    [
        pytest.param('7,A,1,2024-01-05 10:00:00,"1,234.50",5.0,UK\n', id="separator of thousands"),
        pytest.param("7,A,1,2024-01-05 10:00:00,2.5,5,UK\n" * 2, id="an identifier in another form"),
        pytest.param("7,A,1,2024-01-05 10:00:00,2.5,nan,UK\n", id="a customer called nan"),
        pytest.param("7,A,1,2024-01-05 10:00:00,2.5, ,UK\n", id="a customer of blanks"),
        pytest.param("NULL,A,1,2024-01-05 10:00:00,2.5,5.0,UK\n", id="an invoice called NULL"),
        pytest.param(" C8,A,-1,2024-01-05 10:00:00,2.5,5.0,UK\n", id="blanks before a cancellation"),
        pytest.param("7,A,1,05 Jan 2024,2.5,5.0,UK\n", id="a date in another form"),
        pytest.param(
            "7,A,1,24-01-05 10:00:00,2.5,5.0,UK\n7,A,1,31-01-24,2,5.0,UK\n", id="a year of two digits"
        ),
        pytest.param("7,A,1,infinity,2.5,5.0,UK\n", id="no date"),
        pytest.param("7,A,one,2024-01-05 10:00:00,2.5,5.0,UK\n", id="no number"),
        pytest.param("7,A,1,2024-01-05 10:00:00,,5.0,UK\n", id="no price"),
        pytest.param("7,A,1,,2.5,,UK\n", id="no date and no customer"),
        pytest.param("7,A,999999999999,2024-01-05 10:00:00,999999999,5.0,UK\n", id="a very large amount"),
        pytest.param('"7","A","1","2024-01-05 10:00:00","2.5","5.0"," UK"\n', id="quotes and blanks"),
        pytest.param(PLAIN[5] * 3, id="exact duplicates"),
    ],
)
def test_a_later_line_may_be_anything(tmp_path, late, duplicates):
    path = written(tmp_path / "shop.csv", *PLAIN, late)
    same(counted(path, duplicates=duplicates), carefully(path, duplicates))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_later_lines_without_an_order_are_asked_about(tmp_path, kind):
    path = written(tmp_path / "shop.csv", *PLAIN, *[f",{article},1,,2.5,,UK\n" for article in range(150)])
    if kind == "parquet":
        duckdb.sql(f"COPY (FROM read_csv('{path}')) TO '{tmp_path / 'shop.parquet'}'")
        path = tmp_path / "shop.parquet"
    with pytest.raises(InputError, match=r"150 lines of 2,250.*--blank-lines above"):
        counted(path)
    same(counted(path, blank_lines="nobody"), carefully(path, blank_lines="nobody"))


REPEATED = [
    "C8,A,-2,2024-01-05 10:00:00,2.5,5.0,UK\n" * 3,  # a cancellation
    "8,A,-2,2024-01-06 10:00:00,-2.5,5.0,UK\n" * 2,  # both negative
    "8,A,0,2024-01-06 10:00:00,2.5,5.0,UK\n" * 2,  # worth nothing
    "8,gift card,-1,2024-01-06 10:00:00,2.5,5.0,UK\n" * 2,
    "8,A,-1,2024-01-06 10:00:00,2.5,5.0,UK\n" * 2,  # a deduction
    "8,A,1,2024-01-06 10:00:00,2.5,5.0,UK\n" * 3,
    "8,A ,1,2024-01-06 10:00:00,2.5,5.0,UK\n8, A,1,2024-01-06 10:00:00,2.5,5.0,UK\n",  # blanks are told apart
    "8,,1,2024-01-06 10:00:00,2.5,5.0,UK\n" * 2,
    '8,"",1,2024-01-06 10:00:00,2.5,5.0,UK\n',
    "8,A,1.0,2024-01-06 10:00:00,2.50,5.0,UK\n",  # the same numbers in another form
    "8,A,1,2024-01-06 10:00:00,2.5,5.0,\n" * 2,
    "8,A,1,2024-01-06 10:01:00,2.5,5.0,UK\n",  # a minute later
    "8,A,1,2024-01-06 10:00:00,2.5,,UK\n" * 2,  # no customer
    "8,A,1,,2.5,5.0,UK\n" * 2,  # no date
]


def rows_that_count(found):
    """Moments whose lines are used, in order, and the lines of the others by their step."""
    names = ["customer_id", "invoice", "date"]
    used = found.filter(found.step.isnull()).order_by(names).to_pyarrow().to_pylist()
    return used, sorted(
        found.filter(found.step.notnull()).group_by("step").aggregate(n=found.lines.sum()).execute().n
    )


@given(st.lists(st.sampled_from(REPEATED), min_size=1, max_size=12, unique=True), st.randoms())
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_digests_find_the_duplicates_that_a_comparison_of_all_columns_finds(tmp_path_factory, groups, draw):
    lines = [*"".join(groups).splitlines(keepends=True), *PLAIN[:40]]
    draw.shuffle(lines)
    path = written(tmp_path_factory.mktemp("repeated") / "shop.csv", *PLAIN[:3], *lines)
    assert rows_that_count(scanned_moments(scan_lines([path]))) == rows_that_count(
        moments(scan_lines([path]))
    )


def test_digests_find_duplicates_among_lines_that_differ_in_a_column_that_is_not_read(tmp_path):
    head = HEAD.replace("Country", "Country,Till,Weight")
    line = "8,A,1,2024-01-06 10:00:00,2.5,5.0,UK"
    lines = [f"{line},1,0.0\n" * 2, f"{line},2,0.0\n", f"{line},1,-0.0\n", f"{line},1,\n", f"{line},,0.0\n"]
    csv = written(tmp_path / "shop.csv", *lines, head=head)
    assert scanned_moments(scan_lines([csv])).purchase_lines.execute().tolist() == [5]
    typed = tmp_path / "shop.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{csv}', types={{'CustomerID': 'VARCHAR'}})) TO '{typed}'")
    assert rows_that_count(scanned_moments(scan_lines([typed]))) == rows_that_count(
        moments(scan_lines([typed]))
    )


def test_lines_that_do_not_fit_as_lists_are_compared_with_temporary_files(tmp_path, monkeypatch):
    path = written(tmp_path / "shop.csv", *PLAIN, *PLAIN[:9], CANCELLED)

    def too_little(lines):
        lines.get_backend().raw_sql("SET memory_limit = '3MB'")
        try:
            return scanned_moments(lines)
        finally:
            lines.get_backend().raw_sql("SET memory_limit = '300MB'")

    with pytest.raises(duckdb.OutOfMemoryException):
        too_little(scan_lines([path]))
    monkeypatch.setattr(shop, "scanned_moments", too_little)
    monkeypatch.setattr(shop, "read", None)  # that it is not read with care
    same(counted(path), carefully(path))


@pytest.mark.parametrize("setting", ["memory_limit", "max_temp_directory_size"])
def test_very_many_moments_get_more_memory_and_temporary_files_their_space_again(
    tmp_path, monkeypatch, setting
):
    path = written(tmp_path / "shop.csv", *PLAIN)

    def setting_of(shop):
        return shop.moments.get_backend().raw_sql(f"SELECT current_setting('{setting}')").fetchone()[0]

    usual = setting_of(count_customers([path], Reading()))
    monkeypatch.setattr(memory, "BYTES_PER_ROW", memory.memory_bytes())
    many = setting_of(count_customers([path], Reading()))
    assert (many == usual) == (setting == "max_temp_directory_size")
    assert "%" in usual or setting == "memory_limit"


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_a_scan_for_which_the_memory_is_too_little_gets_more(tmp_path, monkeypatch, duplicates):
    path = written(tmp_path / "shop.csv", *PLAIN, CANCELLED)
    monkeypatch.setattr(memory, "memory_bytes", lambda: 3_000_000)
    with pytest.raises(duckdb.OutOfMemoryException):
        moments(scan_lines([path]), duplicates == "keep")
    monkeypatch.setattr(shop, "read", None)  # that it is not read with care
    same(counted(path, duplicates=duplicates), carefully(path, duplicates))


def test_a_later_line_that_nobody_can_read_is_refused_by_its_number(tmp_path):
    path = written(tmp_path / "shop.csv", *PLAIN, "1,2\n")
    with pytest.raises(InputError, match=f"Line {len(PLAIN) + 2} of .* has 2 fields"):
        counted(path)


def test_a_country_is_told_without_blanks_around_it(tmp_path):
    lines = [line.replace(",UK\n", ", UK \n" if n % 2 else ",  \n") for n, line in enumerate(PLAIN)]
    path = written(tmp_path / "shop.csv", *lines)
    assert set(counted(path)[0].country.dropna()) == {"UK"}
    same(counted(path), carefully(path))


cells = st.sampled_from(
    ["1", "1.0", "01", " 1", "C1", "", "nan", "2.50", "-3", "2,5", "x", "2024-01-05", "é"]
)


@given(st.lists(st.tuples(st.integers(0, 6), cells), min_size=1, max_size=6), st.booleans())
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_odd_cells_change_nothing(tmp_path_factory, odd, keep):
    lines = [PLAIN[n].strip().split(",") for n in range(len(odd))]
    for line, (column, cell) in zip(lines, odd, strict=True):
        line[column] = f'"{cell}"'
    late = ["C" + ",".join(line) + "\n" if n % 2 else ",".join(line) + "\n" for n, line in enumerate(lines)]
    path = written(tmp_path_factory.mktemp("odd") / "shop.csv", *PLAIN, *late)
    duplicates = "keep" if keep else "drop"
    try:
        careful = carefully(path, duplicates)
    except InputError as refused:
        with pytest.raises(InputError, match="^" + str(refused)[:20]):
            counted(path, duplicates=duplicates)
        return
    same(counted(path, duplicates=duplicates), careful)


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("%Y-%m-%d", None),
        ("%Y-%m-%dT%H:%M:%S", None),
        ("%Y-%m-%d %H:%M", None),
        ("%m/%d/%Y %H:%M", None),
        ("%d/%m/%Y", None),
        ("%d/%m/%Y %H:%M", "day-first"),
    ],
)
def test_usual_forms_of_dates_are_scanned(tmp_path, form, order):
    days = [dt.datetime(2024, 1, 1, 8, 26) + dt.timedelta(days=n) for n in range(90)]
    path = written(
        tmp_path / "shop.csv",
        *(f"{n},A,2,{day.strftime(form)},1.25,{n % 60},UK\n" for n, day in enumerate(days)),
    )
    assert scan_lines([path], date_order=order).date.max().execute() == max(
        dt.datetime.strptime(day.strftime(form), form) for day in days
    )
    same(counted(path, date_order=order), carefully(path, date_order=order))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,A,1,2024-01-05,1.234,5,UK\n", "a thousand, or a little more than one"),
        ("1,A,1,1/2/2024,1.25,5,UK\n", "January or February"),
        ("1,A,1,2024-01-05,€1.25,5,UK\n", "a currency"),
        ("1,A,1,20240105,1.25,5,UK\n", "digits"),
    ],
)
def test_what_the_first_lines_leave_open_is_read_with_care(tmp_path, line, why):
    assert scan_lines([written(tmp_path / "shop.csv", line * 3)]) is None, why


def test_decimal_comma_on_request_is_read_with_care(tmp_path):
    assert scan_lines([written(tmp_path / "shop.csv", *PLAIN)], decimal="comma") is None


def test_files_written_alike_are_one_scan_and_others_are_not(tmp_path):
    one, two = written(tmp_path / "1.csv", *PLAIN), written(tmp_path / "2.csv", CANCELLED)
    assert scan_lines([one, two]).count().execute() == len(PLAIN) + 1
    (tmp_path / "3.csv.gz").write_bytes(gzip.compress((HEAD + CANCELLED).encode()))
    assert scan_lines([tmp_path / "3.csv.gz"]).count().execute() == 1
    assert scan_lines([one, tmp_path / "3.csv.gz"]) is None
    assert (
        scan_lines([one, written(tmp_path / "4.csv", CANCELLED, head=HEAD.replace("Country", "Land"))])
        is None
    )


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_typed_parquet_is_scanned(tmp_path, duplicates):
    path = tmp_path / "shop.parquet"
    source = written(
        tmp_path / "shop.csv", *PLAIN, *PLAIN[:9], "7,A,1,2024-01-05 10:00:00,2.5,,UK\n", CANCELLED
    )
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{source}', types={{'InvoiceNo': 'VARCHAR'}})) TO '{path}'")
    assert pq.read_schema(path).field("CustomerID").type == pa.float64()
    assert scan_lines([path]) is not None
    same(counted(path, duplicates=duplicates), carefully(path, duplicates))
    same(counted(path, duplicates=duplicates), counted(source, duplicates=duplicates))


def test_parquet_files_of_other_types_or_texts_are_read_with_care(tmp_path):
    line = {"Invoice": ["1"], "Date": [dt.datetime(2024, 1, 5)], "Amount": [2.5]}
    pq.write_table(pa.table({"Customer": [7], **line}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"Customer": ["007"], **line}), tmp_path / "2.parquet")
    assert scan_lines([tmp_path / "1.parquet"]) is not None
    assert scan_lines([tmp_path / "1.parquet", tmp_path / "2.parquet"]) is None
    pq.write_table(pa.table({"Customer": [7], **line, "Amount": ["2.5"]}), tmp_path / "3.parquet")
    assert scan_lines([tmp_path / "3.parquet"]) is None


@pytest.mark.realdata
def test_the_uci_data_are_scanned(uci_file):
    lines = scan_lines([uci_file])
    assert lines is not None
    assert lines.count().execute() == 541_909
