"""Numbers and money in a shop's table: signs, separators, currencies. All is portable Ibis: nothing runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.reading import textfile
from training.reading.texts import text_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

SIGNS = {  # a currency's sign -> its code; the plain dollar, krona and peso may be several, see `same`
    "£": "GBP", "€": "EUR", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "₪": "ILS", "฿": "THB",
    "₫": "VND", "₴": "UAH", "₦": "NGN", "₱": "PHP", "₸": "KZT", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON",
    "руб": "RUB", "руб.": "RUB", "р.": "RUB", "Fr": "CHF", "Fr.": "CHF", "SFr": "CHF", "SFr.": "CHF", "US$": "USD",
    "C$": "CAD", "CA$": "CAD", "CAD$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD",
    "NT$": "TWD", "R$": "BRL", "MX$": "MXN", "Mex$": "MXN", "USD$": "USD", "EURO": "EUR", "EUROS": "EUR",
    "RS": "INR", "RS.": "INR",
}  # fmt: skip
DOLLARS = frozenset(
    ["USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "BRL", "UYU"]
)
KRONEN = frozenset(["SEK", "NOK", "DKK", "ISK"])
CODES = (
    "USD EUR GBP JPY CNY INR RUB TRY KRW ILS THB VND UAH NGN PHP KZT PLN CZK HUF RON CHF CAD AUD NZD HKD SGD TWD MXN "
    "ARS CLP COP BRL PEN UYU SEK NOK DKK ISK ZAR EGP AED SAR QAR KWD BHD MAD KES GHS IDR MYR PKR BDT LKR BGN HRK RSD"
)
_LETTERS = "|".join(CODES.split())
CURRENCY = (
    f"(?:[A-Za-z]{{0,3}}[$£€¥₹₽₺₩₪฿₫₴₦₱₸]|(?i:{_LETTERS}|EUROS?)"
    "|zł|Kč|Ft|lei|S?Fr[.]?|руб[.]?|р[.]|[Kk]r[.]?|Rs[.]?)"
)
MINUS = "[-−–—‒﹣－]"
APOSTROPHES = "['’‘ʼ′`´]"
GROUPS = f"{APOSTROPHES}|[ \u00a0\u202f\u2009]"
GIFT_CARD = (
    "(?i)gift ?card|gift ?certificate|gift ?voucher|store ?credit|geschenk(?:gutschein|karte)|wertgutschein"
    "|carte ?cadeau|ch[eè]que ?cadeau|tarjeta ?(?:de )?regalo|vale ?regalo|buono ?regalo"
    "|carta ?regalo|cadeau(?:bon|kaart)"
    "|cart[aã]o ?presente|vale ?presente|karta ?podarunkowa|bon ?podarunkowy|подарочн"
)


def number(column: ir.Value, kind: str, decimal: str) -> ir.DecimalValue:
    """A column as decimals of this kind; text by its decimal mark, without currency and separators.

    Negative is what has a minus before or behind it, or stands in brackets.
    """
    import ibis

    if not column.type().is_string():
        return column.try_cast(kind)
    mark, separator = (".", ",") if decimal == "point" else (",", ".")
    separators = f"(?:[{separator}]|{GROUPS})"
    no_decimals = f"[.,]{MINUS}+"  # 1,234.-
    form = (
        f"^[(]?(?:{MINUS}|[+])? ?(?:{CURRENCY})?[ \u00a0\u202f]?(?:{MINUS}|[+])? ?[(]?"
        f"((?:[0-9]*|[0-9]{{1,3}}(?:{separators}[0-9]{{3}})+)(?:[{mark}][0-9]*|{no_decimals})?)"
        f" ?{MINUS}?[ \u00a0\u202f]?[)]?(?:{CURRENCY})? ?{MINUS}?[)]?$"
    )
    plain = "^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$" if decimal == "point" else "^[+-]?[0-9]+$"
    text = text_of(column)
    negative = text.re_search(
        f"^[^0-9]*(?:{MINUS}|[(])|[0-9][.,]?[0-9]*[ \u00a0]?(?:{MINUS}|[^0-9.,]+{MINUS})$"
    ) & ~text.re_search(f"^[^0-9]*[0-9][^-−–—‒﹣－(]*{no_decimals}[^0-9]*$")
    digits = text.re_extract(form, 1).re_replace(f"{no_decimals}$|{separators}", "").replace(mark, ".")
    return ibis.cases(
        (column.re_search(plain), column.try_cast(kind)),
        else_=(negative.ifelse("-", "") + digits.re_extract("^[0-9.]*[0-9][0-9.]*$", 0).nullif("")).try_cast(
            kind
        ),
    )


def bare(text: ir.StringValue) -> ir.StringValue:
    """A number as written, without what says nothing about its decimal mark: currency, apostrophes, `.-`."""
    without = text.re_replace(CURRENCY, "").re_replace(APOSTROPHES, "'")
    return without.re_replace(f"[.,]{MINUS}+", "").re_replace(f"[{textfile.BLANKS}]+$", "")


def sign(text: ir.StringValue) -> ir.StringValue:
    """The currency that stands beside a number, as it is written; "" where there is none."""
    return text.re_extract(f"({CURRENCY})", 1)


def code(written: str) -> str:
    """A currency as it is written -> its code: "US$" and "usd" are USD; a bare "$" or "kr" stays."""
    word = written.strip()
    by_sign = {name.upper(): known for name, known in SIGNS.items()}
    return by_sign.get(word.upper(), word.upper().rstrip("."))


def same(codes: set[str]) -> set[str]:
    """The currencies that are really different: a bare dollar is the one dollar there is beside it."""
    rest = set(codes)
    for bare_sign, family in (("$", DOLLARS), ("KR", KRONEN)):
        if bare_sign in rest and len(rest & family) == 1:
            rest -= {bare_sign}
    return rest
