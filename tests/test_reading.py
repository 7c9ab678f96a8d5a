"""Any shop's export becomes the same table: every file here says what SHOP says, in its own way."""

import datetime
import gzip
import os
from decimal import Decimal

import duckdb
import ibis
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.errors import InputError
from training.reading.read import read, read_lines
from training.reading.request import Request

SHOP = '''\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,"HEART, WHITE",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C536379,D,Discount,-1,2010-12-13 09:41:00,1027.5,014527,France
536370,22728,"CAFÉ ""CLOCK""",24,2010-12-01 08:45:00,3.75,,France
'''
ROWS = [
    ("17850", "536365", "2010-12-01 08:26", "6", "2.55", "15.3", "85123A", "United Kingdom", "HEART, WHITE"),
    ("014527", "C536379", "2010-12-13 09:41", "-1", "1027.5", "-1027.5", "D", "France", "Discount"),
    (None, "536370", "2010-12-01 08:45", "24", "3.75", "90", "22728", "France", 'CAFÉ "CLOCK"'),
]
HEAD = "InvoiceNo,Quantity,InvoiceDate,UnitPrice,CustomerID\n"


def rows(table):
    """The canonical table as tuples of text: times to the minute, numbers without trailing zeros."""

    def text(value):
        if isinstance(value, datetime.datetime):
            return value.isoformat(" ", "minutes")
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value

    return [tuple(text(value) for value in row.values()) for row in table.to_pyarrow().to_pylist()]


def shop(tmp_path, text, name="shop.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def column(tmp_path, name, values, **options):
    """One canonical column of a shop whose lines differ only in that one value."""
    line = {
        "InvoiceNo": "1",
        "Quantity": "1",
        "InvoiceDate": "2010-12-01",
        "UnitPrice": "1",
        "CustomerID": "1",
    }
    lines = ["\t".join({**line, name: value}.values()) for value in values]
    table = read_lines([shop(tmp_path, "\n".join(["\t".join(line), *lines]))], **options)
    position = {"CustomerID": 0, "InvoiceNo": 1, "InvoiceDate": 2, "Quantity": 3, "UnitPrice": 4}[name]
    return [row[position] for row in rows(table)]


def refusal(sources, **options):
    with pytest.raises(InputError) as caught:
        read_lines(sources, **options)
    return str(caught.value)


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)
    return path


# One table, many files.


def test_plain_csv(tmp_path):
    table = read_lines([shop(tmp_path, SHOP)])
    assert rows(table) == ROWS
    assert table.schema() == ibis.schema(
        {
            "customer_id": "string",
            "invoice": "string",
            "date": "timestamp(6)",
            "quantity": "decimal(15, 3)",
            "price": "decimal(18, 6)",
            "amount": "decimal(38, 9)",
            "stock_code": "string",
            "country": "string",
            "other_Description": "string",
        }
    )


def test_semicolons_decimal_comma_and_dotted_dates(tmp_path):
    text = '''\
InvoiceNo;StockCode;Description;Quantity;InvoiceDate;UnitPrice;CustomerID;Country
536365;85123A;HEART, WHITE;6;01.12.2010 08:26;2,55;17850;United Kingdom
C536379;D;Discount;-1;13.12.2010 09:41;1.027,50 €;014527;France
536370;22728;"CAFÉ ""CLOCK""";24;01.12.2010 08:45;3,75;;France
'''
    assert rows(read_lines([shop(tmp_path, text)])) == ROWS


def test_latin1_and_month_first_dates(tmp_path):
    text = SHOP.replace("2010-12-01 08:26:00", "12/1/2010 8:26").replace(
        "2010-12-13 09:41:00", "12/13/2010 9:41"
    )
    text = text.replace("2010-12-01 08:45:00", "12/1/10 8:45 AM")
    assert rows(read_lines([shop(tmp_path, text, encoding="latin-1")])) == ROWS


def test_latin1_character_late_in_the_file(tmp_path):
    text = HEAD + "1,1,2010-12-01,1,1\n" * 20_000 + "É1,1,2010-12-01,1,1\n"
    assert read_lines([shop(tmp_path, text, encoding="latin-1")]).invoice.max().execute() == "É1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_encodings_and_tabs(tmp_path, encoding):
    text = SHOP.replace('"HEART, WHITE"', "HEART; WHITE").replace(",", "\t").replace(";", ",")
    assert rows(read_lines([shop(tmp_path, text, "shop.txt", encoding)])) == ROWS


def test_gzip(tmp_path):
    path = tmp_path / "shop.csv.gz"
    path.write_bytes(gzip.compress(SHOP.encode()))
    assert rows(read_lines([path])) == ROWS


def test_line_of_a_ragged_row_counts_newlines_inside_quotes(tmp_path):
    path = shop(tmp_path, HEAD + '"1\n1",1,2010-12-01,1,1\n' * 3 + "1,1\n")
    assert refusal([path]).startswith(f"Line 8 of {path} has 2 fields. Expected 5")


def test_windows_and_mixed_newlines(tmp_path):
    assert rows(read_lines([shop(tmp_path, SHOP.replace("\n", "\r\n"))])) == ROWS
    assert rows(read_lines([shop(tmp_path, SHOP.replace("\n", "\r\n", 2))])) == ROWS


@pytest.mark.parametrize("above", ["\n\n", "\r\n  \r\n", ",,,,,,,\n"])
def test_blank_lines_above_the_header(tmp_path, above):
    assert rows(read_lines([shop(tmp_path, above + SHOP)])) == ROWS
    assert rows(read_lines([shop(tmp_path, above + SHOP, encoding="latin-1")])) == ROWS


def test_header_on_two_lines(tmp_path):
    text = SHOP.replace("UnitPrice", '"Unit\nPrice"')
    assert rows(read_lines([shop(tmp_path, text)])) == ROWS
    assert rows(read_lines([shop(tmp_path, text.replace("\n", "\r\n").replace("\r\nP", "\nP"))])) == ROWS
    assert "quote that is not closed" in refusal([shop(tmp_path, SHOP.replace(",Country", ',"Country'))])


def test_newline_inside_quotes(tmp_path):
    path = shop(tmp_path, SHOP.replace("HEART, WHITE", "HEART,\nWHITE"))
    assert rows(read_lines([path]))[0][-1] == "HEART,\nWHITE"


def test_workbook_with_two_sheets_and_notes(tmp_path):
    header = SHOP.splitlines()[0].split(",")
    day = datetime.datetime(2010, 12, 1, 8, 26)
    path = workbook(
        tmp_path / "shop.xlsx",
        Notes=[["Exported by the shop"]],
        Y2009=[header, [536365.0, "85123A", "HEART, WHITE", 6, day, 2.55, 17850.0, "United Kingdom"]],
        Y2010=[
            [],
            header,
            ["C536379", "D", "Discount", -1, "2010-12-13 09:41:00", 1027.5, "014527", "France"],
            [536370, 22728, 'CAFÉ "CLOCK"', 24, day.replace(minute=45), "3.75", None, "France"],
        ],
    )
    assert rows(read_lines([path])) == ROWS


def test_text_after_thousands_of_numbers_is_kept(tmp_path):
    # A reader that types a column by its first rows turns every cancellation into null.
    lines = [[number, 1, "2010-12-01", 1, 17850] for number in range(5_000)]
    lines += [[f"C{number}", -1, "2010-12-01", 1, 17850] for number in range(100)]
    csv = HEAD + "".join(",".join(map(str, line)) + "\n" for line in lines)
    book = workbook(tmp_path / "shop.xlsx", Sheet=[HEAD.strip().split(","), *lines])
    for path in (shop(tmp_path, csv), book):
        invoice = read_lines([path]).invoice
        assert invoice.isnull().sum().execute() == 0
        assert invoice.startswith("C").sum().execute() == 100


def test_typed_parquet(tmp_path):
    table = pa.table(
        {
            "InvoiceNo": ["536365", "C536379", "536370"],
            "StockCode": ["85123A", "D", "22728"],
            "Description": ["HEART, WHITE", "Discount", 'CAFÉ "CLOCK"'],
            "Quantity": [6, -1, 24],
            "InvoiceDate": [
                datetime.datetime(2010, 12, 1, 8, 26),
                datetime.datetime(2010, 12, 13, 9, 41),
                datetime.datetime(2010, 12, 1, 8, 45),
            ],
            "UnitPrice": [2.55, 1027.5, 3.75],
            "CustomerID": [17850.0, 14527.0, float("nan")],
            "Country": ["United Kingdom", "France", "France"],
        }
    )
    pq.write_table(table, tmp_path / "shop.parquet")
    assert rows(read_lines([tmp_path / "shop.parquet"])) == [ROWS[0], ("14527", *ROWS[1][1:]), ROWS[2]]


def test_database_table(tmp_path):
    path = tmp_path / "shop.db"
    with duckdb.connect(str(path)) as database:
        database.execute(
            f"CREATE TABLE sales AS SELECT * FROM read_csv('{shop(tmp_path, SHOP)}', types={{'CustomerID': 'VARCHAR'}})"
        )
    assert rows(read_lines([f"duckdb://{path}"], table="sales")) == ROWS


def test_other_usual_headers(tmp_path):
    text = (
        SHOP.replace("InvoiceNo", "Invoice")
        .replace("UnitPrice", "PRICE")
        .replace("CustomerID", "Customer ID")
    )
    assert rows(read_lines([shop(tmp_path, text)])) == ROWS


def test_typed_and_text_files_together(tmp_path):
    utc = datetime.datetime(2010, 12, 1, 8, 26, tzinfo=datetime.UTC)
    typed = pa.table(
        {"Customer": [7], "Date": pa.array([utc], pa.timestamp("ns", "Europe/Paris")), "Amount": [1.5]}
    )
    pq.write_table(typed, tmp_path / "1.parquet")
    shop(tmp_path, "Amount;Date;Customer\n2,5;01.12.2010 08:26;007\n", "2.csv")
    line = (None, "2010-12-01 08:26", "1", None)
    assert rows(read_lines([tmp_path])) == [
        ("7", None, "2010-12-01 09:26", "1", None, "1.5", None, None),  # on the clock of Paris
        ("007", *line, "2.5", None, None),
    ]


def test_mapped_headers(tmp_path):
    text = SHOP.replace("CustomerID", "Kundennr").replace("UnitPrice", "Stückpreis")
    path = shop(tmp_path, text)
    assert rows(read_lines([path], columns={"customer": "Kundennr", "price": "Stückpreis"})) == ROWS


def test_line_total_instead_of_quantity_and_price(tmp_path):
    path = shop(tmp_path, "order_id,date,customer_id,total\n1,2010-12-01,7,15.30\n")
    assert rows(read_lines([path])) == [("7", "1", "2010-12-01 00:00", "1", None, "15.3", None, None)]


def test_line_total_beside_quantity_and_price_counts_only_when_mapped(tmp_path):
    path = shop(tmp_path, "order_id,date,customer_id,qty,price,total\n1,2010-12-01,7,2,5,9\n")
    assert rows(read_lines([path])) == [("7", "1", "2010-12-01 00:00", "2", "5", "10", None, None, "9")]
    assert rows(read_lines([path], columns={"amount": "total"}))[0][3:6] == ("2", "5", "9")


def test_no_invoice_column(tmp_path):
    path = shop(tmp_path, "Date,Quantity,Price,Customer\n2010-12-01,6,2.55,7\n")
    assert rows(read_lines([path])) == [("7", None, "2010-12-01 00:00", "6", "2.55", "15.3", None, None)]


def test_other_columns_stay_as_they_were(tmp_path):
    path = shop(tmp_path, "Date,Amount,Customer,Note,\n2010-12-01,5, 7 , 1.0 ,x\n")
    table = read_lines([path])
    assert table.columns[-2:] == ("other_Note", "other_column_5")
    assert rows(table)[0][-2:] == (" 1.0 ", "x")


def test_several_files_folder_and_pattern(tmp_path):
    header, *lines = SHOP.splitlines(keepends=True)
    shop(tmp_path, header + lines[0], "1.csv")
    turned = "Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo\n"
    turned += "France,014527,1027.5,2010-12-13 09:41:00,-1,Discount,D,C536379\n"
    shop(tmp_path, turned, "2.csv")
    shop(tmp_path, header + lines[2], "3[b].csv")
    shop(tmp_path, "About this folder", "README.md")
    shop(tmp_path, "", ".hidden.csv")
    assert rows(read_lines([tmp_path])) == ROWS
    assert rows(read_lines([f"{tmp_path}/*.csv"])) == ROWS
    assert rows(read_lines([tmp_path, tmp_path / "1.csv"])) == ROWS, "a file counts once"


def test_the_given_connection_holds_only_the_result(tmp_path):
    connection = ibis.duckdb.connect()
    path = shop(tmp_path, SHOP)
    table = read_lines([path], connection=connection)
    path.unlink()
    assert rows(connection.table(table.op().name)) == ROWS
    assert connection.raw_sql("SELECT count(*) FROM duckdb_tables()").fetchone() == (1,)


def test_header_only_gives_no_rows(tmp_path):
    assert rows(read_lines([shop(tmp_path, SHOP.splitlines()[0])])) == []


# Identifiers, dates and numbers.


def test_identifiers_are_text(tmp_path):
    written = ["17850.0", "00123", " 7 ", "V1.0", "", '""', "   ", "nan", "NULL", "12345678901234567890"]
    expected = ["17850", "00123", "7", "V1.0", None, None, None, None, None, "12345678901234567890"]
    assert column(tmp_path, "CustomerID", written) == expected
    assert column(tmp_path, "InvoiceNo", ["536365.0", "C536379"]) == ["536365", "C536379"]


@pytest.mark.parametrize(
    "written",
    [
        "2010-12-01 20:26:00.000",
        "2010-12-1 20:26",
        "2010/12/01 20:26",
        "2010-12-01T20:26:00Z",
        "2010-12-01T20:26:00+01:00",
        " 2010-12-01 8:26 PM",
        "1.12.2010 20:26",
        "1/12/2010 8:26pm",
        "1-12-10 20:26",
        "20101201 20:26",
        "01-Dec-2010 20:26",
        "1 December 2010, 20:26",
        "Dec 1, 2010 8:26:00 p.m.",
    ],
)
def test_dates(tmp_path, written):
    assert column(tmp_path, "InvoiceDate", [written], date_order="day-first") == ["2010-12-01 20:26"]


def test_days_without_time(tmp_path):
    written = ["20101201", "20101201.0", "2010-12-01", "01.12.2010", "Dec 1, 2010"]
    assert column(tmp_path, "InvoiceDate", written) == ["2010-12-01 00:00"] * 5


def test_integer_dates_in_parquet(tmp_path):
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.table({"customer": [7], "date": [20101201], "amount": [Decimal("1.50")]}), path)
    assert rows(read_lines([path])) == [("7", None, "2010-12-01 00:00", "1", None, "1.5", None, None)]


def test_noon_and_midnight(tmp_path):
    written = ["2010-12-01 12:05 AM", "2010-12-01 12:05 PM", "2010-12-01 13:05 PM"]
    assert column(tmp_path, "InvoiceDate", written) == ["2010-12-01 00:05", "2010-12-01 12:05", None]


def test_unreadable_dates_are_null(tmp_path):
    written = ["2010-02-30", "yesterday", "", "0000-00-00", "2010-12-01 25:00", "99999999", "1 Foo 2010"]
    assert column(tmp_path, "InvoiceDate", written) == [None] * 7


def test_data_decide_the_date_order(tmp_path):
    assert column(tmp_path, "InvoiceDate", ["1/2/2010", "13/2/2010"]) == [
        "2010-02-01 00:00",
        "2010-02-13 00:00",
    ]
    assert column(tmp_path, "InvoiceDate", ["1/2/2010", "2-13-2010"]) == [
        "2010-01-02 00:00",
        "2010-02-13 00:00",
    ]


def test_undecided_date_order_is_refused(tmp_path):
    path = shop(tmp_path, HEAD + "1,1,1/2/2010,1,1\n")
    assert "--date-order day-first or --date-order month-first" in refusal([path])
    assert rows(read_lines([path], date_order="month-first"))[0][2] == "2010-01-02 00:00"


def test_both_date_orders_are_refused(tmp_path):
    path = shop(tmp_path, HEAD + "1,1,13/2/2010,1,1\n1,1,2/13/2010,1,1\n")
    assert "both day-first" in refusal([path])
    assert [row[2] for row in rows(read_lines([path], date_order="day-first"))] == ["2010-02-13 00:00", None]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["2,55", "1.234,50", "1.234", "12"], ["2.55", "1234.5", "1234", "12"]),
        (["1,234.50", "1,234", "1.234"], ["1234.5", "1234", "1.234"]),
        (["0,125", "1,234"], ["0.125", "1.234"]),
        (["1,234,567", "1,234"], ["1234567", "1234"]),
        (["1.234", "0.5"], ["1.234", "0.5"]),
        (
            ["£2.50", "-£2.50", "£ -2.5", "2.5 £", "+2.5", ".5", "1e3"],
            ["2.5", "-2.5", "-2.5", "2.5", "2.5", "0.5", "1000"],
        ),
        (["1 234,50", "2,5"], ["1234.5", "2.5"]),
        (
            ["(12.50)", "12.50-", "−12.50", "GBP 12.50", "12.50 gbp"],
            ["-12.5", "-12.5", "-12.5", "12.5", "12.5"],
        ),
        (["1'234.50", "1’000.–", "CHF 2.50"], ["1234.5", "1000", "2.5"]),
        (["1_000", "nan", "inf", "abc", "", "1,2,3", "12.5x"], [None] * 7),
    ],
)
def test_numbers(tmp_path, written, expected):
    assert column(tmp_path, "UnitPrice", written) == expected


@pytest.mark.parametrize(
    ("written", "comma", "point"), [("1,234", "1.234", "1234"), ("1.234", "1234", "1.234")]
)
def test_undecided_decimal_mark_is_refused(tmp_path, written, comma, point):
    path = shop(tmp_path, HEAD + f'1,1,2010-12-01,"{written}",1\n')
    assert "Say --decimal point or --decimal comma" in refusal([path])
    assert rows(read_lines([path], decimal="comma"))[0][4] == comma
    assert rows(read_lines([path], decimal="point"))[0][4] == point


def test_a_huge_line_total_is_exact(tmp_path):
    path = shop(tmp_path, HEAD + "1,99999999,2010-12-01,12.50,1\n")
    assert read_lines([path]).amount.sum().to_pyarrow().as_py() == Decimal("1249999987.5")


def test_both_decimal_marks_are_refused(tmp_path):
    path = shop(tmp_path, HEAD + '1,1,2010-12-01,"2,55",1\n1,1,2010-12-01,2.55,1\n')
    assert "--decimal point or --decimal comma" in refusal([path])
    assert [row[4] for row in rows(read_lines([path], decimal="comma"))] == ["2.55", None]


def test_money_is_exact(tmp_path):
    path = shop(tmp_path, HEAD + "1,3,2010-12-01,0.1,1\n" * 1000)
    assert read_lines([path]).amount.sum().to_pyarrow().as_py() == Decimal(300)


# What cannot be used.


def test_missing_column_is_named_with_a_suggestion(tmp_path):
    path = shop(tmp_path, SHOP.replace("CustomerID", "CustomerIdent"))
    message = refusal([path])
    assert message.startswith(f"No column for customer in {path}. Found: InvoiceNo, StockCode, ")
    assert message.endswith('Did you mean "CustomerIdent"? Map it with --column customer=CustomerIdent.')


def test_missing_price_is_named(tmp_path):
    message = refusal([shop(tmp_path, "Date,Quantity,Customer\n2010-12-01,6,7\n")])
    assert message.startswith("No column for price in ")
    assert "--column amount=NAME" in message


def test_mistaken_mappings_are_refused(tmp_path):
    path = shop(tmp_path, SHOP)
    assert 'Unknown role "client"' in refusal([path], columns={"client": "CustomerID"})
    assert 'No column "customerId"' in refusal([path], columns={"customer": "customerId"})
    assert 'Did you mean "CustomerID"?' in refusal([path], columns={"customer": "customerId"})
    assert 'Unknown date order "dmy"' in refusal([path], date_order="dmy")
    assert 'Unknown decimal mark ","' in refusal([path], decimal=",")


def test_two_equally_good_columns_are_refused(tmp_path):
    path = shop(tmp_path, "customer_id,Customer ID,date,amount\n1,2,2010-12-01,5\n")
    assert "could be customer: customer_id and Customer ID" in refusal([path])
    assert rows(read_lines([path], columns={"customer": "Customer ID"}))[0][0] == "2"


def test_repeated_column_name_is_refused(tmp_path):
    assert "more than one column named" in refusal([shop(tmp_path, "customer,date,Date,amount\n")])


def test_files_with_other_columns_are_refused(tmp_path):
    shop(tmp_path, SHOP, "1.csv")
    shop(tmp_path, SHOP.replace("Country", "Land"), "2.csv")
    message = refusal([tmp_path])
    assert message.startswith(f"{tmp_path / '2.csv'} has the columns ")
    assert "Land" in message


def test_sheets_with_other_columns_are_refused(tmp_path):
    path = workbook(
        tmp_path / "shop.xlsx",
        A=[["customer", "date", "amount"], [1, "2010-12-01", 5]],
        B=[["customer", "date", "amount", "tax"], [1, "2010-12-01", 5, 1]],
    )
    assert 'sheet "B" has the columns customer, date, amount, tax' in refusal([path])


def test_workbook_without_the_table_is_refused(tmp_path):
    path = workbook(tmp_path / "shop.xlsx", Notes=[[], ["Exported", "by the shop"]])
    assert refusal([path]).startswith(
        f"No column for customer and date and amount in {path}. Found: Exported, by the shop."
    )
    assert refusal([workbook(tmp_path / "none.xlsx", Empty=[])]).startswith(
        f"{tmp_path / 'none.xlsx'} is empty"
    )


TITLE = [["Umsatzliste 2025"], []]
NET_AND_GROSS = ["Rechnung", "Datum", "Kunden-Nr.", "Firma", "Netto", "MwSt", "Brutto"]
INVOICE = ["R1", "2025-05-02", 1085, "Max", 27.5, 5.25, 32.75]
QUESTION = "Two columns of {} could be amount: Netto and Brutto."


@pytest.mark.parametrize(
    "others",
    [{}, {"Hinweise": [["Stand", "Mai"], ["Konto", "Netto", "Brutto"]]}],
    ids=["alone", "with notes"],
)
def test_the_question_that_a_header_of_a_workbook_leaves_open_is_asked(tmp_path, others):
    path = workbook(tmp_path / "shop.xlsx", **others, Liste=[*TITLE, NET_AND_GROSS, INVOICE])
    assert refusal([path]).startswith(QUESTION.format(path))
    assert rows(read_lines([path], columns={"amount": "Netto"}))[0][5] == "27.5"


def test_every_sheet_with_the_same_question_is_read(tmp_path):
    path = workbook(
        tmp_path / "shop.xlsx",
        Mai=[*TITLE, NET_AND_GROSS, INVOICE],
        Juni=[NET_AND_GROSS, ["R2", "2025-06-02", *INVOICE[2:]]],
    )
    assert refusal([path]).startswith(QUESTION.format(path))
    assert len(rows(read_lines([path], columns={"amount": "Netto"}))) == 2


def test_a_sheet_with_a_question_is_left_out_beside_one_without(tmp_path):
    plain = [["Kunden-Nr.", "Datum", "Netto"], [1085, "2025-05-02", 27.5]]
    path = workbook(tmp_path / "shop.xlsx", Plain=plain, Both=[NET_AND_GROSS, INVOICE])
    assert [row[5] for row in rows(read_lines([path]))] == ["27.5"]


@pytest.mark.parametrize(
    ("header", "row"), [(["Datum", "Wer", "Netto"], "Datum, Wer, Netto"), (["Wer", "Wann"], "Wer, Wann")]
)
def test_the_row_that_is_most_like_a_header_is_named(tmp_path, header, row):
    path = workbook(tmp_path / "one.xlsx", Liste=[*TITLE, header, ["2025-05-02", "Max"]])
    assert f"Found: {row}." in refusal([path])
    path = workbook(
        tmp_path / "two.xlsx", Liste=[*TITLE, header, ["2025-05-02", "Max"]], Hinweise=[["Stand: Mai"]]
    )
    assert f'sheet "Liste" has {row}; sheet "Hinweise" has Stand: Mai.' in refusal([path])


@pytest.mark.parametrize("line", ["1,1,2010-12-01,1", "1,1,2010-12-01,1,1,more"])
def test_ragged_row_is_named(tmp_path, line):
    path = shop(tmp_path, HEAD + "1,1,2010-12-01,1,1\n" + line + "\n")
    assert refusal([path]).startswith(f"Line 3 of {path} has {line.count(',') + 1} fields. Expected 5")


def test_unclosed_quote_is_named(tmp_path):
    path = shop(tmp_path, HEAD + '"1,1,2010-12-01,1,1\n')
    assert refusal([path]).startswith(f"Line 2 of {path} has a quote that is not closed")


def test_a_stray_quote_in_the_header_does_not_swallow_the_lines(tmp_path):
    path = shop(tmp_path, HEAD.replace("InvoiceDate", '"Invoice"Date') + "1,1,2010-12-01,1,1\n")
    assert refusal([path]).startswith(f"Line 1 of {path} has a quote that is not closed")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n", "is empty"),
        ("names.csv", b'""\n', "holds no names"),
        ("page.csv", b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is a binary file"),
        ("cut.csv.gz", gzip.compress(os.urandom(5_000))[:-100], "is damaged"),
        ("plain.csv.gz", SHOP.encode(), "is damaged"),
        ("bad.xlsx", b"PK\x03\x04 not a workbook", "cannot be opened as a workbook"),
        ("bad.parquet", b"PAR1 not a table", "cannot be opened as Parquet"),
        ("shop.pdf", b"%PDF", "has an unknown ending"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_file_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal([path]).startswith(f"{path} {message}")


@pytest.mark.parametrize("place", [2, 40])
def test_parquet_whose_own_schema_is_damaged_is_refused(tmp_path, place):
    path = tmp_path / "shop.parquet"
    pd.DataFrame(
        {"CustomerID": ["1"], "InvoiceDate": [pd.Timestamp("2024-01-02")], "Amount": [2.5]}
    ).to_parquet(path)
    content = bytearray(path.read_bytes())
    start = content.rindex(b"ARROW:schema") + len(b"ARROW:schema") + place
    content[start : start + 4] = b"!!!!"
    path.write_bytes(content)
    assert refusal([path]).startswith(f"{path} cannot be opened as Parquet: ")


def test_a_control_character_in_the_name_of_a_column_is_left_out(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(SHOP.replace("CustomerID", "Custo\x00mer\x1bID", 1), encoding="utf-8")
    plain = tmp_path / "plain.csv"
    plain.write_text(SHOP, encoding="utf-8")
    assert read_lines([path]).to_pandas().equals(read_lines([plain]).to_pandas())


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_very_long_cell_is_read_and_lines_below_it_are_told(tmp_path, delimiter):
    path = tmp_path / "shop.csv"
    lines = [["InvoiceNo", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]]
    for at in range(60):
        text, quantity = ("x" * 200_000 if at == 40 else "MUG"), ("abc" if at == 50 else "2")
        lines.append([str(at), text, quantity, f"2024-01-{1 + at % 28:02} 10:00", "3.55", f"1{at}"])
    path.write_text("\n".join(map(delimiter.join, lines)), encoding="utf-8")
    found = read([path], Request())
    assert found.table.count().to_pyarrow().as_py() == 60
    assert [(example.line, example.value) for example in found.understanding.examples] == [(52, "abc")]


def test_gzip_cut_after_the_first_rows_is_refused(tmp_path):
    path = tmp_path / "cut.csv.gz"
    lines = "".join(f"{number},1,2010-12-01,1,{number * 7919 % 10007}\n" for number in range(50_000))
    path.write_bytes(gzip.compress((HEAD + lines).encode())[:-1000])
    assert refusal([path]).startswith(f"{path} is damaged")


def test_nothing_to_read_is_refused(tmp_path):
    assert refusal([tmp_path / "no.csv"]).startswith("No such file: ")
    assert refusal([f"{tmp_path}/*.csv"]).startswith("No file matches ")
    assert refusal([tmp_path]).startswith("No readable file in the folder ")
    assert refusal([]).startswith("No source was given")


def test_unusable_database_is_refused(tmp_path):
    path = tmp_path / "shop.db"
    duckdb.connect(str(path)).close()
    assert "with --table NAME" in refusal([f"duckdb://{path}"])
    assert "No table or view sales" in refusal([f"duckdb://{path}"], table="sales")
    assert "No such database" in refusal([f"duckdb://{tmp_path}/no.db"], table="sales")
    assert "without a database" in refusal([shop(tmp_path, SHOP)], table="sales")
    assert not (tmp_path / "no.db").exists()


@pytest.mark.realdata
@pytest.mark.skipif("SEGMENTS_REAL_DATA" not in os.environ, reason="SEGMENTS_REAL_DATA is not set")
def test_uci_online_retail():
    table = read_lines([os.environ["SEGMENTS_REAL_DATA"]])
    facts = table.aggregate(
        lines=table.count(),
        customers=table.customer_id.nunique(),
        without_customer=table.customer_id.isnull().sum(),
        invoices=table.invoice.nunique(),
        amount=table.amount.sum(),
    )
    assert facts.to_pyarrow().to_pylist() == [
        {
            "lines": 541_909,
            "customers": 4_372,
            "without_customer": 135_080,
            "invoices": 25_900,
            "amount": Decimal("9747747.934"),
        }
    ]
