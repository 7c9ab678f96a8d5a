"""Usual names of money that stands beside a line's or an order's: taken off it, or added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.reading.folding import fold

BESIDE: dict[str, str] = {  # a role that can be mapped -> its usual names, as `fold` writes them
    "discount": """discount discounts discountamount discountamt discountvalue discounttotal totaldiscount
        totaldiscounts linediscount itemdiscount productdiscount unitdiscount lineitemdiscount disc discamount
        coupon couponamount couponvalue coupondiscount couponused rebate rebates rebateamount rebatevalue markdown
        promotion promotionamount promotiondiscount promodiscount promoamount voucher voucheramount vouchervalue
        voucherdiscount loyaltydiscount memberdiscount pointsdiscount pointsredeemed savings amountoff allowance
        rabatt rabattbetrag rabattwert nachlass preisnachlass gutschein gutscheinbetrag gutscheinwert skonto
        aktionsrabatt remise montantremise remises reduction montantreduction rabais bonreduction descuento
        descuentos importedescuento cupon bonificacion sconto sconti importosconto buonosconto korting
        kortingsbedrag desconto descontos valordesconto cupom rabat kwotarabatu znizka скидка суммаскидки""",
    "discount_percent": """discount% discount(%) discountpercent discountpercentage discountpct discountrate
        percentdiscount disc% discpct %discount %off percentoff rabatt% rabatt(%) rabattin% rabattprozent
        rabattsatz remise% remise(%) tauxremise tauxderemise descuento% descuento(%) porcentajedescuento
        sconto% sconto(%) percentualesconto korting% korting(%) kortingspercentage desconto% desconto(%)
        percentualdesconto rabat% rabat(%) скидка% скидка(%)""",
    "order_discount": """orderdiscount orderdiscountamount cartdiscount cartdiscountamount basketdiscount
        invoicediscount discountonorder ordercoupon bestellrabatt auftragsrabatt warenkorbrabatt remisecommande
        descuentopedido scontoordine orderkorting descontopedido rabatzamowienia""",
    "tax": """tax taxes taxamount taxamt taxvalue taxtotal totaltax totaltaxes ordertax linetax itemtax salestax vat
        vatamount totalvat gst gstamount hst pst mwst mwst. mwstbetrag ust umsatzsteuer umsatzsteuerbetrag steuer
        steuern steuerbetrag tva montanttva iva importeiva importoiva impuesto impuestos imposta imposte imposto
        impostos btw btwbedrag podatek vatkwota kwotavat ндс суммандс""",
    "shipping": """shipping shippingcost shippingcosts shippingamount shippingfee shippingfees shippingcharge
        shippingcharges shippingprice shippingtotal totalshipping ordershipping shippingandhandling freight
        freightvalue freightcost freightamount deliveryfee deliverycost deliverycharge deliverycharges deliveryprice
        postage postagecost postageandpackaging handling handlingfee handlingcost tip tips tipamount gratuity
        servicefee servicecharge giftwrap giftwrapfee giftwrapprice versand versandkosten versandbetrag porto
        lieferkosten liefergebuhr fraisdeport fraisport fraislivraison fraisdelivraison gastosenvio gastosdeenvio
        costeenvio costedeenvio costospedizione spesespedizione spesedispedizione verzendkosten frete valorfrete
        valordofrete kosztwysylki kosztdostawy стоимостьдоставки доставка""",
}
GROUPS: dict[str, tuple[str, ...]] = {  # roles of which one answer settles the others
    "discount": ("discount_percent", "order_discount", "discount"),
    "tax": ("tax",),
    "shipping": ("shipping",),
}
AFTER_DISCOUNT = [
    "discounted",
    "afterdiscount",
    "final",
    "paid",
    "sold",
    "selling",
    "saleprice",
    "charged",
    "due",
    "spent",
    "collected",
    "payable",
]
WITHOUT_EXTRAS = ("subtotal", "goods", "merchandise", "itemtotal", "itemstotal", "productstotal")
WITHOUT_TAX = (
    "netto",
    "untaxed",
    "beforetax",
    "excltax",
    "exclvat",
    "taxexcl",
    "exvat",
    "extax",
    "horstaxe",
    "sinimpuesto",
)


def beside(names: Sequence[str], mapped: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Roles -> the columns of these names that may have them; without the groups that the user has settled."""
    columns: dict[str, tuple[str, ...]] = {}
    for group in GROUPS.values():
        if not any(role in mapped for role in group):
            for role in group:
                usual = BESIDE[role].split()
                if fitting := tuple(name for name in names if fold(name) in usual):
                    columns[role] = fitting
    return columns


def says(name: str, words: Sequence[str]) -> bool:
    """Whether a column's name holds one of these words."""
    return any(word in fold(name) for word in words)
