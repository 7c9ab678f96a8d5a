"""Bad input in numbers: mutate small files and requests, and see that each is answered or refused in words.

    python checks/fuzz.py --seconds 60 [--target text] [--seed 0] [--keep FOLDER]

A file must be read, with a funnel that sums to its lines and features that a customer can have, or be refused
with an InputError. A request must get a 2xx that is right in form, or a 4xx with a JSON error and no traceback.
Every other case (another exception, a wrong answer, a crash, more than CASE_TIMEOUT_SECONDS) is kept as a file.
Each target runs in a process of its own, so that a crash costs one case. Cases follow from the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import functools
import gzip
import io
import json
import math
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from contract.names import FEATURES, MODEL
from training.demo import COLUMNS

CASE_TIMEOUT_SECONDS = 20
MEMORY_BYTES = 6 << 30  # of address space that a target may use
MAX_LINES = 60
CELLS = [
    *(
        "",
        " ",
        "\u00a0",
        "NaN",
        "null",
        "None",
        "-",
        "+",
        ".",
        ",",
        "0",
        "-0",
        "-1",
        "00017850",
        "17850.0",
        "C536365",
        "C",
    ),
    *(
        "1e308",
        "1e309",
        "-1e400",
        "1E5",
        "9" * 15,
        "9" * 19,
        "9" * 40,
        "0." + "1" * 40,
        "1,234",
        "1.234",
        "1.234,56",
    ),
    *(
        "1,234.56",
        "1 234,5",
        "£3.50",
        "3.50 €",
        "$-1",
        "(5.00)",
        "５",
        "٣",
        "1_000",
        "0x10",
        "inf",
        "-inf",
        "1e-400",
    ),
    *(
        "0001-01-01",
        "9999-12-31 23:59:59.999999",
        "31/02/2011",
        "13/13/2011",
        "1/2/2011",
        "2011-12-01T08:26:00Z",
    ),
    *(
        "20111201",
        "40513.35",
        "1 Dec 2011",
        "Dec 1, 2011 8:26 PM",
        "2011-12-01 25:61",
        "0000-00-00",
        "1900-02-29",
    ),
    *(
        '"',
        '""',
        "a\nb",
        "a\r\nb",
        "a,b;c\td|e",
        "=1+1",
        "'; DROP TABLE x; --",
        "%s{0}",
        "\x00",
        "\ufeff",
        "\u202e",
        "😀" * 9,
    ),
    *("x" * 5_000, "<html>", "../../etc/passwd", "customer_id", "\ud7ff", "é" * 40, "\u2028", "True"),
]
TOKENS = [
    *(
        b'"',
        b'""',
        b"'",
        b"\x00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b",",
        b";",
        b"\t",
        b"|",
    ),
    *(
        b",,,,,,,,,",
        b"\\",
        b"\x1a",
        b"\x80\x81",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"PAR1",
        b"<?xml",
    ),
    *(
        b"[" * 3_000,
        b"{" * 50,
        b"x" * 140_000,
        b"9" * 5_000,
        b"null",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"-",
        b"\\u0000",
        b"\\ud800",
    ),
]
VALUES = [
    *(
        None,
        True,
        False,
        "",
        "16",
        "soon",
        "NaN",
        [],
        {},
        [1],
        {"a": 1},
        [[1, 2]],
        0,
        -1,
        -0.0,
        0.5,
        1,
        3,
        1e-320,
        1e15,
        1e308,
    ),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        10**30,
        10**400,
        2**53 + 1,
        "x" * 2_000,
        "\x00",
        "\ud800",
        "2011-12-01",
    ),
]
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


class WrongAnswer(Exception):
    """An answer that is not right."""


# Files


def rows(rng: random.Random) -> list[list[str]]:
    """A header and some lines of a shop that is not like any other."""
    stamp = rng.choice(
        ["{y}-{m:02}-{d:02} {h:02}:{i:02}:00", "{d:02}/{m:02}/{y} {h:02}:{i:02}", "{m}/{d}/{y} {h}:{i:02}"]
    )
    price = rng.choice(["{:.2f}", "{:.3f}", "{:,.2f}"])
    table = [list(COLUMNS)]
    for _ in range(rng.randint(1, MAX_LINES)):
        invoice = f"{rng.choice(['', '', '', 'C'])}{rng.randint(536365, 536400)}"
        moment = {
            "y": 2011,
            "m": rng.randint(1, 12),
            "d": rng.randint(1, 28),
            "h": rng.randint(0, 23),
            "i": rng.randint(0, 59),
        }
        line = [
            invoice,
            f"{rng.randint(1, 99):05}",
            rng.choice(["MUG", 'A "B" C', "TEA, TIN", "CAFÉ"]),
            str(rng.randint(-5, 50)),
        ]
        line += [
            stamp.format(**moment),
            price.format(rng.random() * 2_000),
            rng.choice(["", "17850", "13047", "12583"]),
            "France",
        ]
        table.append(line)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        line = rng.choice(table)
        line[rng.randrange(len(line))] = rng.choice(CELLS)
    if rng.random() < 0.1:
        rng.choice(table).append(rng.choice(CELLS))
    if rng.random() < 0.1:
        table += [list(line) for line in table[1:]]
    return table


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, splice or put in a few bytes, or leave them as they are."""
    data = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([1, 2, 10, 100, 1_000]))
        match rng.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end]
            case 3:
                data[at:at] = rng.choice(TOKENS)
            case 4:
                del data[at:]
            case 5:
                other = rng.randrange(len(data) + 1)
                data[at:end] = data[other : other + end - at]
    return bytes(data)


def text_file(rng: random.Random) -> tuple[str, bytes]:
    """A delimited file, plain or .gz, in one of the encodings, mutated before or after it was packed."""
    written = io.StringIO(newline="")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    newline = rng.choice(["\n", "\r\n", "\r"])
    csv.writer(written, delimiter=rng.choice(",;\t|"), quoting=quoting, lineterminator=newline).writerows(
        rows(rng)
    )
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
    content = written.getvalue().encode(encoding, "replace")
    if rng.random() < 0.5:
        content = mutated(content, rng)
    if rng.random() < 0.2:
        content = gzip.compress(content)
        return "shop.csv.gz", mutated(content, rng) if rng.random() < 0.5 else content
    return "shop.csv", content


def workbook_file(rng: random.Random) -> tuple[str, bytes]:
    """An .xlsx, with a mutated part, mutated as a whole, or only with odd cells."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows(rng):
        cells = [
            float(cell) if cell.replace(".", "", 1).isascii() and cell.replace(".", "", 1).isdigit() else cell
            for cell in row
        ]
        with contextlib.suppress(ValueError, openpyxl.utils.exceptions.IllegalCharacterError):
            book.active.append(cells)
    packed = io.BytesIO()
    book.save(packed)
    how = rng.random()
    if how < 0.3:
        return "shop.xlsx", packed.getvalue()
    if how < 0.5:
        return "shop.xlsx", mutated(packed.getvalue(), rng)
    again = io.BytesIO()
    with zipfile.ZipFile(packed) as parts, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as target:
        names = parts.namelist()
        broken = rng.choice(
            [name for name in names if "sheet" in name or "Strings" in name or rng.random() < 0.3]
        )
        for name in names:
            part = parts.read(name)
            if name == broken:
                part = part.replace(
                    b'r="A1"', rng.choice([b'r="XFD1048576"', b'r="A0"', b'r="ZZZZZ9"', b'r="CV99999"', b""])
                )
                part = mutated(part, rng)
            target.writestr(name, part)
    return "shop.xlsx", again.getvalue()


def parquet_file(rng: random.Random) -> tuple[str, bytes]:
    """A .parquet of texts or of typed columns, mutated or with odd cells."""
    import pandas as pd

    header, *lines = rows(rng)
    frame = pd.DataFrame([line[: len(COLUMNS)] for line in lines], columns=header[: len(COLUMNS)])
    frame.columns = [
        name if list(frame.columns).count(name) == 1 else f"{name}{i}" for i, name in enumerate(frame.columns)
    ]
    for name in list(frame.columns):
        kind = rng.choice(["text", "text", "number", "date", "category"])
        if kind == "number":
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
        elif kind == "date":
            frame[name] = pd.to_datetime(frame[name], errors="coerce", format="mixed")
        elif kind == "category":
            frame[name] = frame[name].astype("category")
    with io.BytesIO() as packed:
        frame.to_parquet(packed, index=False, compression=rng.choice(["snappy", "zstd", None]))
        content = packed.getvalue()
    return "shop.parquet", mutated(content, rng) if rng.random() < 0.7 else content


def feature_file(rng: random.Random) -> tuple[str, bytes]:
    """A feature table as `segments score` takes it."""
    table = [["customer_id", *FEATURES]]
    table += [[f"c{i}", *map(str, customer(rng).values())] for i in range(rng.randint(0, 20))]
    for _ in range(rng.choice([0, 1, 2])):
        line = rng.choice(table)
        line[rng.randrange(len(line))] = rng.choice(CELLS)
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=rng.choice(",;\t")).writerows(table)
    content = mutated(written.getvalue().encode("utf-8", "replace"), rng)
    if rng.random() < 0.3:
        return "features.csv.gz", mutated(gzip.compress(content), rng)
    return "features.csv", content


def read_file(path: Path, rng: random.Random) -> bool:
    """Read, clean and count a file; whether it was accepted. Raises WrongAnswer for an answer that cannot be right."""
    from training.cleaning import clean
    from training.errors import InputError
    from training.features import customer_features
    from training.reading.read import read_lines

    order, decimal = rng.choice([None, "day-first", "month-first"]), rng.choice([None, "point", "comma"])
    try:
        lines = read_lines([path], date_order=order, decimal=decimal, connection=duckdb())
        line_count = lines.count().to_pyarrow().as_py()
        if path.name.endswith((".csv", ".csv.gz")):
            check_count(path, line_count + remarks_below(path))
        cleaned = clean(lines, keep_duplicates=rng.random() < 0.5)
        customers = customer_features(cleaned.orders, cleaned.as_of, rng.choice(["net", "drop"])).to_pandas()
    except InputError as error:
        if len(str(error)) > 5_000:
            raise WrongAnswer(f"a message of {len(str(error)):,} characters") from None
        return False
    funnel = cleaned.funnel
    if sum(getattr(funnel, name) for name, _ in funnel.STEPS) != funnel.read or funnel.read != line_count:
        raise WrongAnswer(f"the funnel does not sum to {line_count}: {funnel}")
    if not (customers.Recency >= 1).all() or not (customers.Recency <= customers.Tenure).all():
        raise WrongAnswer("Recency is not between 1 and Tenure")
    if not customers[list(FEATURES)].map(math.isfinite).all(axis=None) or not (customers.Monetary > 0).all():
        raise WrongAnswer("a feature is not a finite number")
    return True


def read_lines(path: Path, _: random.Random) -> bool:
    """Only read a text file, which is much quicker, and count its lines a second time."""
    from training.errors import InputError
    from training.reading import textfile

    try:
        table, remarks = textfile.load_with_remarks(path, duckdb())
        check_count(path, table.count().to_pyarrow().as_py() + len(remarks))
        duckdb().drop_table(table.op().name)
    except InputError:
        return False
    return True


@functools.cache
def duckdb():
    """One connection for many cases."""
    import ibis

    return ibis.duckdb.connect()


def remarks_below(path: Path) -> int:
    """How many lines below the table of a text file are told as remarks: a last line that was cut may be one."""
    from training.reading import textfile

    table, remarks = textfile.load_with_remarks(path, duckdb())
    duckdb().drop_table(table.op().name)
    return len(remarks)


def check_count(path: Path, line_count: int) -> None:
    """Raise WrongAnswer unless Python's own csv module finds as many lines under the header."""
    from training.reading import textfile

    layout = textfile.sniff(path)
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    try:
        text = content.decode(layout.encoding, "strict" if layout.encoding == "utf-8-sig" else "replace")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    old_limit = csv.field_size_limit(len(text) + 1)
    records = list(csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter))
    below = records[layout.above + 1 :]
    expected = sum(len(record) > 1 or any(map(str.strip, record)) for record in below)
    csv.field_size_limit(old_limit)
    if expected != line_count:
        raise WrongAnswer(f"{line_count} lines were read, the csv module finds {expected}")


def read_features(path: Path, _: random.Random) -> bool:
    """Read a feature table; whether it was accepted."""
    from training import score
    from training.errors import InputError

    try:
        table = score.feature_table([str(path)])
        if table is None:
            return False
        score._features_as_numbers(table)
    except InputError:
        return False
    return True


# Requests


def customer(rng: random.Random) -> dict:
    """The metrics of one possible customer."""
    tenure, orders = rng.randint(1, 700), rng.randint(1, 40)
    money = round(rng.lognormvariate(6, 2), 2)
    average = money / orders
    return dict(zip(FEATURES, (rng.randint(1, tenure), orders, money, average, tenure), strict=True))


def odd(value: object, rng: random.Random) -> object:
    """A JSON value with one place in it replaced, left out or doubled."""
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        new = [odd(value[at], rng)] * rng.choice([0, 1, 1, 1, 2])
        return value[:at] + new + value[at + 1 :]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        rest = {key: part for key, part in value.items() if key != name}
        return rest | {rng.choice([name, name, name, name.upper(), "", "x"]): odd(value[name], rng)}
    return rng.choice(VALUES)


def body(value: object, rng: random.Random) -> bytes:
    """A JSON body, perhaps with odd values or broken bytes."""
    for _ in range(rng.choice([0, 1, 1, 2])):
        value = odd(value, rng)
    content = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutated(content, rng) if rng.random() < 0.3 else content


def invocation(rng: random.Random) -> tuple[str, bytes]:
    """(content type, body) for POST /invocations in one of MLflow's forms."""
    import pandas as pd

    customers = [customer(rng) for _ in range(rng.randint(1, 5))]
    frame = pd.DataFrame(customers)
    kind = rng.choice([JSON] * 8 + [CSV, PARQUET])
    if kind == CSV:
        content = mutated(frame.to_csv(index=False).encode(), rng)
    elif kind == PARQUET:
        content = mutated(frame.astype(rng.choice(["float64", "str"])).to_parquet(index=False), rng)
    else:
        content = body(
            rng.choice(
                [
                    {"dataframe_records": customers},
                    {"dataframe_split": frame.to_dict("split")},
                    {"instances": customers},
                    {"inputs": customers},
                    {"inputs": frame.to_dict("list")},
                ]
            ),
            rng,
        )
    if rng.random() < 0.05:
        kind = rng.choice(
            ["", "text/plain", "application/json; charset=utf-16", "é", "application/xml", CSV, JSON, PARQUET]
        )
    return kind, content


def scoring():
    """Asks `segments serve`'s application in this process."""
    from serving.scoring import create_app

    os.environ["SEGMENTS_MODEL"] = f"models:/{MODEL}/1"
    app, loop = create_app(), asyncio.new_event_loop()
    app.follower.look()  # before the clock runs: the first request would wait for it

    def post(kind: bytes, content: bytes) -> tuple[int, bytes]:
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "raw_path": b"/invocations",
            "root_path": "",
        }
        scope |= {"http_version": "1.1", "scheme": "http", "query_string": b"", "headers": headers}
        sent = []

        async def receive() -> dict:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        loop.run_until_complete(app(scope, receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def ask(case: tuple[str, bytes]) -> bool:
        kind, body = case
        status, answer = post(kind.encode("latin-1", "replace"), body)
        content = parsed(status, answer)
        if status >= 400:
            if set(content) != {"error_code", "message"} or not content["message"]:
                raise WrongAnswer(f"an error of another shape: {answer[:300]!r}")
            return False
        check_rows(content["predictions"])
        return True

    return ask


def analytics():
    """Asks the analytics API in this process; a case is (method, path, content type, body)."""
    from serving import create_app

    app = create_app()
    app.extensions["champion"].look()  # before the clock runs: the first request would wait for it
    client = app.test_client()

    def ask(case: tuple[str, str, str, bytes]) -> bool:
        method, path, kind, content = case
        answer = client.open(path, method=method, data=content, content_type=kind or None)
        text = answer.mimetype in ("text/csv", "text/html", "text/javascript", "text/css", "image/svg+xml")
        if (answer.status_code < 400 and text) or method in ("HEAD", "OPTIONS"):
            return answer.status_code < 400
        parts = parsed(answer.status_code, answer.data)
        if answer.status_code >= 400:
            if set(parts) != {"error"} or set(parts["error"]) != {"code", "name", "message"}:
                raise WrongAnswer(f"an error of another shape: {answer.text[:300]}")
            return False
        if path.startswith("/score"):
            check_rows(parts if isinstance(parts, list) else [parts])
        return True

    return ask


def parsed(status: int, content: bytes):
    """The JSON of an answer. Raises WrongAnswer for a 5xx, a traceback, a long error, and what is not JSON."""
    if not 200 <= status < 500:
        raise WrongAnswer(f"status {status}: {content[:300]!r}")
    if b"Traceback" in content or b'File \\"' in content or b"stack_trace" in content:
        raise WrongAnswer(f"a traceback: {content[:500]!r}")
    if status >= 400 and len(content) > 5_000:
        raise WrongAnswer(f"an error of {len(content):,} bytes: {content[:300]!r}")
    try:
        return json.loads(content, parse_constant=refuse)
    except ValueError:
        raise WrongAnswer(f"not JSON: {content[:300]!r}") from None


def refuse(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are not JSON


def check_rows(rows: list[dict]) -> None:
    """Raise WrongAnswer unless each row is a complete and possible answer."""
    for row in rows:
        if row["segment"] < 0 or not row["segment_name"] or row["distance"] < 0:
            raise WrongAnswer(f"an impossible row: {row}")
        if row["is_anomaly"] != (row["anomaly_score"] > 1) or row["is_anomaly"] != bool(
            row["anomaly_reason"]
        ):
            raise WrongAnswer(f"a row that contradicts itself: {row}")


def score_request(rng: random.Random) -> tuple[str, str, str, bytes]:
    """POST /score."""
    customers = [customer(rng) for _ in range(rng.randint(1, 4))]
    kind = rng.choice(
        [JSON] * 20 + ["", CSV, "application/json; charset=latin-1", "application/problem+json"]
    )
    return "POST", "/score", kind, body(rng.choice([customers, customers[0]]), rng)


def query_request(rng: random.Random) -> tuple[str, str, str, bytes]:
    """A path of the API with odd parts and an odd query string."""
    part = rng.choice([*CELLS, "0", "1", "2", "17850", "99", "0.0", "../overview", "a/b", "//", "%2e%2e"])
    part = part if rng.random() < 0.1 else quote(part, safe="")
    path = rng.choice(
        [
            *(
                "/",
                "/health",
                "/analytics/overview",
                "/analytics/anomalies",
                "/analytics/anomalies.csv",
                "/ui",
                "/openapi.json",
            ),
            *(
                f"/analytics/customer/{part}",
                f"/analytics/segments/{part}/customers",
                f"/analytics/segments/{part}/customers.csv",
            ),
            *(
                f"/analytics/{part}",
                f"/{part}",
                "/analytics/map",
                "/analytics/summary",
                f"/static/{part}",
                "/apidocs",
            ),
        ]
    )
    names = ["page", "limit", "page[]", "", "PAGE", "x"]
    query = "&".join(
        f"{rng.choice(names)}={quote(rng.choice([*CELLS, '1', '2', '500', '501']))}"
        for _ in range(rng.randint(0, 3))
    )
    method = rng.choice(["GET"] * 12 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
    return method, f"{path}?{query}" if query else path, "", b""


# name: (makes a case, gives what tries one)
TARGETS = {
    "text": (text_file, lambda: read_file),
    "text, read only": (text_file, lambda: read_lines),
    "xlsx": (workbook_file, lambda: read_file),
    "parquet": (parquet_file, lambda: read_file),
    "feature table": (feature_file, lambda: read_features),
    "/invocations": (invocation, scoring),
    "POST /score": (score_request, analytics),
    "GET": (query_request, analytics),
}


def run(target: str, store: Path, seed: int, until: float, memory: int, folder: Path) -> None:
    """Try cases from `seed` on; after each, one more line of `folder`/log: accepted, refused or found."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.stderr = (folder / "stderr").open("a")
    os.dup2(sys.stderr.fileno(), 2)
    os.chdir(store)
    make, prepare = TARGETS[target]
    attempt = prepare()
    signal.signal(signal.SIGALRM, overdue)
    with (folder / "log").open("a", buffering=1) as log:
        while time.monotonic() < until:
            rng = random.Random(f"{target} {seed}")
            case = make(rng)
            write_case(folder, case)
            log.write(f"{seed} ")
            signal.alarm(CASE_TIMEOUT_SECONDS)
            try:
                if isinstance(case[0], str) and len(case) == 2 and target != "/invocations":
                    accepted = attempt(folder / case[0], rng)
                else:
                    accepted = attempt(case)
                signal.alarm(0)
                log.write("accepted\n" if accepted else "refused\n")
            except Exception as error:
                signal.alarm(0)
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(frame.filename).name}:{frame.lineno}"
                log.write(f"found {type(error).__name__} at {where}: {str(error)[:300]!r}\n")
                shutil.copytree(folder / "case", folder / f"found-{seed}", dirs_exist_ok=True)
            seed += 1


def overdue(*_: object) -> None:
    raise TimeoutError(f"more than {CASE_TIMEOUT_SECONDS} seconds")


def write_case(folder: Path, case: tuple) -> None:
    """Write a case down before it is tried: a file by its name, a request as its words and its body."""
    shutil.rmtree(folder / "case", ignore_errors=True)
    (folder / "case").mkdir()
    *words, content = case
    name = words[0] if len(words) == 1 and words[0].startswith(("shop.", "features.")) else "body"
    (folder / "case" / name).write_bytes(content)
    if name == "body":
        (folder / "case" / "request").write_text(repr(words))
    else:
        shutil.copy(folder / "case" / name, folder / name)


def fuzz(target: str, store: Path, seed: int, seconds: float, folder: Path) -> Counter:
    """Try a target for a while, in a new process after each crash; how many cases ended how."""
    folder.mkdir(parents=True)
    until = time.monotonic() + seconds
    log = folder / "log"
    while time.monotonic() < until:
        arguments = (target, store, seed, until, MEMORY_BYTES, folder)
        process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
        process.start()
        process.join(seconds + 3 * CASE_TIMEOUT_SECONDS)
        if process.exitcode == 0:
            break
        process.kill()
        process.join()
        last = log.read_text().splitlines()[-1] if log.exists() else ""
        if not last:
            raise SystemExit(f"{target} cannot be tried: see {folder / 'stderr'}")
        seed = int(last.split()[0])
        with log.open("a") as file:
            file.write(f"found a crash, exit code {process.exitcode}\n")
        shutil.copytree(folder / "case", folder / f"found-{seed}", dirs_exist_ok=True)
        seed += 1
    return Counter(line.split()[1] for line in log.read_text().splitlines() if len(line.split()) > 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="for each target")
    parser.add_argument(
        "--target", choices=[*TARGETS], action="append", help="only this one; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where to keep what was found; else a temporary folder")
    options = parser.parse_args()

    folder = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    store = folder / "store"
    store.mkdir(parents=True)
    os.environ |= {
        "MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlruns/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    (store / "mlruns").mkdir()
    train = [Path(sys.executable).with_name("segments"), "train", "--promote", "--trials", "5"]
    subprocess.run(train, cwd=store, check=True, capture_output=True)

    print("| target | cases | accepted | refused | found |\n|---|---|---|---|---|", flush=True)
    total = 0
    for target in options.target or TARGETS:
        target_folder = folder / re.sub("[^A-Za-z]+", "-", target).strip("-")
        counts = fuzz(target, store, options.seed, options.seconds, target_folder)
        columns = sum(counts.values()), counts["accepted"], counts["refused"], counts["found"]
        print(f"| {target} | " + " | ".join(f"{count:,}" for count in columns) + " |", flush=True)
        total += counts["found"]
        if not columns[0]:
            raise SystemExit(
                f"No case of {target} was tried: {options.seconds:g} seconds do not even start it."
            )
    print(
        f"\nWhat was found is in {folder}/*/found-*, in words in {folder}/*/log."
        if total
        else "\nNothing was found."
    )
    sys.exit(bool(total))


if __name__ == "__main__":
    main()
