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
from training.reading.texts import text_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

ZONE = "Z|(?:UTC|GMT)?[+-][0-9]{1,2}:?(?:[0-9]{2})?|[A-Za-z]+/[A-Za-z_/]+|[A-Z]{2,5}"
CLOCK = (
    "(?:[T ,]+([01]?[0-9]|2[0-3])[:h]([0-9]{2})(?::([0-9]{2}(?:[.][0-9]{1,6})?)[0-9]*)?"  # 8:26, 08:26:00.000
    r"(?: ?([AaPp])[.]?[Mm]\b[.]?)?"  # PM, p.m.
    f"(?: ?({ZONE}))?(?: ?[(][^)]*[)])?)?"  # a zone counts only where one is asked for
)
TIME = (  # the parts of a clock, in a text that is known to have one or none
    r"[T ,]([01]?[0-9]|2[0-3])[:h]([0-9]{2})(?::([0-9]{2}(?:[.][0-9]{1,6})?)[0-9]*)?(?: ?([AaPp])[.]?[Mm]\b)?"
)
LETTERS = "[A-Za-zÀ-ž]"  # of months; a class of all letters would take seconds to compile
WEEKDAY = "(?:[A-Za-z]{2,9}[.]?,? )?"
ASCTIME = (  # Thu Nov 26 17:51:52 2026, also with a zone before the year
    f"{WEEKDAY}([A-Za-zÀ-ž]{{3,10}}) +([0-9]{{1,2}}) (?:[01]?[0-9]|2[0-3]):[0-9]{{2}}(?::[0-9]{{2}})?"
    f"(?: (?:{ZONE}))? ([12][0-9]{{3}})"
)
SIX_DIGITS = {  # 240131, 310124 and 013124, each with its order; `sixdigits` says which one a column has
    "([0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(?:[.]0)?": "ymd",
    "(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])([0-9]{2})(?:[.]0)?": "dmy",
    "(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([0-9]{2})(?:[.]0)?": "mdy",
}
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
    ASCTIME: "mdy",
    **SIX_DIGITS,
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
    "^([0-9]{9,10})(?:[.,][0-9]+)?$": 1,
    "^([0-9]{12,13})(?:[.,][0-9]+)?$": 1_000,
    "^([0-9]{15,16})(?:[.,][0-9]+)?$": 1_000_000,
}
ALL_FORMS = frozenset({*DAYS, *COMPACT, SERIAL, *UNIX} - {*SIX_DIGITS})
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


ALL = (*DAYS, *COMPACT, SERIAL, *UNIX)


def sums_of_forms(text: ir.StringValue) -> dict[str, ir.IntegerValue]:
    """How many texts may have each of the forms, as sums."""
    begins = {form: f"^{form}$" if form in SIX_DIGITS else "^" + form.removeprefix("^") for form in ALL}
    return {f"f_{at}": text.re_search(begins[form]).sum() for at, form in enumerate(ALL)}


def forms_in(sums: Mapping[str, int]) -> dict[str, int]:
    """The sums of `sums_of_forms` -> the forms that may occur, each with the number of its texts."""
    return {form: sums[f"f_{at}"] for at, form in enumerate(ALL) if sums[f"f_{at}"]}


def timestamp(column: ir.Value, date_order: str, forms: Container[str] | None = None) -> ir.TimestampValue:
    """A column as timestamps; text in any of `forms` (by default all but six digits), with or without a time of day."""
    import ibis

    if column.type().is_timestamp() or column.type().is_date():
        moment = column.cast("timestamp")
        # A column may have moments that Python's calendar does not.
        return moment.between(dt.datetime.min, dt.datetime.max).ifelse(moment, None)
    text = text_of(column)
    wanted = forms if forms is not None else ALL_FORMS
    branches = []
    if column.type().is_string():
        branches.append((column.re_search(ISO), column.try_cast("timestamp")))
    branches += [_compact(text, form, parts) for form, parts in COMPACT.items() if form in wanted]
    if SERIAL in wanted:
        seconds = (text.re_replace(",", ".").try_cast("float64") * 86_400).round()
        branches.append((text.re_search(SERIAL), _after(dt.datetime(1899, 12, 30), seconds)))
    for form, parts in UNIX.items():
        if form in wanted:
            count = text.re_extract(form, 1).try_cast("int64")
            branches.append((text.re_search(form), _after(dt.datetime(1970, 1, 1), (count / parts).floor())))
    days = [(text.re_search(whole(form)), _day(text, form, date_order)) for form in DAYS if form in wanted]
    if days:
        written = ibis.cases(*days, else_=ibis.null("string")) + " " + _clock(text)
        branches.append((ibis.literal(True), written.try_cast("timestamp")))
    return ibis.cases(*branches) if branches else ibis.null("timestamp")


def whole(form: str) -> str:
    """The pattern of a whole text whose day has a form of DAYS; the clock may follow, or stand within it."""
    return f"^{form}$" if form == ASCTIME else f"^{form}{CLOCK}$"


def _day(text: ir.StringValue, form: str, date_order: str) -> ir.StringValue:
    """The day of a text that has a form of DAYS, as 2024-1-5."""
    order = DAYS[form]
    letters = {"day-first": "dmy", "month-first": "mdy"}[date_order] if order == "either" else order
    part = {letter: text.re_extract(f"^{form}", place) for place, letter in enumerate(letters, 1)}
    year = part["y"]
    if "[12][0-9]{3}" not in form:  # may be written with two digits
        century = (part["y"] < "69").ifelse("20", "19")
        year = (part["y"].length() == 2).ifelse(century + part["y"], part["y"])
    month = _month(part["m"]) if LETTERS in form else part["m"]
    return year + "-" + month + "-" + part["d"]


def _clock(text: ir.StringValue) -> ir.StringValue:
    """The time of day in a text, as 9:05:00; midnight where there is none, null for 13 PM."""
    import ibis

    hour, minute, second, half = (text.re_extract(TIME, place) for place in range(1, 5))
    twelve = hour.try_cast("int64")
    hours = ibis.cases(
        (hour == "", "0"),
        (half == "", hour),
        (twelve.between(1, 12), (twelve % 12 + (half.lower() == "p").ifelse(12, 0)).cast("string")),
    )
    return hours + ":" + _or_zero(minute) + ":" + _or_zero(second)


def _compact(text: ir.StringValue, form: str, parts: str) -> tuple[ir.BooleanValue, ir.TimestampValue]:
    year, month, day, *clock = (text.re_extract(form, n) for n in range(1, 4 + len(parts)))
    rest = [*clock, *["00"] * (3 - len(parts))]
    iso = [year, "-", month, "-", day, " ", rest[0], ":", rest[1], ":", rest[2]]
    return text.re_search(form), reduce(operator.add, iso).try_cast("timestamp")


def zone(column: ir.StringValue) -> ir.StringValue:
    """The zone that a text ends in, "" where it has none."""
    return column.re_extract(
        rf":[0-9]{{2}}(?:[.][0-9]+)?(?: ?[AaPp][.]?[Mm]\b[.]?)? ?({ZONE})(?: ?[(][^)]*[)])?(?: [12][0-9]{{3}})?\s*$",
        1,
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
    """The name of a month -> its number; null when no month begins so."""
    import ibis

    lower = name.lower()
    width = max(map(len, MONTHS)) + 1
    starts = ibis.literal("".join(f"{month:{width}}" for month in MONTHS))
    place = starts.find(lower.substr(0, 3)).nullif(-1)
    return lower.startswith(JULY).ifelse("7", ((place / width).floor().cast("int64") + 1).cast("string"))


def _or_zero(text: ir.StringValue) -> ir.StringValue:
    return (text == "").ifelse("00", text)


FORMS: Mapping[str, str] = {  # how a form is told; the first that fits a text
    "YYYY-MM-DD": "^[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}",
    "days of a spreadsheet": SERIAL,
    "digits, YYYYMMDD": "^(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])([0-9]{2}){0,3}([.]0)?([ T].*)?$",
    "Unix seconds": "^[0-9]{9,10}([.,][0-9]+)?$",
    "Unix milliseconds": "^[0-9]{12,13}([.,][0-9]+)?$",
    "Unix microseconds": "^[0-9]{15,16}([.,][0-9]+)?$",
    "six digits": "^[0-9]{6}(?:[.]0)?$",
    "DD.MM.YYYY": "^[0-9]{1,2}[.] ?[0-9]{1,2}[.] ?[0-9]{2,4}",
    "day, month and year by numbers": "^[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}",
    "with the month's name": f"{LETTERS}{{3}}",
}
