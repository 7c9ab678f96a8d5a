"""Cells that stand for nobody, and rows that stand for all: guests in a customer column, totals below the lines."""

from __future__ import annotations

import re

from training.reading.folding import fold, words

# Nobody's customer number or name is written so, in any shop. Compared as `fold` compares.
GUEST_WORDS = words(
    """
    guest guests guestuser guestcustomer guestcheckout guestorder anonymous anonymoususer anonymouscustomer anon
    walkin walkincustomer walkinguest walkup cashcustomer cashsale countersale retailcustomer defaultcustomer
    generalcustomer onlinecustomer misccustomer miscellaneouscustomer notloggedin notregistered unregistered
    unregisteredcustomer noaccount nocustomer nocustomerid unknown unknowncustomer unknownuser notavailable
    notapplicable notset undefined unassigned unidentified nobody noname noemail dummy dummycustomer
    testcustomer testuser onetimecustomer
    gast gastkunde gastbestellung gastkonto laufkundschaft laufkunde barkunde barverkauf barverkaufskunde
    thekenkunde unbekannt unbekannterkunde anonym einmalkunde diversekunden diverse standardkunde testkunde
    ohnekunde keinkunde
    invite clientinvite anonyme clientanonyme clientdepassage clientcomptoir clientdivers clientsdivers inconnu
    clientinconnu nonconnecte
    invitado clienteinvitado anonimo clienteanonimo clientegenerico clientecontado clientemostrador
    clientesvarios desconocido clientedesconocido publicogeneral ventaalpublico publicoengeneral
    ospite clienteospite anonima clienteoccasionale clientegenerale clientebanco sconosciuto corrispettivi
    gastklant anoniem contantklant balieklant passant passanten onbekend onbekendeklant
    convidado clienteconvidado clientebalcao consumidorfinal consumidor clienteavulso clientepadrao
    clientenaoidentificado naoidentificado desconhecido
    gosc anonimowy klientdetaliczny klientanonimowy klientjednorazowy klientgosc nieznany paragon
    гость анонимный анонимныйпокупатель розничныйпокупатель частноелицо физлицо неизвестно неизвестный
    безклиента
    """
)

# As they are written: folding would make 1 of -1.
GUEST_NUMBERS = frozenset({"-1", "-99", "-999", "-9999"})

# These may be the number of a real customer. They stand for guests only where they are far more frequent than any
# other customer, or where other cells tell them apart (several e-mail addresses for this one number).
DOUBTFUL_NUMBERS = re.compile(r"0+|1|9{3,}|1234|12345|123456|1234567|12345678|1{4,}|8{4,}")
DOUBTFUL_WORDS = words(
    """
    cash retail customer client default general misc miscellaneous other others various pos web online website
    shop store admin test none null na n/a nil x xx xxx
    kunde barzahler divers sonstige privat comptant contado varios contanti banco kassa balie balcao detal
    покупатель клиент
    """
)

# A mailbox that nobody reads, at any domain; and whole addresses that stand for none.
GUEST_MAILBOXES = words(
    """
    guest anonymous anon noemail nomail none noreply donotreply unknown walkin nobody nocustomer
    gast keinemail invite sansemail invitado sincorreo sinemail ospite convidado semmail sememail gosc brakmaila
    """
)
GUEST_ADDRESSES = frozenset(
    {"test@test.com", "a@a.com", "na@na.com", "none@none.com", "no@email.com", "x@x.com"}
)

TOTAL_WORDS = words(
    """
    total totals grandtotal subtotal sub-total overalltotal reporttotal totalsum sum sumtotal totalamount
    totalsales totalrevenue
    summe gesamt gesamtsumme gesamtbetrag gesamtergebnis endsumme zwischensumme insgesamt
    totalgeneral totalgénéral soustotal
    totales sumatotal
    totale totalegenerale totalecomplessivo
    totaal eindtotaal subtotaal totaalbedrag
    totalgeral totais
    suma razem sumacałkowita łącznie ogółem podsumowanie
    итого всего итог общийитог
    """
)

# The same as a regular expression, for cells that are not of customers, of which there are many.
TOTAL_CELL = (
    "^(?i:(?:grand |sub-?|over-?all )?totals?|summe|gesamt(?:summe)?|итого|totale|totaal|suma|razem)"
    "[ :.]*(?:[(].*[)])?$"
)


def is_guest(value: str) -> bool:
    """Whether a customer cell certainly stands for nobody."""
    text = value.strip()
    if "@" in text:
        mailbox = fold(text.partition("@")[0])
        return mailbox in GUEST_MAILBOXES or text.casefold() in GUEST_ADDRESSES
    return text in GUEST_NUMBERS or fold(text) in GUEST_WORDS


def may_be_guest(value: str) -> bool:
    """Whether a customer cell stands for nobody if it is far more frequent than all others."""
    text = value.strip()
    return bool(DOUBTFUL_NUMBERS.fullmatch(text)) or fold(text) in DOUBTFUL_WORDS


def is_total(value: str) -> bool:
    """Whether a cell names a row that sums up others: "Grand total", "Summe:", "TOTAL (EUR)"."""
    word = re.sub(r"\(.*?\)|[:.=*]", "", value)
    return fold(word) in TOTAL_WORDS
