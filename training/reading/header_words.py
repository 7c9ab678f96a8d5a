"""Usual column names for each role, in nine languages, as `fold` writes them.

Each string is a group of equally good names; an earlier group is preferred to a later one. No name has two roles.
A column `total` may hold the order's total or the line's: the numbers decide (see ORDER_OR_LINE).
"""

from __future__ import annotations

from training.reading.folding import fold, words

HEADERS: dict[str, tuple[str, ...]] = {
    "customer": (
        """customerid customerno customernumber customercode custid custno custkey customerno. customer#
        cust# kundennummer kundennr kundennr. kundenno kundenid kundencode kdnr kdnr. kd.nr. debitor
        debitorennummer debitorennr debitornr numeroclient nclient n°client noclient idclient codeclient
        refclient referenceclient idcliente codigocliente codigodecliente codcliente numerocliente
        numerodecliente clienteid ncliente nºcliente n.cliente codicecliente codigodocliente numerodocliente
        iddocliente klantnummer klantnr klantnr. klantid klantcode debiteurnummer debiteurnr idklienta
        numerklienta nrklienta kodklienta klientid idkontrahenta kodkontrahenta numerkontrahenta idклиента
        кодклиента номерклиента idпокупателя кодпокупателя номерпокупателя idконтрагента кодконтрагента""",
        """custnum custcode customerkey customerref customerreference customeruid customeruserid
        customernr""",
        """customer client clientid clientno clientnumber clientcode clientkey clientref clientno. user
        userid userkey useraccountid uid buyer buyerid buyeruserid buyeruserno buyerusername buyerno member
        memberid memberno membernumber membercode shopper shopperid householdid householdkey householdno
        hhid cust customeruser consumerid consumerno contactid patronid kunde kaufer kaeufer besteller
        benutzerid acheteur idacheteur utilisateurid idutilisateur adherent cliente comprador idcomprador
        idusuario usuarioid socio acquirente utenteid idutente klant koper gebruikerid utilizadorid
        idutilizador klient kupujacy kontrahent iduzytkownika клиент покупатель контрагент
        idпользователя""",
        """accountid accountno accountnumber account loyaltyid loyaltyno loyaltycardid loyaltycardno
        loyaltycardnumber loyaltynumber cardholderid partnerid visitorid subscriberid personid""",
    ),
    "email": (
        """customeremail customeremailaddress customermail buyeremail buyeremailaddress billingemail
        billingemailaddress email(billing) emailbilling contactemail clientemail purchaseemail
        purchaseremail useremail orderemail fromemailaddress payeremail shopperemail memberemail kundenemail
        kundenmail emailkunde emaildeskunden rechnungsemail absenderemailadresse emaildeskaufers emailclient
        emailduclient mailclient emailfacturation emailcliente emaildelcliente correocliente
        emailfacturacion emaildocliente emailfatturazione emailklant klantemail factuuremail emailklienta
        emailклиента emailпокупателя""",
        """email emailaddress mail mailaddress emailid emailaddr emailadresse mailadresse adressemail
        adresseemail courriel adressedecourriel correo correoelectronico direcciondecorreo indirizzoemail
        postaelettronica emailadres mailadres correioeletronico enderecodeemail adresemail adresmail почта
        электроннаяпочта электронныйадрес""",
    ),
    "invoice": (
        """invoice invoiceno invoiceid invoicenumber invoicecode invoiceref invoicenr invoice# invoiceno.
        rechnung rechnungsnummer rechnungsnr rechnungsnr. rechnungnr rechnungid belegnummer belegnr belegnr.
        facture numerofacture numerodefacture nofacture nfacture n°facture idfacture factura numerofactura
        numerodefactura nfactura nºfactura idfactura fattura numerofattura nfattura n.fattura idfattura
        factuur factuurnummer factuurnr fatura numerofatura numerodafatura nfatura notafiscal
        numeronotafiscal faktura numerfaktury nrfaktury накладная номернакладной счет номерсчета""",
        """order orderid orderno ordernumber ordercode order# orderno. orderserialno bestellung
        bestellnummer bestellnr bestellnr. bestellid auftrag auftragsnummer auftragsnr auftragsnr. auftragid
        vorgangsnummer commande numerocommande numerodecommande nocommande ncommande n°commande n°decommande
        idcommande pedido numeropedido numerodepedido npedido nºpedido nºdepedido idpedido codigopedido
        ordine numeroordine numerodordine nordine n.ordine idordine codiceordine bestelling bestelnummer
        bestelnr bestellingid ordernummer encomenda numeroencomenda numerodaencomenda idencomenda
        numerodopedido iddopedido codigodopedido zamowienie numerzamowienia nrzamowienia idzamowienia заказ
        номерзаказа idзаказа кодзаказа №заказа""",
        """orderref orderreference ordernr orderkey salesorder salesorderid salesordernumber salesid saleid
        saleno salesrecordnumber purchaseid purchaseno purchaseorderid incrementid amazonorderid ordernum
        refcommande referencecommande verkaufsprotokollnummer""",
        """transaction transactionid transactionno transactionnumber transactioncode transid transno
        transnum tranid trannum txnid txnno tx txid receipt receiptid receiptno receiptnumber receiptnr
        basket basketid basketno basketkey basketnum cartid checkid checkno chequeid ticket ticketid
        ticketno ticketnumber billid billno billnumber voucherno documentno documentnumber docno docnumber
        bookingid reservationid transaktion transaktionsid transaktionsnummer transaktionscode
        transaktionsnr bonnummer bonnr bon kassenbon quittungsnummer warenkorbid idtransaction
        numerotransaction ticketdecaisse numeroticket numerodeticket idtransaccion transaccion
        numerotransaccion recibo numerorecibo idtransazione transazione scontrino numeroscontrino transactie
        transactieid transactienummer kassabon transacao idtransacao numerotransacao transakcja idtransakcji
        numertransakcji paragonnr numerparagonu транзакция idтранзакции номертранзакции чек номерчека""",
    ),
    "date": (
        """invoicedate invoicedatetime invoicetimestamp invoiceday billdate billingdate rechnungsdatum
        belegdatum datefacture datedefacture datefacturation fechafactura fechadefactura datafattura
        factuurdatum datafatura datadafatura datafaktury датасчета датанакладной""",
        """orderdate orderdatetime ordertimestamp orderedat orderedon ordercreatedat ordercreateddate
        orderplacedat orderplaced orderday purchasedate purchasedat purchasedatetime purchasetimestamp
        orderpurchasetimestamp purchasedon transactiondate transactiondatetime transactiontimestamp
        transdate transdatetime trandate trandatetime txndate txntime txntimestamp transactionday saledate
        saledatetime salesdate salesdatetime solddate soldat soldon bestelldatum auftragsdatum kaufdatum
        verkaufsdatum verkauftam bestelltam transaktionsdatum datecommande datedecommande datedelacommande
        datedevente dateachat datedachat datetransaction datedetransaction fechapedido fechadepedido
        fechadelpedido fechacompra fechadecompra fechaventa fechadeventa fechatransaccion dataordine
        datadordine dataacquisto datavendita datatransazione besteldatum orderdatum aankoopdatum
        verkoopdatum transactiedatum datapedido datadopedido dataencomenda datadaencomenda datacompra
        datadacompra datavenda datadavenda datazamowienia datazakupu datasprzedazy datatransakcji датазаказа
        датапокупки датапродажи датачека датаивремязаказа""",
        """date datetime timestamp createdat created createdon createddate datecreated creationdate
        createdtime createddate(utc) created(utc) createdutc creationtime dateadd dateadded date/time
        dateandtime dateoforder dateofpurchase dateofsale dateofinvoice eventtime datum datumuhrzeit
        datumzeit datumundzeit erstelltam erstelldatum erstellungsdatum zeitstempel datecreation
        datedecreation dateheure horodatage fecha fechayhora fechahora fechacreacion fechadecreacion data
        dataora dataeora datacreazione datadicreazione datumtijd aangemaaktop aanmaakdatum datahora
        dataehora datacriacao datadecriacao datautworzenia dataigodzina дата датавремя датаивремя
        датасоздания""",
        """checkoutdate paidat paiddate paidondate datepaid paymentdate receiptdate ticketdate bookingdate
        buchungsdatum zahlungsdatum датаоплаты""",
    ),
    "time": (
        """time ordertime purchasetime transactiontime transtime trantime saletime salestime timeofday
        invoicetime receipttime timeofsale uhrzeit zeit bestellzeit kaufzeit heure heurecommande
        heuredecommande hora horapedido horadelpedido ora oraordine tijd tijdstip besteltijd horario godzina
        czas godzinazamowienia время времязаказа""",
    ),
    "quantity": (
        """quantity qty menge anzahl stuckzahl stueckzahl bestellmenge verkaufsmenge quantite qte
        quantitecommandee quantitevendue cantidad cant cantidadpedida cantidadvendida unidades quantita qta
        aantal hoeveelheid quantidade qtd qtde ilosc liczba liczbasztuk количество колво""",
        """quantityordered qtyordered orderedqty orderquantity orderqty itemquantity itemqty productquantity
        productqty lineitemquantity lineitemqty quantitypurchased quantitysold qtysold soldqty
        quantityshipped quantityinvoiced""",
        """units items count numberofitems itemcount pieces pcs unitssold itemssold noofitems stuck
        stueck""",
    ),
    "price": (
        """unitprice priceperunit itemprice einzelpreis stuckpreis stueckpreis preisprostuck einheitspreis
        artikelpreis prixunitaire puht puttc prixunitaireht prixunitairettc preciounitario preciounidad
        prezzounitario stukprijs eenheidsprijs prijsperstuk precounitario valorunitario cenajednostkowa
        cenazasztuke ценазаединицу ценаединицы ценазаштуку""",
        "price preis prix precio prezzo prijs preco cena цена",
        """priceeach lineitemprice perunitprice sellingprice saleprice salesprice unitsellingprice
        productprice pricesold soldprice netprice unitpricenet verkaufspreis nettopreis prixdevente
        preciodeventa prezzodivendita verkoopprijs precodevenda cenasprzedazy ценапродажи""",
        "listprice originalprice retailprice regularprice baseprice listenpreis katalogpreis",
    ),
    "amount": (
        """linetotal lineamount totalprice totalamount linevalue linesubtotal itemtotal itemsubtotal
        itemamount lineitemtotal extendedprice extprice extendedamount lineprice linerevenue linesales
        productrevenue positionssumme positionsbetrag zeilensumme gesamtpreis zeilenbetrag totalligne
        montantligne prixtotal totallinea importelinea preciototal totaleriga importoriga prezzototale
        regeltotaal regelbedrag totaalprijs totallinha precototal valortotalitem wartoscpozycji
        cenacalkowita суммастроки стоимостьпозиции общаястоимость""",
        """amount sales revenue turnover spend totalsales netamount betrag umsatz nettobetrag bruttobetrag
        nettoumsatz bruttoumsatz montant montantht montantttc chiffreaffaires chiffredaffaires importe monto
        importeneto ventas ingresos importo fatturato ricavo ricavi bedrag omzet nettobedrag brutobedrag
        valorvenda valorpago vendas faturamento receita kwota wartosc wartoscnetto wartoscbrutto kwotanetto
        kwotabrutto obrot przychod сумма выручка стоимость оборот""",
        """salesvalue salesamount saleamount salevalue tranamount transamount transactionamount
        transactionvalue txnamount amountspent amountpaid spent spending netsales netrevenue nettotal
        netvalue grosssales grossamount gross value monetary monetaryvalue purchaseamount purchasevalue
        paymentamount paymentvalue extendedsales dollarsales salesdollars wert warenwert brutto netto
        nettowert valeur valor valore waarde""",
    ),
    "total": (
        """ordertotal ordertotalamount orderamount ordervalue totalorder totalordervalue grandtotal
        grandtotal(base) grandtotal(purchased) invoicetotal invoiceamount invoicevalue totalinvoice
        baskettotal basketvalue basketamount carttotal cartvalue receipttotal tickettotal checktotal
        billtotal billamount totalpaid totalpaidtaxincl totalpaidtaxexcl totaldue totalcharged
        totalcollected checkouttotal bestellsumme bestellwert auftragssumme auftragswert rechnungsbetrag
        rechnungssumme gesamtbetrag gesamtsumme endbetrag endsumme warenkorbwert totalcommande
        montantcommande montanttotal totalfacture montantfacture totalttc totalht totalpedido importepedido
        importetotal montototal totalfactura totaleordine importoordine importototale totalefattura
        besteltotaal ordertotaal totaalbedrag factuurbedrag eindtotaal totaldopedido valordopedido
        valortotal valortotaldopedido totalencomenda wartosczamowienia kwotazamowienia sumazamowienia
        razemdozaplaty kwotacalkowita суммазаказа стоимостьзаказа суммачека итогозаказа общаясумма""",
        "total subtotal totals gesamt summe totale totaal suma razem итого всего итог",
    ),
    "refunded": (
        """refundedamount amountrefunded refundamount refundamt orderrefundamount totalrefunded refundtotal
        refundedtotal totalrefund refundvalue partialrefund amountreturned returnamount returnedamount
        erstattungsbetrag erstatteterbetrag erstattung ruckerstattung ruckerstattungsbetrag gutschriftbetrag
        montantrembourse remboursement montantremboursement importereembolsado reembolso importedevuelto
        importorimborsato rimborso terugbetaling terugbetaaldbedrag valorreembolsado valorestornado
        valordevolvido estorno kwotazwrotu суммавозврата""",
        """refund refunded refunds erstattet rembourse reembolsado rimborsato terugbetaald zwrot возврат""",
    ),
    "status": (
        """orderstatus orderstate financialstatus paymentstatus salestatus salesstatus transactionstatus
        invoicestatus statusoforder orderstatusname currentstate bestellstatus auftragsstatus zahlungsstatus
        rechnungsstatus statutcommande etatcommande statutdelacommande statutpaiement estadopedido
        estadodelpedido estadopago estadodelpago statoordine statodellordine statopagamento bestelstatus
        betaalstatus betalingsstatus statusdopedido statusdaencomenda estadodaencomenda statusdopagamento
        statuszamowienia statusplatnosci статусзаказа статусоплаты""",
        "status statut etat situacao stan статус состояние",
        "estado stato",
        """fulfillmentstatus fulfilmentstatus shippingstatus deliverystatus shipmentstatus itemstatus
        versandstatus""",
    ),
    "currency": (
        """currency currencycode ordercurrency ordercurrencycode currencyiso isocurrency paymentcurrency
        transactioncurrency invoicecurrency curr ccy wahrung waehrung wahrungscode devise codedevise monnaie
        moneda divisa codigomoneda valuta codicevaluta munteenheid moeda waluta валюта кодвалюты""",
    ),
    "stock_code": (
        "stockcode",
        "sku skuid skucode skunumber itemsku productsku lineitemsku sellersku variantsku",
        """productid productcode productno productnumber productkey itemid itemcode itemno itemnumber
        itemkey articleid articleno articlenumber articlecode upc ean barcode gtin asin materialnumber
        partnumber partno artikelnummer artikelnr artikelnr. artnr art.nr. artikelid produktnummer produktnr
        produktid codearticle codeproduit referenceproduit refproduit referencearticle idproduit
        codigoproducto codigoarticulo referenciaproducto idproducto codiceprodotto codicearticolo idprodotto
        artikelcode productnummer codigoproduto codigodoproduto referenciaproduto idproduto kodproduktu
        indeksproduktu idproduktu kodtowaru артикул кодтовара idтовара кодпродукта""",
        """product item productname itemname itemtitle itemdescription productdescription productitle
        producttitle lineitemname article artikel produkt artikelname artikelbezeichnung bezeichnung
        produktname angebotstitel produit nomproduit libelle designation producto nombreproducto articulo
        prodotto nomeprodotto articolo productnaam omschrijving produto nomeproduto nazwaproduktu towar
        товар названиетовара наименование""",
        "description",
    ),
    "country": (
        "country countryname land pays pais paese nazione kraj страна",
        """countrycode countrycode(billing) countryiso countryiso2 shippingcountry shipcountry shiptocountry
        deliverycountry landercode laendercode landcode codepays codigopais codicepaese landkurzel""",
        """billingcountry billingcountryname customercountry country(billing) countryname(billing)
        buyercountry rechnungsland lieferland landdeskaufers paysfacturation paisfacturacion factuurland""",
    ),
}

# Names that say neither the line's money nor the order's: where they have one value on all lines of each order
# that has several lines, they hold the order's.
ORDER_OR_LINE = words(
    """
    total subtotal totals totalprice totalamount totalsales gesamt summe gesamtpreis prixtotal preciototal
    prezzototale precototal totale totaal totaalprijs suma razem итого всего итог
    amount revenue sales value netamount nettotal betrag umsatz montant importe importo bedrag kwota сумма
    transactionamount tranamount transamount paymentvalue amountpaid
    """
)


def names(role: str) -> list[list[str]]:
    """The names for a role, group by group, the most telling first."""
    return [group.split() for group in HEADERS[role]]


def names_article(column: str) -> bool:
    """Whether a further column of a source (`other_` and its name) holds the names of articles."""
    name = fold(column.removeprefix("other_"))
    return column.startswith("other_") and any(name in group for group in names("stock_code"))
