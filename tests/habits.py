"""A clean made-up shop, written down in a random combination of the habits that real exports have.

`case(seed)` gives a file, the answer of the clean shop, and the habits; whoever reads the file must come to that answer,
or ask. Habits of HAZARDS change what the numbers mean, so that only a question is right.
"""

import csv
import datetime as dt
import io
import random
from dataclasses import dataclass, field, replace
from decimal import Decimal

NAMES = {
    "English": "customer_id order_id order_date quantity unit_price amount order_total status email currency refund product time",
    "shop": "cust basket_id trans_date qty price line_total grand_total order_status e-mail currency_code refunded item_name time",
    "German": "Kundennr Bestellnr Bestelldatum Menge Einzelpreis Positionssumme Gesamtbetrag Bestellstatus E-Mail Währung Erstattung "
    "Artikel Uhrzeit",
    "French": "idclient numero_commande date_commande quantité prix_unitaire total_ligne montant_commande statut courriel devise "
    "remboursement produit heure",
    "Spanish": "id_cliente num_pedido fecha_pedido cantidad precio_unitario importe_linea total_pedido estado_pedido correo moneda "
    "reembolso producto hora",
}
ROLES = [
    "customer",
    "order",
    "date",
    "quantity",
    "price",
    "line",
    "total",
    "status",
    "email",
    "currency",
    "refund",
    "item",
    "time",
]
NAMES["Spanish"] = (
    NAMES["Spanish"].replace("num_pedido", "numero_pedido").replace("importe_linea", "total_linea")
)
NAMES["Spanish"] = NAMES["Spanish"].replace("correo", "correo_electronico")
PAID = {"English": "paid", "shop": "Completed", "German": "bezahlt", "French": "payée", "Spanish": "pagado"}
UNPAID = {
    "English": "cancelled",
    "shop": "Pending payment",
    "German": "storniert",
    "French": "annulée",
    "Spanish": "anulado",
}
DATES = (
    "iso", "iso T zone", "day only", "dotted", "month first", "Unix", "Unix ms", "serial", "digits", "name", "browser", "two columns",
)  # fmt: skip
NUMBERS = ("plain", "dollar", "code", "comma", "apostrophe", "brackets", "trailing minus", "long minus")
CUSTOMERS = (
    "id",
    "e-mail",
    "e-mail in any case",
    "account and e-mail",
    "guest ids",
    "quoted zeros",
    "apostrophe",
)
MONEY = ("unit", "line", "order repeated", "order first")
EXTRAS = (
    "status", "refund", "duplicates", "total line", "lines above", "far date", "default date", "discount", "gift card",
    "blank later lines", "currency", "nobody", "no customer",
)  # fmt: skip
BESIDE_NAMES = {  # what stands beside the money: a discount, a percentage off, tax, shipping
    "English": "discount discount_percent tax shipping",
    "shop": "coupon_amount discount_rate vat delivery_fee",
    "German": "Rabatt Rabattsatz MwSt Versandkosten",
    "French": "remise taux_remise montant_TVA frais_de_port",
    "Spanish": "descuento porcentaje_descuento IVA gastos_de_envío",
}
BESIDE = {  # how money is written -> what may stand beside it, and whether the money is with it
    "unit": (
        "discount off the line", "discount off the line, shown", "discount taken off", "percent off the line",
        "percent off the line, shown", "discount off the order", "tax apart", "shipping apart",
    ),
    "line": (
        "discount off the line", "discount off the line, shown", "discount taken off", "tax inside", "tax inside, shown",
        "tax apart", "shipping inside", "shipping apart",
    ),
    "order": ("discount taken off", "tax inside", "tax apart", "shipping inside", "shipping apart"),
}  # fmt: skip
NET = {
    "English": "net_amount",
    "shop": "sales_amount",
    "German": "Umsatz",
    "French": "montant",
    "Spanish": "importe",
}
HAZARDS = ("line total called unit price", "two currencies", "scientific ids", "unknown status", "names only")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "mac_roman")


@dataclass
class Line:
    customer: int | None
    order: str
    moment: dt.datetime
    item: str
    quantity: int
    price: Decimal
    status: str = "paid"
    note: str = ""  # what kind of line it is, where it is no article
    off: Decimal = Decimal(0)  # a discount that no price and no other line holds
    beside: Decimal = Decimal(0)  # what the column beside the money shows


@dataclass(frozen=True)
class Case:
    """A file's bytes and ending, what the clean shop answers, and what is odd about it."""

    data: bytes
    name: str
    answer: dict[str, tuple[int, int, Decimal, int]]  # customer -> Recency, Frequency, Monetary, Tenure
    habits: tuple[str, ...]
    must_ask: bool = False
    text: str = field(default="", repr=False)


def clean_shop(chance):
    """Lines of some orders of some customers, over a year."""
    lines, number = [], 1000
    prices = {f"Article {letter}": Decimal(chance.randint(200, 9_999)) / 100 for letter in "ABCDEFG"}
    for customer in range(chance.randint(3, 7)):
        for _ in range(chance.randint(1, 4)):
            number += 1
            moment = dt.datetime(2024, 1, 1, 9) + dt.timedelta(
                days=chance.randint(0, 330), hours=chance.randint(0, 9)
            )
            for item in chance.sample(sorted(prices), chance.randint(1, 3)):
                lines.append(Line(customer, str(number), moment, item, chance.randint(1, 5), prices[item]))
    return sorted(lines, key=lambda line: (line.moment, line.order))


def in_two_quantities(lines):
    """The same shop with its first article sold once more, in another quantity: what tells a price from a line's total."""
    first, last = lines[0], lines[-1]
    return [*lines, replace(last, item=first.item, price=first.price, quantity=first.quantity + 1)]


def answer_of(lines, label, days_only, refunds):
    """What the clean shop answers, counted in Python."""
    used = [line for line in lines if line.customer is not None]
    latest = max(line.moment for line in used)
    end = (latest.replace(hour=0) if days_only else latest) + dt.timedelta(days=1)
    table = {}
    for customer in {line.customer for line in used}:
        own = [line for line in used if line.customer == customer]
        moments = [line.moment.replace(hour=0) if days_only else line.moment for line in own]
        orders = {line.order for line in own}
        money = sum(line.quantity * line.price - line.off for line in own) - sum(
            refunds.get(order, 0) for order in orders
        )
        if money > 0:
            recency, tenure = (end - max(moments)).days, (end - min(moments)).days
            table[label(customer)] = (recency, len(orders), money, tenure)
    return table


def case(seed):
    """A clean shop and one way to write it down."""
    chance = random.Random(seed)
    lines = clean_shop(chance)
    language = chance.choice(sorted(NAMES))
    names = dict(zip(ROLES, NAMES[language].split(), strict=True))
    money, date, number = chance.choice(MONEY), chance.choice(DATES), chance.choice(NUMBERS)
    who = chance.choice(CUSTOMERS)
    extras = {extra for extra in EXTRAS if chance.random() < 0.22}
    hazard = chance.choice(HAZARDS) if chance.random() < 0.12 else ""
    encoding = chance.choice(ENCODINGS)
    delimiter = ";" if number == "comma" else chance.choice(",;\t|")
    if hazard == "line total called unit price":
        money, extras = "unit", extras - {"discount", "gift card"}
        lines = in_two_quantities(lines)
    if hazard == "two currencies":
        extras |= {"currency"}
    if hazard == "unknown status":
        extras |= {"status"}
    if hazard in ("scientific ids", "names only"):
        who = "id"
    if money.startswith("order"):
        extras -= (
            {"discount", "gift card", "duplicates"} if money == "order first" else {"discount", "gift card"}
        )

    def label(customer):
        if who in ("e-mail", "e-mail in any case", "account and e-mail", "guest ids"):
            return f"person{customer}@example.com" if who.startswith("e-mail") else _account(customer, who)
        return {"quoted zeros": f"00{customer + 12}", "apostrophe": f"00{customer + 12}"}.get(
            who, f"K{customer + 31}"
        )

    refunds = {}
    if "refund" in extras:
        for order in {line.order for line in lines}:
            if chance.random() < 0.3:
                whole = sum(line.quantity * line.price for line in lines if line.order == order)
                refunds[order] = (whole / 2).quantize(Decimal("0.01"))
    if "discount" in extras:
        lines = _with_discounts(lines, chance)
    aside = random.Random(
        f"{seed}, beside the money"
    )  # of its own, so that the rest of a case stays as it was
    beside = ""
    if aside.random() < 0.3 and not hazard and "refund" not in extras:
        beside = aside.choice(BESIDE[money.partition(" ")[0]])
        lines = _with_beside(lines, beside, money, aside)
    answer = answer_of(lines, label, date == "day only", refunds)
    written = _with_extras(lines, extras, chance)
    rows = _rows(written, names, language, money, date, number, who, extras, hazard, refunds, beside, chance)
    text = _text(rows, names, delimiter, extras, chance)
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, data = "utf-8", text.encode()
    asked = bool(hazard)
    habits = (
        language,
        money,
        date,
        number,
        who,
        encoding,
        *sorted(extras),
        *([f"beside: {beside}"] if beside else []),
        *([f"! {hazard}"] if hazard else []),
    )
    return Case(data, "shop.csv", answer, habits, asked, text)


def _account(customer, who):
    if who == "guest ids" and customer % 2:
        return f"person{customer}@example.com"
    return str(5_001 + customer)


def _with_discounts(lines, chance):
    """Each second order has a line that takes something off."""
    result = list(lines)
    for order in sorted({line.order for line in lines})[::2]:
        first = next(line for line in lines if line.order == order)
        off = Decimal(chance.randint(10, 150)) / 100
        if chance.random() < 0.5:
            result.append(Line(first.customer, order, first.moment, "Discount", 1, -off))
        else:
            result.append(Line(first.customer, order, first.moment, "Discount", -1, off))
    return sorted(result, key=lambda line: (line.moment, line.order))


def _with_beside(lines, beside, money, chance):
    """The lines with what stands beside their money, and what of it is off: on some lines, or once an order."""
    amounts, result, seen = {}, [], set()
    by_order = money.startswith("order") or beside.startswith(("discount off the order", "shipping"))
    for line in lines:
        value = line.quantity * line.price
        key = line.order if by_order else len(result)
        if key not in amounts:
            most = max(value, Decimal(0)) / 5
            amounts[key] = (most * chance.randint(1, 4) / 4).quantize(Decimal("0.01"))
            if beside.startswith("percent"):
                amounts[key] = Decimal(chance.choice((10, 20, 25, 50))) if value > 0 else Decimal(0)
            if chance.random() < 0.3 or line.customer is None:
                amounts[key] = Decimal(0)
        shown = amounts[key]
        if beside.startswith("shipping") and line.order in seen and money == "line":
            shown = Decimal(0)
        off = (
            {"d": shown, "p": value * shown / 100}.get(beside[0], Decimal(0))
            if "off the" in beside
            else Decimal(0)
        )
        if beside == "discount off the order" and line.order in seen:
            off = Decimal(0)
        seen.add(line.order)
        result.append(replace(line, beside=shown, off=off))
    return result


def _written_value(value, line, beside):
    """What a column of money shows of a line or order that is worth `value`."""
    return value + line.beside if "inside" in beside or beside.startswith("discount off the line") else value


def _with_extras(lines, extras, chance):
    result = list(lines)
    some = lines[len(lines) // 2]
    early = lines[0].moment
    if "gift card" in extras:
        result.append(Line(some.customer, some.order, some.moment, "Gift card", 1, -Decimal("1.50")))
    if "status" in extras:
        for n in range(2):
            result.append(Line(n, f"{7_000 + n}", early, "Article A", 1, Decimal("77.70"), "unpaid"))
    if "nobody" in extras:
        result += [
            Line(
                -1,
                f"{8_000 + n}",
                early + dt.timedelta(days=n),
                "Article B",
                1,
                Decimal("5.50"),
                note="nobody",
            )
            for n in range(3)
        ]
    if "no customer" in extras:
        result.append(Line(None, "9000", early, "Article B", 2, Decimal("5.50")))
    result.sort(key=lambda line: (line.moment, line.order))
    if "duplicates" in extras:
        result.append(result[chance.randrange(len(result))])
    if "far date" in extras:
        far = dt.datetime(chance.choice((2099, 2042)), 3, 6, 9)
        result.append(Line(0, "9100", far, "Article C", 1, Decimal("9.99")))
    if "default date" in extras:
        result.append(Line(0, "9200", dt.datetime(1970, 1, 1), "Article C", 1, Decimal("9.99")))
    return result


def _moment(moment, form):
    spelled = {
        "iso": "%Y-%m-%d %H:%M:%S", "iso T zone": "%Y-%m-%dT%H:%M:%S+02:00", "day only": "%Y-%m-%d",
        "dotted": "%d.%m.%Y %H:%M", "month first": "%m/%d/%Y %H:%M", "digits": "%Y%m%d%H",
        "name": "%b %d, %Y, %I:%M:%S %p", "browser": "%a %b %d %Y %H:%M:%S GMT+0100 (Central European Standard Time)",
        "two columns": "%Y-%m-%d",
    }  # fmt: skip
    seconds = int((moment - dt.datetime(1970, 1, 1)).total_seconds())
    if form == "Unix":
        return str(seconds)
    if form == "Unix ms":
        return f"{seconds}000"
    if form == "serial":
        return f"{Decimal((moment - dt.datetime(1899, 12, 30)).total_seconds()) / 86_400:.9f}".rstrip(
            "0"
        ).rstrip(".")
    return moment.strftime(spelled[form])


def _number(value, form):
    text = f"{abs(value):,.2f}"
    minus = "-" if value < 0 else ""
    if form == "comma":
        return minus + text.replace(",", " ").replace(".", ",").replace(" ", ".")
    if form == "apostrophe":
        return minus + text.replace(",", "'")
    if form == "dollar":
        return f"{minus}${text}"
    if form == "code":
        return f"{minus}USD {text}"
    if form == "brackets":
        return f"({text})" if minus else text
    if form == "trailing minus":
        return text + minus
    if form == "long minus":
        return ("−" if minus else "") + text
    return minus + text.replace(",", "")


def _person(line, who, chance):
    """(What stands in the column of customers, and in that of e-mail addresses)."""
    if line.note == "nobody":
        return chance.choice(("Guest", "WALK-IN", "-1", "anonymous", "not logged in")), ""
    if line.customer is None:
        return "", ""
    address = f"person{line.customer}@example.com"
    if who == "e-mail":
        return address, ""
    if who == "e-mail in any case":
        return chance.choice((address, address.title(), address.upper() + " ")), ""
    if who == "account and e-mail":
        return str(5_001 + line.customer), address
    if who == "guest ids":
        return (
            str(5_001 + line.customer) if line.customer % 2 == 0 else chance.choice(("GUEST", ""))
        ), address
    if who == "quoted zeros":
        return f'="00{line.customer + 12}"', ""
    if who == "apostrophe":
        return f"'00{line.customer + 12}", ""
    return f"K{line.customer + 31}", ""


def _rows(lines, names, language, money, date, number, who, extras, hazard, refunds, beside, chance):
    rows, seen = [], set()
    totals = {}
    beside_name = ""
    if beside:
        kinds = ("discount", "percent", "tax", "shipping")
        beside_name = BESIDE_NAMES[language].split()[kinds.index(beside.partition(" ")[0])]
    for line in {id(line): line for line in lines}.values():
        totals[line.order] = totals.get(line.order, 0) + line.quantity * line.price
    written = {}
    for at, line in enumerate(lines):
        if id(line) in written:  # an exact duplicate
            rows.append(dict(written[id(line)]))
            continue
        first = line.order not in seen
        seen.add(line.order)
        customer, address = _person(line, who, chance)
        if hazard == "scientific ids":
            customer = f"5.1234{(line.customer or 0) % 3}E+12"
        if hazard == "names only":
            customer = f"Anna {'ABCDEFGH'[(line.customer or 0) % 8]}erg"
        value = line.quantity * line.price
        row = {names["order"]: line.order, names["customer"]: customer}
        if who in ("account and e-mail", "guest ids"):
            row[names["email"]] = address
        is_default = line.moment.year == 1970
        row[names["date"]] = (
            "1970-01-01" if is_default and date not in ("Unix", "Unix ms") else _moment(line.moment, date)
        )
        if date == "two columns":
            row[names["time"]] = line.moment.strftime("%H:%M:%S")
        row[names["item"]] = line.item
        if money == "unit":
            row[names["quantity"]] = str(line.quantity)
            shown = value if hazard == "line total called unit price" else line.price
            row[names["price"]] = _number(shown, number)
        elif money == "line":
            worth = value - line.off
            row[names["line"]] = _number(_written_value(worth, line, beside), number)
        else:
            row[names["total"]] = (
                _number(_written_value(totals[line.order], line, beside), number)
                if first or money == "order repeated"
                else ""
            )
        if beside:
            row[beside_name] = _number(line.beside, "plain" if beside.startswith("percent") else number)
        if beside.endswith("shown"):
            name = names["line"] if money == "unit" else NET[language]
            row[name] = _number((value - line.off).quantize(Decimal("0.01")), number)
        if "status" in extras:
            word = PAID[language] if line.status == "paid" else UNPAID[language]
            if hazard == "unknown status" and line.status != "paid":
                word = "Stage 7"
            row[names["status"]] = word if first or "blank later lines" not in extras else ""
        if "currency" in extras:
            row[names["currency"]] = "EUR" if hazard == "two currencies" and at % 2 else "USD"
        if "refund" in extras:
            row[names["refund"]] = _number(refunds.get(line.order, Decimal(0)), number)
        if "blank later lines" in extras and not first and line.customer is not None:
            row[names["customer"]] = ""
            if names["email"] in row:
                row[names["email"]] = ""
        written[id(line)] = row
        rows.append(row)
    return rows


def _text(rows, names, delimiter, extras, chance):
    header = list(dict.fromkeys(name for row in rows for name in row))
    target = io.StringIO(newline="")
    writer = csv.DictWriter(
        target, header, delimiter=delimiter, restval="", lineterminator=chance.choice(("\n", "\r\n"))
    )
    if "lines above" in extras:
        target.write("Sales report\r\nFrom 2024-01-01 to 2024-12-31\r\n\r\n")
    writer.writeheader()
    writer.writerows(rows)
    if "total line" in extras:
        total = dict.fromkeys(header, "")
        total[names["customer"]] = chance.choice(("Total", "Grand total", "Summe:", "TOTAL"))
        for role in ("line", "total"):
            if names[role] in total:
                total[names[role]] = rows[0][names[role]]
        writer.writerow(total)
    return target.getvalue()


def judge(shop_case, count):
    """right, asked, or wrong (and why), by `count`, which takes bytes and gives the table of customers or InputError."""
    from training.errors import InputError

    try:
        table = count(shop_case)
    except InputError as question:
        return "asked", str(question)
    if shop_case.must_ask:
        return "wrong", "answered, where only a question is right"
    found = {
        row.customer_id: (
            int(row.Recency),
            int(row.Frequency),
            Decimal(f"{row.Monetary:.2f}"),
            int(row.Tenure),
        )
        for row in table.itertuples()
    }
    differing = {
        key: (found.get(key), shop_case.answer.get(key))
        for key in {*found, *shop_case.answer}
        if not _are_equal(found.get(key), shop_case.answer.get(key))
    }
    if not differing:
        return "right", ""
    return "wrong", f"(found, expected): {differing}"


def _are_equal(row, other):
    """Whether two customers are the same: money may differ by the half cent that rounding makes."""
    if row is None or other is None:
        return False
    return (*row[:2], row[3]) == (*other[:2], other[3]) and abs(row[2] - other[2]) <= Decimal("0.006")
