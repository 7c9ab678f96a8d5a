"""Countries by their two letters of ISO 3166, from the names that shops write."""

from __future__ import annotations

import re

TWO_LETTERS = re.compile(r"[A-Za-z]{2}")
NAMES = """
AE United Arab Emirates | AR Argentina | AT Austria, Österreich | AU Australia | BE Belgium, Belgique, België, Belgien
BG Bulgaria | BH Bahrain | BR Brazil, Brasil | CA Canada, Kanada | CH Switzerland, Schweiz, Suisse | CL Chile | CN China
CO Colombia | CY Cyprus | CZ Czech Republic, Czechia, Tschechien | DE Germany, Deutschland, Allemagne
DK Denmark, Danmark, Dänemark | EE Estonia | EG Egypt | ES Spain, España, Spanien, Espagne | FI Finland, Suomi
FR France, Frankreich | GB United Kingdom, Great Britain, UK, England, Scotland, Wales, Northern Ireland, Royaume-Uni
GI Gibraltar | GR Greece | HK Hong Kong | HR Croatia | HU Hungary | ID Indonesia | IE Ireland, EIRE | IL Israel
IN India | IS Iceland | IT Italy, Italia, Italien, Italie | JP Japan | KR South Korea, Korea | LB Lebanon | LT Lithuania
LU Luxembourg | LV Latvia | MA Morocco, Maroc | MT Malta | MX Mexico, México | MY Malaysia | NG Nigeria
NL Netherlands, The Netherlands, Nederland, Niederlande | NO Norway, Norge | NZ New Zealand | PE Peru | PH Philippines
PL Poland, Polska, Polen | PT Portugal | RO Romania | RS Serbia | RU Russia | SA Saudi Arabia | SE Sweden, Sverige
SG Singapore | SI Slovenia | SK Slovakia | TH Thailand | TN Tunisia | TR Turkey, Türkiye | TW Taiwan | UA Ukraine
US United States, United States of America, USA | VN Vietnam | ZA South Africa, RSA
"""
CODES = {
    name.strip().casefold(): entry.strip()[:2]
    for entry in re.split(r"[|\n]", NAMES)
    if entry.strip()
    for name in entry.strip()[3:].split(",")
}


def country_code(name: str | None) -> str:
    """France -> FR, gb -> GB; an unknown name is empty."""
    text = (name or "").strip()
    known = CODES.get(text.casefold())
    if known:
        return known
    return text.upper() if TWO_LETTERS.fullmatch(text) else ""
