"""The moments in a shop's table: how days, clocks and zones are written. All is portable Ibis: nothing runs here."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Container, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from training.errors import InputError
from training.reading.kept import one_row
from training.reading.texts import text_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

ZONE = "Z|(?:UTC|GMT)?[+-][0-9]{1,2}:?(?:[0-9]{2})?|[A-Za-z]+/[A-Za-z_/]+|[A-Z]{2,5}"
CLOCK = (
    "(?:[T ,]+([01]?[0-9]|2[0-3])[:h]([0-9]{2})(?::([0-9]{2}(?:[.][0-9]{1,6})?)[0-9]*)?"  # 8:26, 08:26:00.000
    r"(?: ?([AaPp])[.]?[Mm]\b[.]?)?"  # PM, p.m.
    f"(?: ?({ZONE}))?(?: ?[(][^)]*[)])?)?"  # a zone counts only where one is asked for
)
LETTERS = "[A-Za-zÀ-ž]"  # of months; a class of all letters would take seconds to compile
WEEKDAY = "(?:[A-Za-z]{2,9}[.]?,? )?"
# How a day is written, each form with the order of its three parts. Dots are always day-first;
# the form that could be either is ordered by the data.
DAYS = {
    "([12][0-9]{3})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})": "ymd",
    "([12][0-9]{3})([0-9]{2})([0-9]{2})(?:[.]0)?": "ymd",
    "([0-9]{1,2})[.] ?([0-9]{1,2})[.] ?([0-9]{4}|[0-9]{2})": "dmy",
    "([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4}|[0-9]{2})": "either",
    WEEKDAY
    + r"([0-9]{1,2})[.]?(?:[ -]| de )?([A-Za-zÀ-ž]{3,10})[.,]?(?:[ -]| de )?([0-9]{4}|[0-9]{2})": "dmy",
    WEEKDAY + r"([A-Za-zÀ-ž]{3,10})[.]?[ -]([0-9]{1,2})(?:st|nd|rd|th)?(?:,? |-)([0-9]{4}|[0-9]{2})": "mdy",
    r"([12][0-9]{3})[ -]([A-Za-zÀ-ž]{3,10})[ -]([0-9]{1,2})": "ymd",
}
ISO = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?)?$"
# The beginnings of the months' names in eight languages, in lower case.
MONTHS = (
    "jan ene gen sty",
    "feb fév fev lut",
    "mar mär mrz mrt mae",
    "apr abr avr kwi",
    "may mai mei mag maj",
    "jun jui giu cze",
    "jul lug lip",
    "aug ago aoû aou sie",
    "sep set wrz",
    "oct okt ott out paź paz",
    "nov lis",
    "dec dez déc dic gru",
)
JULY = "juil"  # begins as the French June does

DIGITS = "^([0-9]+)(?:[.,]([0-9]+))?$"
COMPACT = {  # digits and no marks: hours, minutes and seconds after the day
    "^((?:19|20)[0-9]{2})(0[1-9]|1[0-2])([0-2][0-9]|3[01])([01][0-9]|2[0-3])$": "h",
    "^((?:19|20)[0-9]{2})(0[1-9]|1[0-2])([0-2][0-9]|3[01])([01][0-9]|2[0-3])([0-5][0-9])$": "hm",
    "^((?:19|20)[0-9]{2})(0[1-9]|1[0-2])([0-2][0-9]|3[01])([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])$": "hms",
}
SERIAL = "^([2-7][0-9]{4})(?:[.,]([0-9]+))?$"  # days since 1899-12-30, as spreadsheets count: 1954 to 2119
UNIX = {  # what Unix time is counted in, by its number of digits, and how many make a second
    "^([0-9]{9,10})(?:[.][0-9]+)?$": 1,
    "^([0-9]{12,13})(?:[.]0+)?$": 1_000,
    "^([0-9]{15,16})(?:[.]0+)?$": 1_000_000,
}
# Days that stand for no day at all: zero, and the first or last that a system can write.
NO_DAYS = tuple(
    dt.date.fromisoformat(day)
    for day in [
        "0001-01-01",
        "1753-01-01",
        "1899-12-30",
        "1899-12-31",
        "1900-01-01",
        "1900-01-02",
        "1904-01-01",
        "1969-12-31",
        "1970-01-01",
        "2958-12-31",
        "2999-12-31",
        "9999-12-30",
        "9999-12-31",
    ]
)
NO_DAY_TEXT = (
    "^(?:0000[-/.]00?[-/.]00?|00?[-/.]00?[-/.]0000|1900[-/.]0?1[-/.]00?|00?[-/.]0?1[-/.]1900|0?1[-/.]00?[-/.]1900"
    "|0|0[.]0|-?0001[-/.]11[-/.]30)(?:[T ].*)?$"
)
OFFSETS = {  # minutes; names that mean one thing only
    "": 0, "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420,
    "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600, "BST": 60, "WEST": 60, "CET": 60,
    "MEZ": 60, "CEST": 120, "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180, "JST": 540, "AEST": 600, "AEDT": 660,
    "ACST": 570, "AWST": 480, "NZST": 720, "NZDT": 780,
}  # fmt: skip
YEARS_OF_ZONES = range(1995, 2038)


def forms_in(texts: ir.Table) -> list[str]:
    """Dates as written (one column `text`) -> the forms that may occur, so that no time goes into others."""
    forms = [*DAYS, *COMPACT, SERIAL, *UNIX]
    begins = [form if form.startswith("^") else f"^{form}" for form in forms]
    found = one_row(
        texts.aggregate(**{f"f_{at}": texts.text.re_search(form).sum() for at, form in enumerate(begins)})
    )
    return [form for at, form in enumerate(forms) if found[f"f_{at}"]]


def timestamp(column: ir.Value, date_order: str, forms: Container[str] | None = None) -> ir.TimestampValue:
    """A column as timestamps; text in any of `forms` (by default all), with or without a time of day."""
    import ibis

    if column.type().is_timestamp() or column.type().is_date():
        return column.cast("timestamp")
    text = text_of(column)
    wanted = forms if forms is not None else {*DAYS, *COMPACT, SERIAL, *UNIX}
    branches = []
    if column.type().is_string():
        branches.append((column.re_search(ISO), column.try_cast("timestamp")))
    branches += [_written(text, form, order, date_order) for form, order in DAYS.items() if form in wanted]
    branches += [_compact(text, form, parts) for form, parts in COMPACT.items() if form in wanted]
    if SERIAL in wanted:
        seconds = (text.re_replace(",", ".").try_cast("float64") * 86_400).round()
        branches.append((text.re_search(SERIAL), _after(dt.datetime(1899, 12, 30), seconds)))
    for form, parts in UNIX.items():
        if form in wanted:
            count = text.re_extract(form, 1).try_cast("int64")
            branches.append((text.re_search(form), _after(dt.datetime(1970, 1, 1), (count / parts).floor())))
    return ibis.cases(*branches) if branches else ibis.null("timestamp")


def _written(
    text: ir.StringValue, form: str, order: str, date_order: str
) -> tuple[ir.BooleanValue, ir.TimestampValue]:
    """(Whether a text has this form, the moment that it then is)."""
    import ibis

    pattern = f"^{form}{CLOCK}$"
    letters = {"day-first": "dmy", "month-first": "mdy"}[date_order] if order == "either" else order
    part = {letter: text.re_extract(pattern, position) for position, letter in enumerate(letters, 1)}
    hour, minute, second, half = (text.re_extract(pattern, position) for position in range(4, 8))
    century = (part["y"] < "69").ifelse("20", "19")
    year = (part["y"].length() == 2).ifelse(century + part["y"], part["y"])
    month = _month(part["m"]) if LETTERS in form else part["m"]
    twelve = hour.try_cast("int64")
    clock = ibis.cases(
        (hour == "", "0"),
        (half == "", hour),
        (twelve.between(1, 12), (twelve % 12 + (half.lower() == "p").ifelse(12, 0)).cast("string")),
    )
    iso = [year, "-", month, "-", part["d"], " ", clock, ":", _or_zero(minute), ":", _or_zero(second)]
    return text.re_search(pattern), reduce(operator.add, iso).try_cast("timestamp")


def _compact(text: ir.StringValue, form: str, parts: str) -> tuple[ir.BooleanValue, ir.TimestampValue]:
    year, month, day, *clock = (text.re_extract(form, n) for n in range(1, 4 + len(parts)))
    rest = [*clock, *["00"] * (3 - len(parts))]
    iso = [year, "-", month, "-", day, " ", rest[0], ":", rest[1], ":", rest[2]]
    return text.re_search(form), reduce(operator.add, iso).try_cast("timestamp")


def zone(column: ir.StringValue) -> ir.StringValue:
    """The zone that a text ends in, "" where it has none."""
    return column.re_extract(
        rf":[0-9]{{2}}(?:[.][0-9]+)?(?: ?[AaPp][.]?[Mm]\b[.]?)? ?({ZONE})(?: ?[(][^)]*[)])?\s*$", 1
    )


def in_zone(
    date: ir.TimestampValue, zones: ir.StringValue, names: Sequence[str], timezone: str
) -> ir.TimestampValue:
    """Times as written, each with its zone (of `names`; "" is already there) -> the clock of one `timezone`."""
    import ibis

    checked(timezone)
    sign = (zones.re_extract("([+-])[0-9]", 1) == "-").ifelse(-1, 1)
    hours, minutes = (
        zones.re_extract("[+-]([0-9]{1,2}):?([0-9]{2})?$", n).nullif("").try_cast("int64").fill_null(0)
        for n in (1, 2)
    )
    branches = [(zones.re_search("[+-][0-9]"), sign * (hours * 60 + minutes))]
    for name in names:
        if name in OFFSETS:
            branches.append((zones == name, ibis.literal(OFFSETS[name], "int64")))
        elif "/" in name:
            branches.append((zones == name, _offset(date, _changes(checked(name), local=True))))
        elif not any(sign in name for sign in "+-"):
            raise InputError(
                f'The zone "{name}" of a date is not known. Expected a known one, such as UTC or America/New_York. '
                "Write its offset (+01:00) instead, or leave --timezone out: then times count as they are written."
            )
    utc = date - ibis.cases(*branches, else_=0).cast("int64").as_interval("m")
    return (zones == "").ifelse(date, clock_of(utc, timezone))


def clock_of(utc: ir.TimestampValue, timezone: str) -> ir.TimestampValue:
    """Moments in UTC -> what the clocks of a zone show."""
    if timezone.upper() in ("UTC", "Z", "GMT", ""):
        return utc
    return utc + _offset(utc, _changes(checked(timezone), local=False)).as_interval("m")


def checked(name: str) -> str:
    """The name of a zone that there is. Raises InputError."""
    try:
        if name.upper() not in ("UTC", "GMT", "Z"):
            ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(
            f"There is no time zone {name}. Expected a name such as Europe/Berlin or UTC. Correct --timezone."
        ) from None
    return name


@functools.cache
def _changes(name: str, local: bool) -> tuple[tuple[dt.datetime, int], ...]:
    """(From when, in UTC or on its own clocks; minutes ahead of UTC) of a zone, one row each change."""
    if name.upper() in ("UTC", "GMT", "Z"):
        return ((dt.datetime(1, 1, 1), 0),)
    zone_info = ZoneInfo(name)

    def ahead(moment: dt.datetime) -> int:
        offset = moment.replace(tzinfo=dt.UTC).astimezone(zone_info).utcoffset() or dt.timedelta()
        return int(offset.total_seconds() // 60)

    hour = dt.datetime(YEARS_OF_ZONES[0], 1, 1)
    changes = [(dt.datetime(1, 1, 1), ahead(hour))]
    while hour.year in YEARS_OF_ZONES:
        if ahead(hour + dt.timedelta(days=7)) != changes[-1][1]:
            while ahead(hour) == changes[-1][1]:
                hour += dt.timedelta(minutes=30)
            shift = dt.timedelta(minutes=changes[-1][1] if local else 0)
            changes.append((hour + shift, ahead(hour)))
        hour += dt.timedelta(days=7)
    return tuple(changes)


def _offset(moment: ir.TimestampValue, changes: Sequence[tuple[dt.datetime, int]]) -> ir.IntegerValue:
    import ibis

    if len(changes) == 1:
        return ibis.literal(changes[0][1], "int64")
    later = [
        (moment >= ibis.timestamp(start), ibis.literal(ahead, "int64")) for start, ahead in changes[:0:-1]
    ]
    return ibis.cases(*later, else_=ibis.literal(changes[0][1], "int64"))


def _after(start: dt.datetime, seconds: ir.NumericValue) -> ir.TimestampValue:
    import ibis

    return ibis.timestamp(start) + seconds.cast("int64").as_interval("s")


def _month(name: ir.StringValue) -> ir.StringValue:
    """The name of a month -> its number; itself when no month begins so."""
    lower = name.lower()
    known: dict[str, str] = {
        start: str(number) for number, starts in enumerate(MONTHS, 1) for start in starts.split()
    }
    by_start = lower.substr(0, 3).cases(*known.items(), else_=name)
    return lower.startswith(JULY).ifelse("7", by_start)


def _or_zero(text: ir.StringValue) -> ir.StringValue:
    return (text == "").ifelse("00", text)


FORMS: Mapping[str, str] = {  # how a form is told; the first that fits a text
    "YYYY-MM-DD": "^[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}",
    "days of a spreadsheet": SERIAL,
    "digits, YYYYMMDD": "^(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])([0-9]{2}){0,3}([.]0)?([ T].*)?$",
    "Unix seconds": "^[0-9]{9,10}([.][0-9]+)?$",
    "Unix milliseconds": "^[0-9]{12,13}([.]0+)?$",
    "Unix microseconds": "^[0-9]{15,16}([.]0+)?$",
    "DD.MM.YYYY": "^[0-9]{1,2}[.] ?[0-9]{1,2}[.] ?[0-9]{2,4}",
    "day, month and year by numbers": "^[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}",
    "with the month's name": f"{LETTERS}{{3}}",
}
