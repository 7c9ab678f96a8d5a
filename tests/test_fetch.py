"""Fetching the data, against a real server on loopback that behaves well, badly, or changes its mind."""

import contextlib
import gzip
import io
import os
import random
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openpyxl
import pytest

from training.errors import InputError
from training.fetch import UCI_URL, Expected, check, fetch_uci

HEADER = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]
ROWS = [
    ["536365", "85123A", "HEART", 6, "2010-12-01 08:26:00", 2.55, 17850.0, "United Kingdom"],
    ["536365", "71053", "LANTERN", 6, "2010-12-01 08:26:00", 3.39, 17850.0, "United Kingdom"],
    ["536366", "22633", "HAND WARMER", 6, "2010-12-01 08:28:00", 1.85, 13047.0, "United Kingdom"],
    ["C536379", "D", "DISCOUNT", -1, "2010-12-01 09:41:00", 27.5, 14527.0, "United Kingdom"],
    ["536414", "22139", None, 56, "2010-12-01 11:52:00", 0, None, "United Kingdom"],
]
TINY = Expected(rows=5, missing_customers=1, customers=3)


def workbook(rows=ROWS, header=HEADER):
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(files):
    """A zip of the files and of a licence that makes it 300 kB long."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as contents:
        contents.writestr("LICENSE.txt", random.Random(1).randbytes(300_000))
        for name, data in files.items():
            contents.writestr(name, data)
    return file.getvalue()


def workbook_in(body):
    return zipfile.ZipFile(io.BytesIO(body)).read("Online Retail.xlsx")


# Made once: they hold the time they were made at.
WORKBOOK = workbook()
ARCHIVE = archive({"Online Retail.xlsx": WORKBOOK})


def whole(body, etag='"v1"', ranges=True, if_range=True, length=True, kind="application/zip"):
    """The reply of a server that knows Range and If-Range, unless told to ignore them."""

    def reply(handler):
        wanted = handler.headers.get("Range")
        unchanged = handler.headers.get("If-Range") in (None, etag) or not if_range
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and ranges and unchanged else 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if etag:
            handler.send_header("ETag", etag)
        if length:
            handler.send_header("Content-Length", str(len(body) - start))
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(body[start:])

    return reply


def dropped(body, after=100_000, etag='"v1"'):
    """The reply of a server whose connection breaks off."""

    def reply(handler):
        handler.send_response(200)
        if etag:
            handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:after])

    return reply


def status(code):
    return lambda handler: handler.send_error(code)


class Site(ThreadingHTTPServer):
    """Gives its replies in turn, the last one again and again, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        self.replies = []
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/online+retail.zip"

    @property
    def ranges(self):
        return [headers.get("Range") for headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server
        site.asked.append(self.headers)
        reply = site.replies.pop(0) if len(site.replies) > 1 else site.replies[0]
        reply(self)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site():
    server = Site()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "raw" / "online_retail.xlsx"


@pytest.fixture
def get(site, destination):
    """Fetch from the site; keyword arguments replace what is expected."""

    def get(url=None, expected=TINY):
        return fetch_uci(destination, url or site.url, show_progress=False, expected=expected, pause=0)

    return get


def files(destination):
    return sorted(file.name for file in destination.parent.iterdir())


def refused(get, **kwargs):
    """The message of the InputError, which always says what to do instead."""
    with pytest.raises(InputError) as caught:
        get(**kwargs)
    message = str(caught.value)
    assert "by hand in a browser" in message
    assert "data/raw" in message
    assert "segments demo" in message
    return message


def test_data_is_downloaded_checked_and_alone_in_its_folder(site, get, destination):
    site.replies = [whole(ARCHIVE)]
    assert get() == destination
    assert destination.read_bytes() == WORKBOOK
    assert files(destination) == ["online_retail.xlsx"]


def test_csv_in_the_archive_is_taken_for_a_csv_destination(site, tmp_path):
    text = ",".join(HEADER) + "\n" + "1,2,x,1,2010-12-01 08:26:00,1.0,17850.0,UK\n"
    site.replies = [whole(archive({"retail.csv": text, "retail.xlsx": WORKBOOK}))]
    path = fetch_uci(tmp_path / "retail.csv", site.url, False, expected=Expected(1, 0, 1), pause=0)
    assert path.read_text() == text


def test_interrupted_download_resumes_where_it_stopped(site, get, destination):
    site.replies = [dropped(ARCHIVE), status(503)]
    message = refused(get)
    part = destination.with_name("online_retail.xlsx.part")
    have = part.stat().st_size
    assert 0 < have <= 100_000
    assert part.read_bytes() == ARCHIVE[:have]
    assert f"{have:,} bytes that arrived are kept" in message

    site.asked, site.replies = [], [whole(ARCHIVE)]
    get()
    assert site.ranges == [f"bytes={have}-"]
    assert site.asked[0]["If-Range"] == '"v1"'
    assert files(destination) == ["online_retail.xlsx"]


def test_dropped_connection_is_taken_up_again_in_the_same_call(site, get, destination):
    site.replies = [dropped(ARCHIVE), whole(ARCHIVE)]
    get()
    first, second = site.ranges
    assert first is None
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 100_000
    check(destination, TINY)


def test_complete_part_is_not_downloaded_again(site, get, destination):
    site.replies = [dropped(ARCHIVE), status(503)]
    refused(get)
    destination.with_name("online_retail.xlsx.part").write_bytes(ARCHIVE)  # stopped after the very last byte
    site.asked = []
    get()
    assert site.asked == []
    check(destination, TINY)


def test_server_that_ignores_range_is_read_from_the_start(site, get, destination):
    site.replies = [dropped(ARCHIVE), whole(ARCHIVE, ranges=False)]
    get()
    assert len(site.asked) == 2
    check(destination, TINY)


def test_file_that_changed_meanwhile_is_read_from_the_start(site, get, destination):
    changed = archive({"Online Retail.xlsx": workbook(ROWS[::-1])})
    site.replies = [dropped(ARCHIVE), whole(changed, etag='"v2"')]
    get()
    assert site.asked[1]["If-Range"] == '"v1"'
    assert destination.read_bytes() == workbook_in(changed)


def test_starting_over_leaves_nothing_of_the_start_before(site, get, destination):
    site.replies = [dropped(ARCHIVE), dropped(ARCHIVE, etag='"v2"'), status(503)]
    refused(get)
    part = destination.with_name("online_retail.xlsx.part").read_bytes()
    assert part == ARCHIVE[: len(part)]


def test_answer_that_continues_somewhere_else_is_not_appended(site, get, destination):
    def elsewhere(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 5-{len(ARCHIVE) - 1}/{len(ARCHIVE)}")
        handler.send_header("ETag", '"v1"')
        handler.send_header("Content-Length", str(len(ARCHIVE) - 5))
        handler.end_headers()
        handler.wfile.write(ARCHIVE[5:])

    site.replies = [dropped(ARCHIVE), elsewhere, whole(ARCHIVE)]
    get()
    assert [bool(asked) for asked in site.ranges] == [False, True, False]
    assert destination.read_bytes() == WORKBOOK


def test_server_that_ignores_if_range_cannot_mix_two_files(site, get, destination):
    changed = ARCHIVE[:-1] + b"!"
    site.replies = [
        dropped(ARCHIVE),
        whole(changed, etag='"v2"', if_range=False),
        whole(ARCHIVE, etag='"v3"'),
    ]
    get()
    assert [bool(asked) for asked in site.ranges] == [False, True, False]
    assert destination.read_bytes() == WORKBOOK


def test_file_of_another_size_is_read_from_the_start_even_without_etag(site, get, destination):
    changed = archive({"Online Retail.xlsx": workbook(ROWS[::-1]), "more.txt": "more"})
    site.replies = [dropped(ARCHIVE, etag=None), whole(changed, etag=None)]
    get()
    assert [bool(asked) for asked in site.ranges] == [False, True, False]
    assert destination.read_bytes() == workbook_in(changed)


def test_part_of_another_address_is_not_continued(site, get):
    site.replies = [dropped(ARCHIVE), status(503)]
    refused(get)
    site.asked, site.replies = [], [whole(ARCHIVE)]
    get(url=site.url + "?mirror")
    assert site.ranges == [None]


def test_range_that_the_server_cannot_satisfy_starts_over(site, get, destination):
    site.replies = [dropped(ARCHIVE), status(416), whole(ARCHIVE)]
    get()
    assert site.ranges[2] is None
    check(destination, TINY)


def test_busy_server_is_asked_again(site, get, destination):
    site.replies = [status(503), status(429), whole(ARCHIVE)]
    assert get() == destination


def test_data_that_is_there_is_not_downloaded_again(site, destination, capsys):
    destination.parent.mkdir()
    destination.write_bytes(WORKBOOK)
    fetch_uci(destination, site.url, show_progress=True, expected=TINY)
    assert site.asked == []
    assert "already holds the data. Nothing was downloaded." in capsys.readouterr().err


def test_something_else_at_the_destination_is_kept_aside(site, get, destination):
    destination.parent.mkdir()
    destination.write_bytes(workbook(ROWS[:2]))
    site.replies = [whole(ARCHIVE)]
    get()
    check(destination, TINY)
    with pytest.raises(InputError, match="2 data rows"):
        check(destination.with_name("online_retail.xlsx.rejected"), TINY)


def test_progress_is_shown_or_not_as_asked(site, get, destination, capsys):
    site.replies = [whole(ARCHIVE)]
    get()
    assert capsys.readouterr().err == ""
    destination.unlink()
    fetch_uci(destination, site.url, show_progress=True, expected=TINY, pause=0)
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "holds the 5 rows that were expected" in shown


def test_no_internet_names_the_address_and_the_way_by_hand(get, site):
    server = Site()
    nowhere = server.url
    server.server_close()
    message = refused(get, url=nowhere)
    assert nowhere in message
    assert "No connection could be made" in message
    assert site.asked == []


def test_address_that_is_none_is_an_input_error(get):
    assert "cannot be used" in refused(get, url="not an address")


def test_missing_file_on_the_server_is_asked_for_once(site, get, destination):
    site.replies = [status(404)]
    message = refused(get)
    assert f"{site.url} answered 404 Not Found" in message
    assert len(site.asked) == 1
    assert files(destination) == []


def test_web_page_instead_of_the_archive_is_refused(site, get, destination):
    site.replies = [whole(b"<!DOCTYPE html><title>Log in to this network</title>", kind="text/html")]
    assert "a web page, not a file" in refused(get)
    assert files(destination) == ["online_retail.xlsx.rejected"]


def test_archive_cut_off_without_a_word_is_refused_and_the_next_try_starts_over(site, get):
    site.replies = [whole(ARCHIVE[:200_000], length=False)]
    assert "cut off" in refused(get)
    site.asked, site.replies = [], [whole(ARCHIVE)]
    get()
    assert site.ranges == [None]


def test_damaged_archive_is_refused(site, get, destination):
    body = bytearray(ARCHIVE)
    start = body.index(b"Online Retail.xlsx") + 1_000
    body[start : start + 50] = bytes(50)
    site.replies = [whole(bytes(body))]
    assert "damaged" in refused(get)
    assert files(destination) == ["online_retail.xlsx.rejected"]


def test_wrong_content_is_moved_aside_with_every_difference_named(site, get, destination):
    site.replies = [whole(archive({"Online Retail.xlsx": workbook(ROWS[1:3])}))]
    message = refused(get)
    assert (
        "2 data rows (expected 5), 0 rows without CustomerID (expected 1), 2 customers (expected 3)"
        in message
    )
    assert "online_retail.xlsx.rejected" in message
    assert files(destination) == ["online_retail.xlsx.rejected"]


def test_zip_bomb_is_refused_before_it_unpacks(site, get, destination):
    site.replies = [whole(archive({"Online Retail.xlsx": bytes(5_000_000)}))]
    message = refused(get, expected=Expected(5, 1, 3, largest_file=2_000_000))
    assert "would unpack to 5 MB. Expected at most 2 MB" in message
    assert files(destination) == ["online_retail.xlsx.rejected"]


def test_bomb_inside_the_workbook_is_refused_before_it_is_read(site, get, destination):
    inner = archive({"xl/worksheets/sheet1.xml": bytes(5_000_000)})
    site.replies = [whole(archive({"Online Retail.xlsx": inner}))]
    message = refused(get, expected=Expected(5, 1, 3, largest_sheet=2_000_000))
    assert "would unpack to 5 MB" in message
    assert not destination.exists()


def test_endless_download_is_stopped(site, get, destination):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            while len(sent) < 100:
                sent.append(handler.wfile.write(bytes(1_000_000)))

    site.replies = [endless]
    assert "sends more than 1 MB" in refused(get, expected=Expected(5, 1, 3, largest_file=1_000_000))
    assert len(sent) < 50
    assert files(destination) == []


@pytest.mark.parametrize(
    "name", ["../Online Retail.xlsx", "/etc/Online Retail.xlsx", "..\\x.xlsx", "C:x.xlsx"]
)
def test_names_that_lead_elsewhere_are_never_unpacked(site, get, destination, name):
    site.replies = [whole(archive({name: WORKBOOK}))]
    assert "Expected exactly one .xlsx file" in refused(get)
    assert [file.name for file in destination.parent.parent.iterdir()] == ["raw"]
    assert not destination.exists()


def test_a_link_in_the_archive_is_never_made_or_followed(site, get, destination, tmp_path):
    """Its target is a whole data file: taken for that, or for a way to it, it would pass the check."""
    target = tmp_path / "elsewhere.xlsx"
    target.write_bytes(WORKBOOK)
    link = zipfile.ZipInfo("Online Retail.xlsx")
    link.create_system = 3  # Unix, whose file types are in the upper half of external_attr
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for name in (str(target), "../elsewhere.xlsx"):
        site.replies = [whole(archive({link: name}))]
        refused(get)
        assert files(destination) == ["online_retail.xlsx.rejected"]
        (kept,) = destination.parent.iterdir()
        assert stat.S_ISREG(kept.lstat().st_mode)
        assert kept.read_text() == name
    assert target.read_bytes() == WORKBOOK


def test_two_workbooks_are_not_chosen_between(site, get):
    site.replies = [whole(archive({"one.xlsx": WORKBOOK, "two.xlsx": WORKBOOK}))]
    assert "LICENSE.txt, one.xlsx, two.xlsx" in refused(get)


def test_destination_must_be_a_file_of_a_known_kind(tmp_path):
    for place in (tmp_path, tmp_path / "online_retail.zip"):
        with pytest.raises(InputError, match=r"ends in \.xlsx or \.csv"):
            fetch_uci(place)


def test_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written"):
        fetch_uci(tmp_path / "file" / "online_retail.xlsx")


def test_check_names_found_and_expected_columns(tmp_path):
    path = tmp_path / "second_edition.xlsx"
    path.write_bytes(workbook(header=["Invoice", *HEADER[1:]]))
    with pytest.raises(
        InputError, match=r"its columns are Invoice, StockCode.*Expected InvoiceNo, StockCode"
    ):
        check(path, TINY)


def test_check_of_what_is_no_table_is_an_input_error(tmp_path):
    path = tmp_path / "x.xlsx"
    with pytest.raises(InputError, match="There is no file"):
        check(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="its columns are nothing"):
        check(path)
    path.write_bytes(ARCHIVE)  # a zip archive, but not a workbook
    with pytest.raises(InputError, match="cannot be read as a workbook"):
        check(path)


def test_check_leaves_the_file_alone(tmp_path):
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook(ROWS[:1]))
    before = path.read_bytes()
    with pytest.raises(InputError):
        check(path, TINY)
    assert path.read_bytes() == before


def test_the_address_is_the_archive_of_data_set_352():
    assert UCI_URL == "https://archive.ics.uci.edu/static/public/352/online+retail.zip"


@pytest.mark.realdata
def test_the_real_data_has_the_expected_counts(tmp_path):
    given = os.environ.get("SEGMENTS_REAL_DATA")
    if not given:
        pytest.skip("SEGMENTS_REAL_DATA is not set")
    path = Path(given)
    if path.suffix == ".gz":
        path = tmp_path / "online_retail.csv"
        path.write_bytes(gzip.decompress(Path(given).read_bytes()))
    check(path)
