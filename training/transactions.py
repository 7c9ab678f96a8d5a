"""Any shop's transactions as one canonical table: read the sources, map their columns, type them.

Everything is read as text, or as the types it was stored with, and typed by one Ibis expression of
portable functions, so DuckDB, Spark and a warehouse give the same rows.
"""

from __future__ import annotations

import difflib
import glob
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from training import textfile, workbook
from training.errors import InputError
from training.reading.address import is_address, shown
from training.reading.database import open_table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

READABLE = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".xlsx")

# Usual column names, without case, blanks, underscores and dashes. An earlier group is preferred to
# a later one; two columns of one group are equally good, and then the user decides.
ROLES: dict[str, tuple[str, ...]] = {
    "customer": (
        "customerid customerno customernumber customercode custid custno",
        "customer client clientid clientno user userid buyer buyerid member memberid shopper shopperid",
    ),
    "invoice": (
        "invoice invoiceno invoiceid invoicenumber invoicecode",
        "order orderid orderno ordernumber ordercode",
        "transaction transactionid transactionno transactionnumber receipt receiptid receiptno basketid",
    ),
    "date": (
        "invoicedate invoicedatetime invoicetimestamp",
        "orderdate orderdatetime ordertimestamp orderedat purchasedate purchasedat transactiondate",
        "date datetime timestamp createdat",
    ),
    "quantity": ("quantity qty", "units items count"),
    "price": ("unitprice priceperunit itemprice", "price"),
    "amount": (
        "linetotal lineamount totalprice totalamount",
        "amount total sales revenue turnover spend totalsales netamount",
    ),
    "stock_code": ("stockcode", "sku", "productid productcode productno itemid itemcode itemno", "product"),
    "country": ("country countryname", "countrycode"),
}

IDENTIFIERS = ("customer_id", "invoice")
BLANK = " \t\r\n\u00a0"
# What exports write where an identifier is missing.
MISSING = ("", "nan", "na", "n/a", "<na>", "null", "none")

# How a day is written, each form with the order of its three parts. Dots are always day-first;
# the form that could be either is ordered by the data.
CLOCK = (
    "(?:[T ,]+([01]?[0-9]|2[0-3]):([0-9]{2})(?::([0-9]{2}(?:[.][0-9]+)?))?"  # 8:26, 08:26:00, 08:26:00.000
    "(?: ?([AaPp])[.]?[Mm][.]?)?"  # PM, p.m.
    "(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?))?)?"  # a zone is left out: the time is the shop's own
)
DAYS = {
    "([12][0-9]{3})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})": "ymd",
    "([12][0-9]{3})([0-9]{2})([0-9]{2})(?:[.]0)?": "ymd",
    "([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{4}|[0-9]{2})": "dmy",
    "([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4}|[0-9]{2})": "either",
    "([0-9]{1,2})[ -]?([A-Za-z]{3})[a-z]*[.,]?[ -]?([0-9]{4}|[0-9]{2})": "dmy",
    "([A-Za-z]{3})[a-z]*[.]? ([0-9]{1,2}),? ([0-9]{4})": "mdy",
}
ISO = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?)?$"
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def read(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
    table: str | None = None,
    query: str | None = None,
    connection: Backend | None = None,
    engine: str = "duckdb",
) -> ir.Table:
    """Files, folders, patterns or one database table -> one row a purchased line, in canonical columns.

    The columns are customer_id, invoice (text), date (timestamp), quantity (decimal(15,3)), price
    (decimal(18,6)), amount (decimal(38,9), in the shop's currency), stock_code, country (text), then
    the other columns of the source as text, each prefixed `other_`. A value that is missing or
    cannot be read is null.

    `columns` maps a role (customer, invoice, date, quantity, price, amount, stock_code, country) to
    the name of a column; the other roles are recognised by the usual names. `date_order` is
    "day-first" or "month-first", `decimal` is "point" or "comma"; None lets the data decide. With a
    database address (`duckdb://shop.db`), `table` names its table or view, or `query` a file with one
    SELECT; the database is only read (see `reading.database`). Files are loaded once into
    `connection`, by default a new DuckDB in memory. With `engine` "spark" the sources are Parquet,
    text or Spark's own tables, and stay with Spark in the same way.

    Raises InputError for sources that cannot be read, columns that are missing or ambiguous, and
    data that cannot decide between two ways of writing dates or numbers.
    """
    import ibis

    columns = dict(columns or {})
    _check("role", columns, ROLES)
    _check("date order", [date_order], (None, "day-first", "month-first"))
    _check("decimal mark", [decimal], (None, "point", "comma"))
    _check("engine", [engine], ("duckdb", "spark"))

    addresses = [str(source) for source in sources if is_address(source)]
    if engine == "spark":
        connection = None
        where, tables = _on_spark(sources, addresses, table, query)
    elif addresses:
        if len(sources) > 1:
            raise InputError(
                f"{shown(addresses[0])} is a database, and not the only source. Expected one address. "
                "Give it alone, with --table NAME or --query FILE.sql."
            )
        connection = None
        where, tables = (
            f"{query or table} of {shown(addresses[0])}",
            [open_table(addresses[0], table or "", query or "")],
        )
    elif table or query:
        raise InputError(
            f"--{'table' if table else 'query'} {table or query} was given without a database. "
            "Expected an address such as duckdb://shop.db."
        )
    else:
        connection = connection or ibis.duckdb.connect()
        paths = files(sources)
        where, tables = str(paths[0]), _gather(paths, columns, connection)

    roles = recognise(tables[0].columns, columns, where)
    dates = _texts(tables, [roles["date"]])
    numbers = _texts(tables, [roles[role] for role in ("quantity", "price", "amount") if role in roles])
    if dates is not None and date_order is None:
        date_order = textfile.date_order(dates)
    if numbers is not None and decimal is None:
        decimal = textfile.decimal_mark(numbers)

    # Where nothing is text, there is nothing to order, and any answer will do.
    parts = [
        canonical(part.select(tables[0].columns), roles, date_order or "day-first", decimal or "point")
        for part in tables
    ]
    lines = reduce(lambda above, below: above.union(below), parts)
    if connection is None:
        return lines
    transactions = connection.create_table(ibis.util.gen_name("transactions"), lines, temp=True)
    for part in tables:
        connection.drop_table(part.op().name)
    return transactions


def recognise(names: Sequence[str], columns: Mapping[str, str], where: str) -> dict[str, str]:
    """Column names, and the user's own mapping -> the name of the column for each role that has one.

    The line total (`amount`) is looked for only where quantity and price are not both there, or
    when it is mapped. Raises InputError, naming `where`, for a mapped column that does not exist,
    a role without a column, and two columns that are equally good for one role.
    """
    found = f"Found: {', '.join(filter(None, names))}."
    for role, name in columns.items():
        if name not in names:
            raise InputError(
                f'No column "{name}" in {where}, mapped to {role}. {found}{_hint([name], names)} '
                f"Map it with --column {role}=NAME."
            )
    roles = dict(columns)
    free = [name for name in names if name not in columns.values()]
    for role, groups in ROLES.items():
        if role in roles or (role == "amount" and {"quantity", "price"} <= roles.keys()):
            continue
        for group in groups:
            fitting = [name for name in free if _key(name) in group.split()]
            if len(fitting) > 1:
                raise InputError(
                    f"Two columns of {where} could be {role}: {' and '.join(fitting[:2])}. Expected one. "
                    f"Say which with --column {role}=NAME."
                )
            if fitting:
                roles[role] = fitting[0]
                break
    for role in ("customer", "date"):
        if role not in roles:
            hint = _hint(" ".join(ROLES[role]).split(), free)
            raise InputError(
                f"No column for {role} in {where}. {found}{hint} Map it with --column {role}=NAME."
            )
    if "amount" not in roles and not {"quantity", "price"} <= roles.keys():
        lacking = [role for role in ("quantity", "price") if role not in roles]
        hint = _hint(" ".join(ROLES[lacking[0]]).split(), free)
        raise InputError(
            f"No column for {' and '.join(lacking)} in {where}, and none for amount (the line total). "
            f"{found}{hint} Map it with --column {lacking[0]}=NAME or --column amount=NAME."
        )
    return roles


def canonical(
    table: ir.Table, roles: Mapping[str, str], date_order: str = "day-first", decimal: str = "point"
) -> ir.Table:
    """A shop's own columns, as text or typed -> the canonical columns of `read`; nothing runs yet."""
    columns = canonical_columns(table, roles, date_order, decimal)
    columns |= {name: identifier(columns[name]) for name in IDENTIFIERS}
    if "amount" not in roles:
        # One factor of more than 18 digits makes DuckDB multiply in 128 bits, where no product overflows.
        columns["amount"] = columns["quantity"].cast("decimal(19, 6)") * columns["price"]
    return table.select(**(columns | {"amount": columns["amount"].cast("decimal(38, 9)")}))


def canonical_columns(
    table: ir.Table, roles: Mapping[str, str], date_order: str = "day-first", decimal: str = "point"
) -> dict[str, ir.Value]:
    """The columns of `canonical`, identifiers still as they are stored, amounts of as many digits as their factors."""
    import ibis

    def column(role: str) -> ir.Value:
        return table[roles[role]] if role in roles else ibis.null("string")

    def label(
        role: str,
    ) -> ir.StringValue:  # as it is written: looking at every blank costs more than it gives
        given = column(role)
        return (given if given.type().is_string() else _text(given)).nullif("")

    def number(role: str, kind: str, absent: ir.Value) -> ir.DecimalValue:
        return _number(column(role), kind, decimal) if role in roles else absent.cast(kind)

    quantity = number("quantity", "decimal(15, 3)", ibis.literal(1))
    price = number("price", "decimal(18, 6)", ibis.null())
    return {
        "customer_id": column("customer"),
        "invoice": column("invoice"),
        "date": _timestamp(column("date"), date_order),
        "quantity": quantity,
        "price": price,
        "amount": number("amount", "decimal(33, 9)", ibis.null()) if "amount" in roles else quantity * price,
        "stock_code": label("stock_code"),
        "country": label("country"),
    } | {f"other_{name}": table[name].cast("string") for name in table.columns if name not in roles.values()}


def _check(what: str, given: Iterable[str | None], allowed: Iterable[str | None]) -> None:
    for value in given:
        if value not in allowed:
            raise InputError(
                f'Unknown {what} "{value}". Expected one of: {", ".join(filter(None, allowed))}.'
            )


def files(sources: Sequence[str | Path]) -> list[Path]:
    """Files, folders and patterns -> the files to read, each once, in the order given."""
    paths: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = [file for file in sorted(path.iterdir()) if is_readable(file)]
            if not inside:
                raise InputError(
                    f"No readable file in the folder {path}. Expected one of: {', '.join(READABLE)}."
                )
            paths += inside
        elif path.exists():
            if not path.name.lower().endswith(READABLE):
                raise InputError(
                    f"{path} has an unknown ending. Expected one of: {', '.join(READABLE)}. "
                    "Rename it, or export it again."
                )
            paths.append(path)
        elif glob.has_magic(str(source)):
            # Unlike Path.glob, glob.glob leaves hidden files out.
            matching = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
            if not matching:
                raise InputError(
                    f"No file matches {source}. Expected at least one. Check folder and pattern."
                )
            paths += files(matching)
        else:
            raise InputError(f"No such file: {path}. Expected a file, a folder or a pattern. Check the path.")
    if not paths:
        raise InputError("No source was given. Expected files, folders, patterns or a database address.")
    return list({path.resolve(): path for path in paths}.values())


def is_readable(file: Path) -> bool:
    """Whether a file in a folder is one to read: by its ending, and not hidden."""
    name = file.name.lower()
    return file.is_file() and name.endswith(READABLE) and not name.startswith(".")


def _gather(paths: Sequence[Path], columns: Mapping[str, str], connection: Backend) -> list[ir.Table]:
    """Files with the same columns -> temporary tables, one for each way in which the columns are typed."""
    tables: dict[frozenset, ir.Table] = {}
    names: tuple[str, ...] = ()
    for path in paths:
        table = _load(path, columns, connection)
        names = names or table.columns
        _check_same(table.columns, path, names, paths[0])
        types = frozenset(table.schema().items())
        if types in tables:
            whole = tables[types].op().name
            connection.raw_sql(f'INSERT INTO "{whole}" BY NAME SELECT * FROM "{table.op().name}"')
            connection.drop_table(table.op().name)
        else:
            tables[types] = table
    return list(tables.values())


def _check_same(names: Sequence[str], path: Path, first_names: Sequence[str], first: Path) -> None:
    if set(names) != set(first_names):
        raise InputError(
            f"{path} has the columns {', '.join(names)}; {first} has {', '.join(first_names)}. "
            "Expected the same columns in all files. Rename them, or read the files in separate runs."
        )


def _on_spark(
    sources: Sequence[str | Path], addresses: Sequence[str], table: str | None, query: str | None
) -> tuple[str, list[ir.Table]]:
    """What is read, in a word, and its tables on Spark: files, or one address."""
    from training import spark

    if query or bool(table) != (addresses == ["pyspark://"]) or (addresses and len(sources) > 1):
        raise InputError(
            f"--engine spark was given {shown(', '.join(map(str, sources)))}"
            f"{f' and --query {query}' if query else ''}{f' and --table {table}' if table else ''}. "
            "Expected files, the address of one Parquet folder, or pyspark:// with --table NAME."
        )
    connection = spark.connect()
    if addresses:
        return table or addresses[0], [spark.stored(addresses[0], table, connection)]
    views = spark.load(files(sources), connection)
    first, *others = views
    for path in others:
        _check_same(views[path].columns, path, views[first].columns, first)
    return str(first), list(views.values())


def _load(path: Path, columns: Mapping[str, str], connection: Backend) -> ir.Table:
    """One file -> a temporary table with its own columns and types; text stays text."""
    import duckdb
    import ibis

    if path.suffix.lower() == ".parquet":
        try:
            view = connection.read_parquet(glob.escape(str(path)))
            return connection.create_table(ibis.util.gen_name("parquet"), view, temp=True)
        except duckdb.Error as error:
            raise InputError(
                f"{path} cannot be opened as Parquet: {str(error).splitlines()[0]}. "
                "Expected a complete Parquet file. Copy or write it again."
            ) from None
    if path.suffix.lower() == ".xlsx":

        def is_header(names: list[str]) -> bool:
            try:
                return bool(recognise(names, columns, str(path)))
            except InputError:
                return False

        table = ibis.memtable(workbook.load(path, is_header))
        return connection.create_table(ibis.util.gen_name("workbook"), table, temp=True)
    return textfile.load(path, connection)


def _texts(tables: Sequence[ir.Table], names: Sequence[str]) -> ir.Table | None:
    """The different texts in these columns, as one column `text`; None when all of them are typed."""
    parts = [
        table.select(text=_text(table[name]))
        for table in tables
        for name in names
        if table[name].type().is_string()
    ]
    return reduce(lambda above, below: above.union(below), parts).distinct() if parts else None


def _text(column: ir.Value) -> ir.StringValue:
    """Any column as text without blanks around it; whole floats without decimals."""
    if column.type().is_string():
        # A regular expression, because DuckDB's trim of a set of characters is four times slower.
        return column.re_replace(f"^[{BLANK}]+|[{BLANK}]+$", "")
    if column.type().is_floating():
        whole = column.try_cast("int64")
        return (column == whole).ifelse(whole.cast("string"), column.cast("string"))
    return column.cast("string")


def identifier(column: ir.Value) -> ir.StringValue:
    """A column as identifiers: `17850.0` is `17850`, leading zeros stay, what is MISSING is null."""
    text = _text(column)
    digits = (column if column.type().is_string() else text).re_extract(
        f"^[{BLANK}]*([0-9]+)(?:[.]0+)?[{BLANK}]*$", 1
    )
    return digits.nullif("").coalesce(text.lower().isin(MISSING).ifelse(None, text))


def _number(column: ir.Value, kind: str, decimal: str) -> ir.DecimalValue:
    """A column as decimals of this kind; text by its decimal mark, without currency and separators."""
    import ibis

    if not column.type().is_string():
        return column.try_cast(kind)
    mark, separator = (".", ",") if decimal == "point" else (",", ".")
    separators = f"[{separator}{textfile.BLANKS}]"
    form = (
        "^(?:[£$€] ?)?([+-]?)(?:[£$€] ?)?"
        f"([0-9]*|[0-9]{{1,3}}(?:{separators}[0-9]{{3}})+)"
        f"(?:[{mark}]([0-9]*))?[ \u00a0]?[£$€]?$"
    )
    plain = "^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$" if decimal == "point" else "^[+-]?[0-9]+$"
    text = _text(column)
    return ibis.cases(
        (column.re_search(plain), column.try_cast(kind)),
        (
            text.re_search(form) & text.re_search("[0-9]"),
            (
                text.re_extract(form, 1)
                + text.re_extract(form, 2).re_replace(separators, "")
                + "."
                + text.re_extract(form, 3)
            ).try_cast(kind),
        ),
    )


def _timestamp(column: ir.Value, date_order: str) -> ir.TimestampValue:
    """A column as timestamps; text in any of the forms in DAYS, with or without a time of day."""
    import ibis

    if column.type().is_timestamp() or column.type().is_date():
        return column.cast("timestamp")
    text = _text(column)
    branches = []
    if column.type().is_string():
        branches.append((column.re_search(ISO), column.try_cast("timestamp")))
    for form, order in DAYS.items():
        pattern = f"^{form}{CLOCK}$"
        letters = {"day-first": "dmy", "month-first": "mdy"}[date_order] if order == "either" else order
        part = {letter: text.re_extract(pattern, position) for position, letter in enumerate(letters, 1)}
        hour, minute, second, half = (text.re_extract(pattern, position) for position in range(4, 8))
        century = (part["y"] < "69").ifelse("20", "19")
        year = (part["y"].length() == 2).ifelse(century + part["y"], part["y"])
        month = (
            part["m"]
            .lower()
            .cases(*((name, str(number)) for number, name in enumerate(MONTHS, 1)), else_=part["m"])
        )
        twelve = hour.try_cast("int64")
        clock = ibis.cases(
            (hour == "", "0"),
            (half == "", hour),
            (twelve.between(1, 12), (twelve % 12 + (half.lower() == "p").ifelse(12, 0)).cast("string")),
        )
        iso = [year, "-", month, "-", part["d"], " ", clock, ":", _or_zero(minute), ":", _or_zero(second)]
        branches.append((text.re_search(pattern), reduce(operator.add, iso).try_cast("timestamp")))
    return ibis.cases(*branches)


def _or_zero(text: ir.StringValue) -> ir.StringValue:
    return (text == "").ifelse("00", text)


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _hint(wanted: Sequence[str], names: Sequence[str]) -> str:
    """The name that looks most like one that was wanted, as a question; "" when none does."""
    keys = {_key(name): name for name in names}
    close = [match for want in wanted for match in difflib.get_close_matches(_key(want), keys, n=1)]
    return f' Did you mean "{keys[close[0]]}"?' if close else ""
