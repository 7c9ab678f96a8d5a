"""The exports of well-known shop and payment systems: how each is recognised, and what its columns mean.

A layout is recognised by its header alone. Its tables name columns as the system writes them; they are
compared as `fold` compares names. Where a role has several columns, the first one that the file has is used.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.reading.folding import fold
from training.reading.layout import Kinds, Layout, Money

SHOPIFY = Layout(
    name="Shopify orders export",
    source="https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders",
    needs=("Name", "Financial Status", "Lineitem quantity", "Lineitem price"),
    customer=("Email",),
    order=("Name",),
    date=("Created at", "Paid at"),
    money=(
        Money("order", plus=("Subtotal",)),
        Money("order", plus=("Total",), minus=("Shipping", "Taxes")),
        Money("line", times=("Lineitem quantity", "Lineitem price"), minus=("Lineitem discount",)),
        Money("line", times=("Lineitem quantity", "Lineitem price")),
    ),
    refunded=(Money("order", plus=("Refunded Amount",)),),
    status=("Financial Status",),
    against=("Cancelled at",),
    currency=("Currency",),
    country=("Billing Country", "Shipping Country"),
    item=("Lineitem sku", "Lineitem name"),
    keep=(
        "Billing Name",
        "Shipping Name",
        "Phone",
        "Billing City",
        "Shipping City",
        "Accepts Marketing",
        "Tags",
    ),
    unknown="Subtotal includes tax where the shop's prices do; Refunded Amount includes shipping that was given back.",
)

SQUARESPACE = Layout(
    name="Squarespace orders export",
    source="https://support.squarespace.com/hc/en-us/articles/206540677-Exporting-orders",
    needs=("Order ID", "Financial Status", "Lineitem quantity", "Lineitem price"),
    customer=("Email",),
    order=("Order ID",),
    date=("Created at", "Paid at"),
    money=(
        Money("order", plus=("Total",), minus=("Shipping", "Taxes")),
        Money("line", times=("Lineitem quantity", "Lineitem price")),
    ),
    refunded=(Money("order", plus=("Amount Refunded",)),),
    status=("Financial Status",),
    against=("Cancelled at",),
    currency=("Currency",),
    country=("Billing Country", "Shipping Country"),
    item=("Lineitem sku", "Lineitem name"),
    keep=("Billing Name", "Shipping Name", "Billing Phone", "Billing City", "Shipping City"),
)

WOOCOMMERCE_ADVANCED = Layout(
    name="WooCommerce orders (Advanced Order Export)",
    source="https://wordpress.org/plugins/woo-order-export-lite/",
    needs=("Order Number", "Order Status", "Order Date", "Order Total Amount"),
    any_of=("Email (Billing)", "Customer User ID"),
    customer=("Email (Billing)", "Customer User ID"),
    order=("Order Number",),
    date=("Order Date", "Paid Date"),
    money=(
        Money("order", plus=("Order Subtotal Amount",), minus=("Cart Discount Amount",)),
        Money(
            "order", plus=("Order Total Amount",), minus=("Order Shipping Amount", "Order Total Tax Amount")
        ),
        Money("order", plus=("Order Subtotal Amount",)),
        Money("order", plus=("Order Total Amount",)),
    ),
    refunded=(Money("order", plus=("Order Refund Amount",)),),
    status=("Order Status",),
    currency=("Currency",),
    country=("Country Code (Billing)", "Country Name (Billing)", "Country Code (Shipping)"),
    item=("SKU", "Item Name"),
    keep=("First Name (Billing)", "Last Name (Billing)", "City (Billing)", "Phone (Billing)"),
    unknown="The user id 0 stands for every guest; a guest is known by the e-mail address only.",
)

WOOCOMMERCE_IMPORT_EXPORT = Layout(
    name="WooCommerce orders (Order Import Export)",
    source="https://wordpress.org/plugins/order-import-export-for-woocommerce/",
    needs=("order_id", "order_number", "order_date", "status", "order_total", "order_currency"),
    any_of=("billing_email", "customer_email", "customer_id"),
    customer=("billing_email", "customer_email", "customer_id"),
    order=("order_number", "order_id"),
    date=("order_date", "paid_date"),
    money=(
        Money("order", plus=("order_subtotal",), minus=("discount_total",)),
        Money("order", plus=("order_total",), minus=("shipping_total", "shipping_tax_total", "tax_total")),
        Money("order", plus=("order_total",)),
    ),
    status=("status",),
    currency=("order_currency",),
    country=("billing_country", "shipping_country"),
    keep=("billing_first_name", "billing_last_name", "billing_city", "billing_phone"),
    unknown="A refund of a part is not a number in this file; the whole order counts.",
)

WOOCOMMERCE_ANALYTICS = Layout(
    name="WooCommerce Analytics orders report",
    source="https://woocommerce.com/document/woocommerce-analytics/orders-report/",
    needs=("Order #", "Status", "Customer", "Product(s)"),
    any_of=("N. Revenue", "Net sales", "Net revenue"),
    refuses="The orders report of WooCommerce Analytics names a customer by name only, and two people may share one. "
    "Export the orders with an order export plug-in, with the e-mail address.",
)

WOOCOMMERCE_ITEMS = Layout(
    name="WooCommerce order items (table wc_order_product_lookup)",
    source="https://github.com/woocommerce/woocommerce",
    needs=("order_item_id", "order_id", "customer_id", "date_created", "product_qty", "product_net_revenue"),
    customer=("customer_email", "email", "customer_id"),
    order=("order_id",),
    date=("date_created",),
    money=(Money("line", plus=("product_net_revenue",)),),
    status=("status",),
    item=("sku", "product_id"),
    unknown="The status of an order is in another table (wc_order_stats): join it, or export completed orders only.",
)

MAGENTO = Layout(
    name="Magento 2 orders grid export",
    source="https://experienceleague.adobe.com/en/docs/commerce-admin/stores-sales/order-management/orders/orders",
    needs=("ID", "Purchase Point", "Purchase Date", "Status"),
    any_of=("Grand Total (Base)", "Grand Total (Purchased)"),
    customer=("Customer Email",),
    order=("ID",),
    date=("Purchase Date",),
    money=(
        Money("order", plus=("Grand Total (Base)",), minus=("Shipping and Handling",)),
        Money("order", plus=("Grand Total (Base)",)),
        Money("order", plus=("Grand Total (Purchased)",), minus=("Shipping and Handling",)),
        Money("order", plus=("Grand Total (Purchased)",)),
    ),
    refunded=(Money("order", plus=("Total Refunded",)),),
    status=("Status",),
    does_not_count=("closed",),
    keep=("Bill-to Name", "Customer Name", "Customer Group", "Billing Address"),
    unknown="Tax is part of Grand Total and has no column of its own; an order that is closed was refunded as a whole.",
)

PRESTASHOP_LIST = Layout(
    name="PrestaShop orders list export",
    source="https://github.com/PrestaShop/PrestaShop",
    needs=("ID", "Reference", "New client", "Delivery", "Customer", "Total", "Status", "Date"),
    refuses="The orders list of PrestaShop names a customer by initial and last name only, and two people may share "
    "one. Export the table of orders with its SQL manager, with id_customer or the customer's email.",
)

PRESTASHOP = Layout(
    name="PrestaShop table of orders",
    source="https://github.com/PrestaShop/PrestaShop/blob/develop/install-dev/data/db_structure.sql",
    needs=("id_order", "current_state", "date_add", "total_paid_tax_excl"),
    any_of=("email", "id_customer"),
    customer=("email", "id_customer"),
    order=("id_order", "reference"),
    date=("date_add",),
    money=(
        Money(
            "order",
            plus=("total_paid_tax_excl",),
            minus=("total_shipping_tax_excl", "total_wrapping_tax_excl"),
        ),
        Money("order", plus=("total_paid_tax_excl",), minus=("total_shipping_tax_excl",)),
        Money("order", plus=("total_products",), minus=("total_discounts_tax_excl",)),
        Money("order", plus=("total_paid_tax_excl",)),
    ),
    status=("valid",),
    counts=("1", "true"),
    does_not_count=("0", "false"),
    currency=("iso_code", "id_currency"),
    keep=("firstname", "lastname", "city"),
    unknown="Refunds are in another table (order_slip); a guest without an email is a new customer in each order.",
)

BIGCOMMERCE = Layout(
    name="BigCommerce orders export",
    source="https://support.bigcommerce.com/s/article/Exporting-Orders",
    needs=("Order ID", "Order Date", "Order Status"),
    any_of=("Order Total (ex tax)", "Order Total (inc tax)"),
    customer=("Customer Email", "Billing Email", "Customer ID"),
    order=("Order ID",),
    date=("Order Date",),
    time=("Order Time",),
    money=(
        Money(
            "order",
            plus=("Order Total (ex tax)",),
            minus=("Shipping Cost (ex tax)", "Handling Cost (ex tax)"),
        ),
        Money("order", plus=("Order Total (ex tax)",), minus=("Shipping Cost (ex tax)",)),
        Money("order", plus=("Subtotal (ex tax)",)),
        Money("order", plus=("Order Total (inc tax)",)),
    ),
    refunded=(Money("order", plus=("Refund Amount",)),),
    status=("Order Status",),
    currency=("Order Currency Code",),
    country=("Billing Country", "Shipping Country"),
    keep=("Customer Name", "Customer Phone", "Billing Suburb"),
    unknown="The items of an order are one text and are not taken apart; the customer id 0 stands for every guest.",
)

SQUARE_ITEMS = Layout(
    name="Square items export",
    source="https://squareup.com/help/us/en/article/5072-summaries-and-reports-from-the-online-square-dashboard",
    needs=("Date", "Time", "Time Zone", "Item", "Qty", "Net Sales", "Transaction ID"),
    customer=("Customer ID",),
    order=("Transaction ID",),
    date=("Date",),
    time=("Time",),
    money=(Money("line", plus=("Net Sales",)),),
    kinds=Kinds("Event Type", sales=("Payment",), refunds=("Refund",)),
    item=("SKU", "Item"),
    keep=("Customer Name", "Customer Reference ID", "Location"),
    unknown="A sale at the till often has no customer; those lines are not used.",
)

SQUARE_TRANSACTIONS = Layout(
    name="Square transactions export",
    source="https://squareup.com/help/us/en/article/5072-summaries-and-reports-from-the-online-square-dashboard",
    needs=("Date", "Time", "Time Zone", "Net Sales", "Total Collected", "Transaction ID"),
    without=("Item",),
    customer=("Customer ID",),
    order=("Transaction ID",),
    date=("Date",),
    time=("Time",),
    money=(Money("line", plus=("Net Sales",)),),
    kinds=Kinds("Event Type", sales=("Payment",), refunds=("Refund",)),
    item=("Description",),
    keep=("Customer Name", "Customer Reference ID", "Location"),
    unknown="A sale at the till often has no customer; those lines are not used. Partial Refunds is not subtracted, "
    "because the same refund is also a row.",
)

STRIPE_PAYMENTS = Layout(
    name="Stripe payments export",
    source="https://docs.stripe.com/reports",
    needs=("id", "Amount", "Amount Refunded", "Currency", "Status"),
    any_of=("Created (UTC)", "Created date (UTC)"),
    customer=("Customer ID", "Customer Email"),
    order=("id",),
    date=("Created date (UTC)", "Created (UTC)"),
    money=(Money("order", plus=("Converted Amount",)), Money("order", plus=("Amount",))),
    refunded=(
        Money("order", plus=("Converted Amount Refunded",)),
        Money("order", plus=("Amount Refunded",)),
    ),
    status=("Status",),
    currency=("Converted Currency", "Currency"),
    item=("Description",),
    keep=("Customer Email", "Customer Description", "Card Name"),
    unknown="A payment is money with shipping and tax; what was bought is not in this file.",
)

STRIPE_SALES = ("charge", "payment")
STRIPE_REFUNDS = ("refund", "payment_refund", "dispute", "payment_reversal")
STRIPE_OTHERS = (
    "payout",
    "payout_failure",
    "payout_cancel",
    "payout_reversal",
    "stripe_fee",
    "stripe_fx_fee",
    "tax_fee",
    "fee",
    "network_cost",
    "adjustment",
    "application_fee",
    "application_fee_refund",
    "transfer",
    "transfer_reversal",
    "transfer_refund",
    "connect_collection_transfer",
    "connect_reserved_funds",
    "platform_earning",
    "platform_earning_refund",
    "topup",
    "topup_reversal",
    "contribution",
    "climate_order_purchase",
    "reserve_transaction",
    "reserved_funds",
    "risk_reserved_funds",
    "advance",
    "advance_funding",
    "anticipation_repayment",
    "financing_paydown",
    "financing_payout",
    "other_adjustment",
    "dispute_reversal",
    "refund_failure",
    "payment_failure_refund",
)

STRIPE_BALANCE = Layout(
    name="Stripe balance history export",
    source="https://docs.stripe.com/reports/balance-transaction-types",
    needs=("id", "Type", "Source", "Amount", "Fee", "Net", "Created (UTC)", "Available On (UTC)"),
    customer=("Customer ID", "Customer Email"),
    order=("Source",),
    date=("Created (UTC)",),
    money=(Money("line", plus=("Amount",)),),
    kinds=Kinds("Type", sales=STRIPE_SALES, refunds=STRIPE_REFUNDS, others=STRIPE_OTHERS),
    currency=("Currency",),
    item=("Description",),
    keep=("Customer Email",),
    unknown="The money is with shipping and tax; a dispute is an adjustment here and is not subtracted.",
)

STRIPE_ACTIVITY = Layout(
    name="Stripe balance change from activity report",
    source="https://docs.stripe.com/reports/report-types/balance",
    needs=("balance_transaction_id", "currency", "gross", "fee", "net", "reporting_category"),
    any_of=("created_utc", "created"),
    customer=("customer_id", "customer_email"),
    order=("charge_id", "payment_intent_id", "source_id", "balance_transaction_id"),
    date=("created_utc", "created"),
    money=(Money("line", plus=("gross",)),),
    kinds=Kinds("reporting_category", sales=STRIPE_SALES, refunds=STRIPE_REFUNDS, others=STRIPE_OTHERS),
    currency=("currency",),
    country=("shipping_address_country", "card_country"),
    item=("description",),
    keep=("customer_email", "customer_name"),
    unknown="The money is with shipping and tax.",
)

PAYPAL = Layout(
    name="PayPal activity report",
    source="https://www.paypal.com/us/cshelp/article/how-do-i-download-my-transaction-history-help145",
    needs=(
        "Date",
        "Time",
        "Type",
        "Status",
        "Currency",
        "Gross",
        "Net",
        "From Email Address",
        "Transaction ID",
    ),
    customer=("From Email Address",),
    refund_customer=("To Email Address",),
    refund_of=("Reference Txn ID",),
    order=("Transaction ID",),
    date=("Date",),
    time=("Time",),
    money=(
        Money("line", plus=("Gross",), minus=("Shipping and Handling Amount", "Sales Tax")),
        Money("line", plus=("Gross",)),
    ),
    status=("Status",),
    kinds=Kinds(
        "Type",
        sales=(
            "Express Checkout Payment",
            "Express Checkout Payment Received",
            "Website Payment",
            "Web Accept Payment Received",
            "Shopping Cart Payment Received",
            "Shopping Cart Item",
            "Mobile Payment",
            "Mobile Payment Received",
            "General Payment",
            "Payment Received",
            "eBay Auction Payment",
            "eBay Auction Payment Received",
            "PreApproved Payment Bill User Payment",
            "Preapproved Payment Received",
            "Subscription Payment",
            "Subscription Payment Received",
            "Recurring Payment Received",
            "Direct Credit Card Payment",
            "Virtual Terminal Payment",
            "PayPal Here Payment",
            "QR Code Payment",
            "Invoice Payment",
        ),
        refunds=("Payment Refund", "Refund", "Payment Reversal", "Chargeback"),
        others=(
            "General Withdrawal",
            "Withdraw Funds to Bank Account",
            "General Currency Conversion",
            "Currency Conversion",
            "Bank Deposit to PP Account",
            "User Initiated Withdrawal",
            "Account Hold for Open Authorization",
            "Reversal of General Account Hold",
            "Payment Hold",
            "Payment Release",
            "General Authorization",
            "Void of Authorization",
            "Hold on Balance for Dispute Investigation",
            "Cancellation of Hold for Dispute Resolution",
            "Chargeback Fee",
            "Payment Fee",
            "Mass Pay Payment",
            "Donation Payment",
            "Transfer to Bank",
        ),
        sales_are_positive=True,
    ),
    currency=("Currency",),
    country=("Country", "Country Code", "Transaction Buyer Country Code"),
    item=("Item ID", "Item Title"),
    keep=("Name", "Town/City", "Contact Phone Number"),
    unknown="A refund names its payment in Reference Txn ID; the refund of a payment that is set aside is set aside "
    "with it.",
)

PAYPAL_GERMAN = Layout(
    name="PayPal activity report, German",
    source="https://www.paypal.com/de/cshelp/article/how-do-i-download-my-transaction-history-help145",
    needs=("Datum", "Uhrzeit", "Typ", "Status", "Währung", "Brutto", "Netto", "Transaktionscode"),
    any_of=("Absender E-Mail-Adresse",),
    customer=("Absender E-Mail-Adresse",),
    refund_customer=("Empfänger E-Mail-Adresse",),
    refund_of=("Zugehöriger Transaktionscode",),
    order=("Transaktionscode",),
    date=("Datum",),
    time=("Uhrzeit",),
    money=(
        Money("line", plus=("Brutto",), minus=("Versand- und Bearbeitungsgebühr", "Umsatzsteuer")),
        Money("line", plus=("Brutto",)),
    ),
    status=("Status",),
    kinds=Kinds(
        "Typ",
        sales=(
            "PayPal Express-Zahlung",
            "Express-Zahlung",
            "Website-Zahlung",
            "Handyzahlung",
            "Allgemeine Zahlung",
            "Zahlung erhalten",
            "Zahlung per eBay-Auktion",
            "Zahlung im Einzugsverfahren mit Zahlungsrechnung",
            "Abonnementzahlung",
        ),
        refunds=("Rückzahlung", "Zahlungsrückbuchung", "Rückbuchung"),
        others=(
            "Allgemeine Abbuchung",
            "Bankgutschrift auf PayPal-Konto",
            "Allgemeine Währungsumrechnung",
            "Von Nutzer eingeleitete Abbuchung",
            "Allgemeine Autorisierung",
            "Rückbuchung allgemeiner Einbehaltung",
            "Einbehaltung für offene Autorisierung",
            "Spende",
        ),
        sales_are_positive=True,
    ),
    currency=("Währung",),
    country=("Land", "Ländervorwahl"),
    item=("Artikelnummer", "Artikelbezeichnung"),
    keep=("Name", "Ort"),
    unknown="A refund names its payment by code; the refund of a payment that is set aside is set aside with it.",
)

AMAZON_ALL_ORDERS = Layout(
    name="Amazon All Orders report",
    source="https://developer-docs.amazon.com/sp-api/docs/report-type-values-order",
    needs=("amazon-order-id", "purchase-date", "order-status", "quantity", "item-price"),
    customer=("buyer-email",),
    order=("amazon-order-id",),
    date=("purchase-date",),
    money=(
        Money("line", plus=("item-price",), minus=("item-promotion-discount",)),
        Money("line", plus=("item-price",)),
    ),
    status=("order-status", "item-status"),
    currency=("currency",),
    country=("ship-country",),
    item=("sku", "asin", "product-name"),
    keep=("ship-city",),
    unknown="As Amazon gives it, this report has no customers (no buyer-email). Use a report that has them, "
    "such as the fulfilled shipments.",
)

AMAZON_SHIPMENTS = Layout(
    name="Amazon fulfilled shipments report",
    source="https://developer-docs.amazon.com/sp-api/docs/report-type-values-fba",
    needs=("amazon-order-id", "shipment-id", "purchase-date", "quantity-shipped", "item-price"),
    customer=("buyer-email",),
    order=("amazon-order-id",),
    date=("purchase-date",),
    money=(
        Money("line", plus=("item-price",), minus=("item-promotion-discount",)),
        Money("line", plus=("item-price",)),
    ),
    currency=("currency",),
    country=("bill-country", "ship-country"),
    item=("sku", "product-name"),
    keep=("buyer-name", "ship-city"),
    unknown="Refunds are in another report; everything here was shipped.",
)

AMAZON_ORDERS = Layout(
    name="Amazon orders report",
    source="https://developer-docs.amazon.com/sp-api/docs/report-type-values-order",
    needs=("order-id", "order-item-id", "purchase-date", "quantity-purchased", "item-price"),
    customer=("buyer-email",),
    order=("order-id",),
    date=("purchase-date",),
    money=(
        Money("line", plus=("item-price",), minus=("item-promotion-discount",)),
        Money("line", plus=("item-price",)),
    ),
    paid=("payments-date",),
    currency=("currency",),
    country=("ship-country",),
    item=("sku", "product-name"),
    keep=("buyer-name", "ship-city"),
    unknown="Refunds and later cancellations are in other reports.",
)

AMAZON_SETTLEMENT = Layout(
    name="Amazon settlement report",
    source="https://developer-docs.amazon.com/sp-api/docs/settlement-reports-attributes",
    needs=("settlement-id", "transaction-type", "order-id", "amount-type", "amount-description", "amount"),
    refuses="A settlement report of Amazon has no customers. Export a report that has buyer-email, such as the "
    "fulfilled shipments.",
)

AMAZON_TRANSACTIONS = Layout(
    name="Amazon date range report",
    source="https://sellercentral.amazon.com/help/hub/reference/external/G201952550",
    needs=("date/time", "settlement id", "type", "order id", "product sales", "total"),
    refuses="A date range report of Amazon has no customers. Export a report that has buyer-email, such as the "
    "fulfilled shipments.",
)

EBAY = Layout(
    name="eBay orders report",
    source="https://www.ebay.com/help/selling/selling-tools/seller-hub?id=4094",
    needs=("Sales Record Number", "Order Number", "Buyer Username", "Sold For", "Sale Date"),
    customer=("Buyer Username", "Buyer Email"),
    order=("Order Number", "Sales Record Number"),
    date=("Sale Date",),
    money=(Money("line", times=("Quantity", "Sold For")),),
    paid=("Paid On Date",),
    line=("Item Number",),
    country=("Buyer Country", "Ship To Country"),
    item=("Custom Label", "Item Number", "Item Title"),
    keep=("Buyer Name", "Buyer Email", "Buyer City"),
    unknown="This report has no status and no refunds: an order that was cancelled after it was paid counts.",
)

EBAY_GERMAN = Layout(
    name="eBay orders report, German",
    source="https://www.ebay.de/help/selling/selling-tools/seller-hub?id=4094",
    needs=(
        "Verkaufsprotokollnummer",
        "Bestellnummer",
        "Nutzername des Käufers",
        "Verkauft für",
        "Verkauft am",
    ),
    customer=("Nutzername des Käufers", "E-Mail-Adresse des Käufers"),
    order=("Bestellnummer", "Verkaufsprotokollnummer"),
    date=("Verkauft am",),
    money=(Money("line", times=("Anzahl", "Verkauft für")),),
    paid=("Zahlungsdatum",),
    line=("Artikelnummer",),
    country=("Land des Käufers",),
    item=("Bestandseinheit", "Artikelnummer", "Angebotstitel"),
    keep=("Name des Käufers", "Ort des Käufers"),
    unknown="This report has no status and no refunds: an order that was cancelled after it was paid counts.",
)

ETSY_ORDERS = Layout(
    name="Etsy sold orders",
    source="https://help.etsy.com/hc/en-us/articles/360000343508",
    needs=("Sale Date", "Order ID", "Buyer User ID", "Order Value"),
    customer=("Buyer User ID",),
    order=("Order ID",),
    date=("Sale Date",),
    money=(
        Money("order", plus=("Order Value",), minus=("Discount Amount",)),
        Money("order", plus=("Order Value",)),
    ),
    status=("Status",),
    currency=("Currency",),
    country=("Ship Country",),
    item=("SKU",),
    keep=("Full Name", "Ship City"),
    unknown="A refund of a part shows only in Adjusted Order Total, which is 0 also where nothing was adjusted, so it "
    "is not subtracted. A guest has no user id.",
)

ETSY_ITEMS = Layout(
    name="Etsy sold order items",
    source="https://help.etsy.com/hc/en-us/articles/360000343508",
    needs=("Sale Date", "Item Name", "Buyer", "Quantity", "Price", "Order ID"),
    any_of=("Item Total", "Transaction ID", "Listing ID"),
    customer=("Buyer User ID", "Buyer"),
    order=("Order ID",),
    date=("Sale Date",),
    money=(
        Money("line", plus=("Item Total",), minus=("Discount Amount",)),
        Money("line", times=("Quantity", "Price"), minus=("Discount Amount",)),
        Money("line", times=("Quantity", "Price")),
    ),
    paid=("Date Paid",),
    currency=("Currency",),
    country=("Ship Country",),
    item=("SKU", "Listing ID", "Item Name"),
    keep=("Ship Name", "Ship City"),
    unknown="This file has no status and no refunds. A guest appears by name in Buyer.",
)

LIGHTSPEED = Layout(
    name="Lightspeed Retail (X-Series) sales history",
    source="https://x-series-support.lightspeedhq.com/hc/en-us/articles/25534035030171",
    needs=("Date", "Receipt Number", "Line Type", "Customer Code", "Subtotal", "Status"),
    customer=("Customer Code",),
    order=("Receipt Number",),
    date=("Date",),
    money=(Money("line", plus=("Subtotal",)),),
    status=("Status",),
    counts=("closed", "layby_closed", "onaccount_closed", "dispatched_closed", "awaiting_dispatch"),
    does_not_count=("voided", "saved", "open", "parked", "layby", "onaccount"),
    kinds=Kinds("Line Type", sales=("Sale",), others=("Sale Line", "Payment")),
    keep=("Customer Name", "Register"),
    unknown="Customer Code WALKIN stands for everybody who has no account. A return is a sale of negative money.",
)

SHOPWARE = Layout(
    name="Shopware 6 default orders export",
    source="https://github.com/shopware/shopware",
    needs=("order_number", "customer_email", "amount_total", "order_state_id", "order_date_time"),
    customer=("customer_email",),
    order=("order_number", "id"),
    date=("order_date_time",),
    money=(Money("order", plus=("amount_total",)),),
    status=("order_state_id",),
    item=("line_items",),
    keep=("customer_firstname", "customer_lastname", "billing_address_city"),
    unknown="The state of an order is an id of this one shop, and the total is with shipping and tax: say which ids "
    "count, or add the state's technical name to the export profile.",
)

WIX = Layout(
    name="Wix Stores orders export",
    source="https://support.wix.com/en/article/wix-stores-exporting-your-orders",
    needs=("Order number", "Date created", "Contact email", "Qty", "Price", "Payment status"),
    customer=("Contact email",),
    order=("Order number",),
    date=("Date created",),
    time=("Time",),
    money=(
        Money("order", plus=("Total",), minus=("Shipping rate", "Total tax", "Additional fees")),
        Money("order", plus=("Total",), minus=("Shipping rate", "Total tax")),
        Money("line", times=("Qty", "Price")),
    ),
    refunded=(Money("order", plus=("Refunded amount",)),),
    status=("Payment status",),
    currency=("Currency",),
    country=("Billing country", "Delivery country"),
    item=("SKU", "Item"),
    keep=("Billing name", "Recipient name", "Delivery city"),
)

GUMROAD = Layout(
    name="Gumroad sales export",
    source="https://github.com/antiwork/gumroad/blob/main/app/services/exports/purchase_export_service.rb",
    needs=("Purchase ID", "Item Name", "Purchase Email", "Purchase Date", "Subtotal ($)"),
    customer=("Purchase Email", "Buyer Email"),
    order=("Purchase ID",),
    date=("Purchase Date",),
    money=(Money("line", plus=("Subtotal ($)",)),),
    refunded=(Money("line", plus=("Partial Refund ($)",)),),
    against=("Fully Refunded?", "Disputed?"),
    country=("Country",),
    item=("Product ID", "Item Name"),
    keep=("Buyer Name", "City"),
    unknown="All money is in US dollars. The last row, Totals, is not a sale. A dispute that was won still counts as "
    "a dispute.",
)

TIKTOK = Layout(
    name="TikTok Shop orders export",
    source="https://seller-us.tiktok.com/university",
    needs=("Order ID", "Order Status", "SKU ID", "SKU Subtotal After Discount", "Created Time"),
    customer=("Buyer Username",),
    order=("Order ID",),
    date=("Created Time",),
    money=(Money("line", plus=("SKU Subtotal After Discount",)),),
    refunded=(Money("order", plus=("Order Refund Amount",)),),
    status=("Order Status",),
    counts=("to ship", "awaiting shipment", "awaiting collection", "in transit"),
    does_not_count=("unpaid", "on hold"),
    country=("Country",),
    item=("Seller SKU", "SKU ID", "Product Name"),
    keep=("Recipient", "City"),
    unknown="Names of buyers may be masked (a***b), so that two buyers look like one.",
)

LAYOUTS = (
    SHOPIFY,
    SQUARESPACE,
    WOOCOMMERCE_ADVANCED,
    WOOCOMMERCE_IMPORT_EXPORT,
    WOOCOMMERCE_ANALYTICS,
    WOOCOMMERCE_ITEMS,
    MAGENTO,
    PRESTASHOP_LIST,
    PRESTASHOP,
    BIGCOMMERCE,
    SQUARE_ITEMS,
    SQUARE_TRANSACTIONS,
    STRIPE_PAYMENTS,
    STRIPE_BALANCE,
    STRIPE_ACTIVITY,
    PAYPAL,
    PAYPAL_GERMAN,
    AMAZON_ALL_ORDERS,
    AMAZON_SHIPMENTS,
    AMAZON_ORDERS,
    AMAZON_SETTLEMENT,
    AMAZON_TRANSACTIONS,
    EBAY,
    EBAY_GERMAN,
    ETSY_ORDERS,
    ETSY_ITEMS,
    LIGHTSPEED,
    SHOPWARE,
    WIX,
    GUMROAD,
    TIKTOK,
)


def match(header: Sequence[str]) -> list[Layout]:
    """The column names of a file -> the layouts that fit; more than one is for the user to decide."""
    names = {fold(name) for name in header}
    return [layout for layout in LAYOUTS if _fits(layout, names)]


def present(columns: Sequence[str], header: Sequence[str]) -> list[str]:
    """The columns of a layout that a file has, each as the file spells it, in the layout's order."""
    spelled = {fold(name): name for name in reversed(header)}  # of two columns of one name the first
    return [spelled[fold(column)] for column in columns if fold(column) in spelled]


def usable(ways: Sequence[Money], header: Sequence[str]) -> Money | None:
    """The first of several ways to make money for which a file has all columns; None if there is none."""
    return next((way for way in ways if _has_all(way, header)), None)


def _fits(layout: Layout, names: set[str]) -> bool:
    return (
        all(fold(column) in names for column in layout.needs)
        and not any(fold(column) in names for column in layout.without)
        and (not layout.any_of or any(fold(column) in names for column in layout.any_of))
    )


def _has_all(way: Money, header: Sequence[str]) -> bool:
    columns = way.plus + way.times + way.minus
    return len(present(columns, header)) == len(columns)
