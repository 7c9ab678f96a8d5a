"""Words for the status of an order or a payment: does it stand for a sale that brought money?

An order counts when its money was paid, or is on its way by the shop's own account (processing, shipped). It does
not count when no money came (pending, failed), when it went back as a whole (refunded, charged back), or when
there is no order yet (draft). An order that was refunded in part counts, less what was given back.
"""

from __future__ import annotations

import functools
import re

from training.reading.folding import fold

COUNTS = {
    "English": """
        paid, paid in full, partially paid, payment received, payment accepted, remote payment accepted,
        payment complete, payment completed, captured, partially captured, settled, succeeded, success,
        successful, complete, completed, done, finished, processing, processed, processing in progress,
        preparation in progress, in production, confirmed, accepted, approved, invoiced, billed, sold,
        sale, purchase, shipping, shipped, partially shipped, sent, dispatched, in transit, out for
        delivery, delivered, partially delivered, fulfilled, partially fulfilled, unfulfilled,
        unshipped, ready to ship, ready for pickup, awaiting fulfillment, awaiting fulfilment, awaiting
        shipment, awaiting pickup, awaiting dispatch, picked up, received, packed, partially refunded,
        partial refund, partial refunded, refunded partially, partially returned
    """,
    "German": """
        bezahlt, fertiggestellt, teilweise bezahlt, teilbezahlt, zahlung eingegangen, zahlung erhalten, abgeschlossen,
        erledigt, fertig, in bearbeitung, wird bearbeitet, bestätigt, verschickt, versandt, versendet,
        teilweise versandt, teilweise versendet, versandbereit, bereit zum versand, unterwegs,
        geliefert, ausgeliefert, teilgeliefert, teilweise geliefert, zugestellt, abgeholt, in rechnung
        gestellt, berechnet, verkauft, teilweise erstattet, teilerstattet, teilweise zurückerstattet,
        teilweise zurückgezahlt
    """,
    "French": """
        payé, payée, partiellement payé, paiement accepté, paiement à distance accepté, paiement reçu,
        terminé, terminée, en cours, en cours de traitement, en cours de préparation, préparation en
        cours, traitée, confirmé, confirmée, validé, validée, expédié, expédiée, envoyé, envoyée, livré,
        livrée, facturé, facturée, partiellement remboursé, partiellement remboursée, remboursé
        partiellement, remboursement partiel
    """,
    "Spanish": """
        pagado, pagada, pago aceptado, pago recibido, completado, completada, completo, finalizado,
        finalizada, procesando, en proceso, procesado, en preparación, preparación en curso, confirmado,
        confirmada, enviado, enviada, en tránsito, entregado, entregada, facturado, facturada,
        reembolsado parcialmente, parcialmente reembolsado, parcialmente reembolsada, reembolso parcial
    """,
    "Italian": """
        pagato, pagata, pagamento accettato, pagamento ricevuto, completato, completata, concluso, in
        lavorazione, in elaborazione, preparazione in corso, confermato, confermata, spedito, spedita,
        inviato, consegnato, consegnata, evaso, evasa, fatturato, parzialmente rimborsato, parzialmente
        rimborsata, rimborsato parzialmente, rimborso parziale
    """,
    "Dutch": """
        betaald, deels betaald, betaling aanvaard, betaling ontvangen, voltooid, afgerond, in
        behandeling, verwerkt, bevestigd, verzonden, deels verzonden, onderweg, geleverd, bezorgd,
        afgeleverd, gefactureerd, gedeeltelijk terugbetaald, deels terugbetaald
    """,
    "Portuguese": """
        pago, paga, pagamento aceite, pagamento aprovado, pagamento confirmado, pagamento recebido,
        concluído, concluída, completo, finalizado, processando, em processamento, em preparação,
        confirmado, aprovado, enviado, em trânsito, entregue, faturado, parcialmente reembolsado,
        reembolsado parcialmente, reembolso parcial, parcialmente devolvido
    """,
    "Polish": """
        opłacone, opłacony, zapłacone, zapłacono, płatność zaakceptowana, zakończone, zakończony,
        zrealizowane, zrealizowany, w realizacji, w trakcie realizacji, przygotowanie w toku,
        potwierdzone, wysłane, wysłany, dostarczone, dostarczony, odebrane, częściowo zwrócone, zwrócono
        częściowo
    """,
    "Russian": """
        оплачен, оплачено, оплачена, частично оплачен, платёж принят, выполнен, выполнено, завершён,
        завершено, обработка, обрабатывается, в обработке, обработан, подтверждён, собран, отправлен, отгружен, в
        пути, доставлен, получен, частичный возврат, частично возвращён
    """,
}

DOES_NOT_COUNT = {
    "English": """
        cancelled, canceled, cancelled by customer, cancelled by seller, cancelled reversal, canceled
        reversal, cancellation, void, voided, failed, failure, payment failed, payment error, error,
        declined, denied, rejected, blocked, fraud, suspected fraud, expired, abandoned, incomplete,
        removed, deleted, trash, draft, checkout draft, auto draft, quotation, quotation sent, quote,
        new, pending, pending payment, payment pending, payment review, awaiting payment, awaiting check
        payment, awaiting cheque payment, awaiting bank wire payment, awaiting cash on delivery
        validation, unpaid, not paid, unsettled, overdue, due, authorized, authorised, uncaptured,
        requires action, requires payment method, requires capture, requires confirmation, manual
        verification required, on hold, onhold, hold, held, holded, unclaimed, refunded, refund, fully
        refunded, refunded in full, returned, reversed, reversal, charged back, chargeback, disputed,
        dispute
    """,
    "German": """
        storniert, storno, abgebrochen, abgelehnt, fehlgeschlagen, fehler, zahlungsfehler, gescheitert,
        ungültig, abgelaufen, entwurf, angebot, offen, unbezahlt, nicht bezahlt, ausstehend, zahlung
        ausstehend, warten auf zahlung, warten auf zahlungseingang, wartend, autorisiert, in
        wartestellung, zurückgestellt, angehalten, erstattet, zurückerstattet, rückerstattet,
        zurückgezahlt, retourniert, zurückgebucht, rückgebucht, rückbuchung, rückgängig gemacht,
        gelöscht
    """,
    "French": """
        annulé, annulée, échoué, échouée, échec, erreur de paiement, refusé, refusée, rejeté, expiré,
        expirée, abandonné, brouillon, devis, en attente, en attente de paiement, attente paiement,
        attente de paiement, en attente du paiement par chèque, en attente de virement bancaire, impayé,
        impayée, non payé, non payée, autorisé, remboursé, remboursée, retourné, retournée, litige
    """,
    "Spanish": """
        cancelado, cancelada, anulado, anulada, fallido, fallida, error en pago, error de pago,
        rechazado, rechazada, denegado, caducado, expirado, abandonado, borrador, presupuesto,
        pendiente, pendiente de pago, pago pendiente, a la espera de pago, en espera, en espera de pago,
        no pagado, impagado, autorizado, reembolsado, reembolsada, devuelto, devuelta, contracargo
    """,
    "Italian": """
        annullato, annullata, cancellato, fallito, fallita, errore di pagamento, rifiutato, rifiutata,
        scaduto, abbandonato, bozza, preventivo, in attesa, in attesa di pagamento, pagamento in attesa,
        in sospeso, sospeso, non pagato, non pagata, autorizzato, rimborsato, rimborsata, reso, stornato
    """,
    "Dutch": """
        geannuleerd, mislukt, betalingsfout, geweigerd, afgewezen, verlopen, concept, offerte, wachten
        op betaling, in afwachting, in afwachting van betaling, in de wacht, openstaand, onbetaald, niet
        betaald, terugbetaald, geretourneerd, teruggestuurd
    """,
    "Portuguese": """
        cancelado, cancelada, anulado, falhou, falhado, malsucedido, erro de pagamento, recusado,
        negado, expirado, abandonado, rascunho, orçamento, pendente, pagamento pendente, aguardando,
        aguardando pagamento, a aguardar pagamento, em espera, não pago, autorizado, reembolsado,
        reembolsada, devolvido, estornado, chargeback
    """,
    "Polish": """
        anulowane, anulowany, anulowano, nieudane, niepowodzenie, błąd płatności, odrzucone, odrzucony,
        wygasłe, szkic, nieopłacone, nieopłacony, oczekujące, oczekuje, oczekujące na płatność,
        wstrzymane (oczekujące na płatność),
        oczekiwanie na płatność, wstrzymane, zwrócone, zwrócony, zwrot, reklamacja
    """,
    "Russian": """
        отменён, отменено, отмена, аннулирован, не удался, неудача, неудачный, ошибка оплаты, отклонён,
        просрочен, истёк, черновик, новый, ожидает оплаты, ожидание оплаты, в ожидании, не оплачен, не
        оплачено, на удержании, возврат, возвращён, возвращено, возмещён
    """,
}


def verdict(value: str) -> bool | None:
    """A status as it is written -> whether such an order counts; None where nobody but the user knows."""
    word = fold(re.sub(r"^\s*wc-", "", value, flags=re.IGNORECASE))
    if word in counting():
        return True
    return False if word in not_counting() else None


@functools.cache
def counting() -> frozenset[str]:
    """The words of COUNTS, as they are compared."""
    return _all_words(COUNTS)


@functools.cache
def not_counting() -> frozenset[str]:
    """The words of DOES_NOT_COUNT, as they are compared."""
    return _all_words(DOES_NOT_COUNT)


def _all_words(languages: dict[str, str]) -> frozenset[str]:
    return frozenset(fold(word) for names in languages.values() for word in names.split(","))
