"""Small exports as shops write them, each for a kind of habit: read right without options, or asked about in one step."""

from datetime import date

import pytest

from training.errors import InputError
from training.shop import Reading, count_customers

FILES = {
    "ancient.csv": """\
customer_id,order_id,order_date,amount
A1,1,1900-01-00,10.00
A1,2,1900-01-01,10.00
A1,3,1970-01-01,10.00
A1,4,2024-02-05,10.00
B2,5,0000-00-00 00:00:00,20.00
C3,6,2024-03-05,30.00
""",
    "currencies.csv": """\
customer_id,order_id,order_date,amount,currency
A1,1,2024-01-05,10.00,USD
B2,2,2024-02-05,10.00,EUR
C3,3,2024-03-05,10000,JPY
""",
    "epoch.csv": """\
customer_id,order_id,created_at,amount
A1,1,1704449753,10.00
B2,2,1707127200,20.00
""",
    "epochms.csv": """\
customer_id,order_id,created_at,amount
A1,1,1704449753000,10.00
B2,2,1707127200000,20.00
""",
    "future.csv": """\
customer_id,order_id,order_date,amount
A1,1,2024-01-05,10.00
B2,2,2024-02-05,20.00
C3,3,2024-03-05,30.00
D4,4,2099-03-06,30.00
""",
    "gift.csv": """\
customer_id,order_id,order_date,product,quantity,unit_price
A1,1,2024-01-05,Mug,2,20.00
A1,1,2024-01-05,Discount SPRING10,1,-4.00
A1,1,2024-01-05,Gift card,1,-36.00
B2,2,2024-02-05,Lamp,1,50.00
B2,2,2024-02-05,Discount,-1,5.00
""",
    "halfbad.csv": """\
customer_id,order_id,order_date,amount
A1,1,2024-01-05,10.00
B2,2,2024-02-05,20.00
C3,3,soon,20.00
C4,4,n/a,20.00
C5,5,2024-02-05,twenty
,6,2024-02-05,20
""",
    "magento.csv": """\
ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,Customer Email,Customer Group
000000001,Main Website,"Jan 5, 2024, 10:22:33 AM",Anna,Anna,$75.00,$75.00,complete,anna@example.com,General
000000002,Main Website,"Feb 7, 2024, 2:02:03 PM",Bert,Bert,"$1,050.00","$1,050.00",canceled,bert@example.com,NOT LOGGED IN
""",
    "mixedserial.csv": """\
customer_id,order_id,order_date,amount
A1,1,2024-01-05,10.00
A1,2,45327,10.00
B2,2,2024-02-20,20.00
""",
    "notations.csv": """\
customer_id,order_id,order_date,amount
A1,1,2024-01-05,"$1,234.50"
B2,2,2024-02-05,USD 10.00
C3,3,2024-03-05,US$ 12.00
D4,4,2024-03-05,$40.00
D4,5,2024-03-06,-$25.00
E5,6,2024-03-05,$40.00
E5,7,2024-03-06,(25.00)
F6,8,2024-03-05,$40.00
F6,9,2024-03-06,25.00-
G7,10,2024-03-05,$40.00
G7,11,2024-03-06,−12.00
""",
    "orderlevel.csv": """\
order_id,customer_id,order_date,sku,quantity,total
1001,A1,2024-01-05,MUG,2,70.00
1001,A1,2024-01-05,BOWL,1,70.00
1001,A1,2024-01-05,CUP,1,70.00
1002,B2,2024-02-10,LAMP,1,50.00
""",
    "samecase.csv": """\
customer,order,date,amount
Anna@example.com,1,2024-01-05,10.00
anna@example.com,2,2024-02-05,20.00
ANNA@EXAMPLE.COM ,3,2024-03-05,30.00
bert@example.com,4,2024-03-05,30.00
""",
    "serial.csv": """\
customer_id,order_id,order_date,amount
A1,1,45296.43,10.00
B2,2,45327,20.00
""",
    "shopify.csv": """\
Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Refunded Amount,Cancelled at,Vendor,Id
#1001,anna@example.com,paid,2024-01-05 10:22:33 -0500,fulfilled,USD,70.00,5.00,0.00,75.00,,0.00,2024-01-05 10:22:31 -0500,2,Mug,20.00,MUG,0.00,,Shop,5001
#1001,anna@example.com,,,,,,,,,,,2024-01-05 10:22:31 -0500,1,Bowl,30.00,BOWL,,,Shop,
#1002,bert@example.com,refunded,2024-02-10 09:00:00 -0500,fulfilled,USD,50.00,0.00,0.00,50.00,,0.00,2024-02-10 09:00:00 -0500,1,Lamp,50.00,LAMP,50.00,,Shop,5002
#1003,cora@example.com,partially_refunded,2024-03-15 23:30:00 -0400,fulfilled,USD,100.00,0.00,0.00,100.00,,0.00,2024-03-15 23:30:00 -0400,2,Lamp,50.00,LAMP,50.00,,Shop,5003
#1004,dirk@example.com,voided,,unfulfilled,USD,80.00,0.00,0.00,80.00,,0.00,2024-03-20 08:00:00 -0400,1,Desk,80.00,DESK,0.00,2024-03-20 09:00:00 -0400,Shop,5004
#1005,Anna@Example.com,paid,2024-04-01 12:00:00 -0400,fulfilled,USD,36.00,4.00,0.00,40.00,SPRING10,4.00,2024-04-01 12:00:00 -0400,2,Mug,20.00,MUG,0.00,,Shop,5005
""",
    "shopify_blank.csv": """\
Name,Email,Financial Status,Created at,Total,Lineitem quantity,Lineitem name,Lineitem price
#1001,anna@example.com,paid,2024-01-05 10:22:31,70.00,2,Mug,20.00
#1001,,,,,1,Bowl,30.00
#1002,bert@example.com,paid,2024-02-10 09:00:00,50.00,1,Lamp,50.00
""",
    "square.csv": """\
Date,Time,Time Zone,Gross Sales,Discounts,Net Sales,Tax,Total Collected,Transaction ID,Event Type,Customer ID
2024-01-05,10:22:33,Eastern Time (US & Canada),$75.00,-$5.00,$70.00,$0.00,$70.00,tx1,Payment,CA
2024-01-05,18:22:33,Eastern Time (US & Canada),"$1,075.00",-$5.00,"$1,070.00",$0.00,"$1,070.00",tx2,Payment,CB
2024-01-09,18:22:33,Eastern Time (US & Canada),-$20.00,$0.00,-$20.00,$0.00,-$20.00,tx3,Refund,CA
""",
    "stripe.csv": """\
id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description,Customer ID,Customer Email
txn_1,charge,ch_1,100.00,3.20,96.80,usd,2024-01-05 10:22,2024-01-07 00:00,Order 1,cus_A,anna@example.com
txn_2,refund,re_1,-40.00,0.00,-40.00,usd,2024-01-09 10:22,2024-01-12 00:00,REFUND FOR CHARGE (Order 1),cus_A,anna@example.com
txn_3,payout,po_1,-200.00,0.00,-200.00,usd,2024-02-05 10:22,2024-02-07 00:00,STRIPE PAYOUT,,
txn_4,charge,ch_2,50.00,1.75,48.25,usd,2024-02-05 11:22,2024-02-07 00:00,Order 2,cus_B,bert@example.com
""",
    "stripepay.csv": """\
id,Description,Seller Message,Created date (UTC),Amount,Amount Refunded,Currency,Converted Amount,Converted Amount Refunded,Fee,Captured,Status,Customer ID,Customer Email
ch_1,Order 1,Payment complete.,2024-01-05 10:22,100.00,0.00,usd,100.00,0.00,3.20,true,Paid,cus_A,anna@example.com
ch_2,Order 2,The bank did not return any further details.,2024-01-06 10:22,70.00,0.00,usd,70.00,0.00,0.00,false,Failed,cus_B,bert@example.com
ch_3,Order 3,Payment complete.,2024-02-06 10:22,60.00,60.00,usd,60.00,60.00,2.00,true,Refunded,cus_B,bert@example.com
""",
    "swiss.csv": """\
Kundennr;Bestellnr;Datum;Betrag
A1;1;05.01.2024;CHF 1'234.50
B2;2;05.02.2024;10.00 CHF
C3;3;05.03.2024;1’000.–
""",
    "totals2.csv": """\
Customer ID,Order ID,Order Date,Amount
A1,1,2024-01-05,10.00
B2,2,2024-02-05,40.00
Grand total,,2024-02-05,50.00
""",
    "tz.csv": """\
customer_id,order_id,order_date,amount
A1,1,2024-03-09T23:30:00-08:00,10.00
B2,2,2024-03-10T07:30:00+00:00,20.00
C3,3,2024-03-10 12:30:00 +0530,20.00
D4,4,Sun Mar 10 2024 07:30:00 GMT+0000 (Coordinated Universal Time),20.00
E5,5,2024-03-10T07:30:00.123456789Z,20.00
F6,6,2024-03-10 07:30:00 America/New_York,20.00
G7,7,2024-03-10 7:30 EST,20.00
""",
    "woo.csv": """\
Order Number,Order Status,Order Date,Customer User ID,Email (Billing),Order Subtotal Amount,Order Refund Amount,Order Total Amount,Item #,Item Name,Quantity,Item Cost,Coupon Code,Discount Amount
101,Completed,2024-01-05 10:22,11,anna@example.com,70.00,0.00,75.00,1,Mug,2,20.00,,0
101,Completed,2024-01-05 10:22,11,anna@example.com,70.00,0.00,75.00,2,Bowl,1,30.00,,0
102,Failed,2024-01-07 10:22,0,bert@example.com,50.00,0.00,50.00,1,Lamp,1,50.00,,0
103,Completed,2024-01-08 10:22,0,bert@example.com,50.00,0.00,50.00,1,Lamp,1,50.00,,0
104,Cancelled,2024-02-08 10:22,0,cora@example.com,50.00,0.00,50.00,1,Lamp,1,50.00,,0
""",
}

# file -> the features of its customers that it is a test of: F orders, M money, R and T days
ANSWERS = {
    "orderlevel.csv": {"A1": {"M": 70, "F": 1}, "B2": {"M": 50}},
    "shopify.csv": {"anna@example.com": {"F": 2, "M": 106}, "cora@example.com": {"M": 50}},
    "shopify_blank.csv": {"anna@example.com": {"M": 70}, "bert@example.com": {"M": 50}},
    "stripe.csv": {"cus_A": {"M": 60}, "cus_B": {"M": 50}},
    "stripepay.csv": {"cus_A": {"M": 100}},
    "woo.csv": {"anna@example.com": {"M": 70}, "bert@example.com": {"M": 50, "F": 1}},
    "magento.csv": {"anna@example.com": {"M": 75}},
    "square.csv": {"CA": {"M": 50}, "CB": {"M": 1070}},
    "future.csv": {"A1": {"R": 61}, "B2": {"R": 30}, "C3": {"R": 1}},
    "ancient.csv": {"A1": {"R": 30, "T": 30, "F": 1, "M": 10}, "C3": {"R": 1}},
    "epoch.csv": {"A1": {"R": 31, "M": 10}, "B2": {"R": 1, "M": 20}},
    "epochms.csv": {"A1": {"R": 31, "M": 10}, "B2": {"R": 1, "M": 20}},
    "serial.csv": {"A1": {"R": 31, "M": 10}, "B2": {"R": 1, "M": 20}},
    "mixedserial.csv": {"A1": {"F": 2, "M": 20, "R": 16, "T": 47}, "B2": {"M": 20, "R": 1}},
    "samecase.csv": {
        "anna@example.com": {"F": 3, "M": 60, "R": 1, "T": 61},
        "bert@example.com": {"M": 30},
    },
    "halfbad.csv": {"A1": {"M": 10}, "B2": {"M": 20}},
    "notations.csv": {
        "A1": {"M": 1234.5}, "B2": {"M": 10}, "C3": {"M": 12}, "D4": {"M": 15}, "E5": {"M": 15}, "F6": {"M": 15},
        "G7": {"M": 28},
    },
    "swiss.csv": {"A1": {"M": 1234.5}, "B2": {"M": 10}, "C3": {"M": 1000}},
    "gift.csv": {"A1": {"M": 36}, "B2": {"M": 45}},
    "totals2.csv": {"A1": {"M": 10}, "B2": {"M": 40}},
    "tz.csv": {name: {"R": 1} for name in ("A1", "B2", "C3", "D4", "E5", "F6", "G7")},
}  # fmt: skip
REFUSED = {"currencies.csv": "--currency"}
COLUMNS = {"R": "Recency", "F": "Frequency", "M": "Monetary", "T": "Tenure"}


def count(folder, name, **options):
    path = folder / name
    path.write_text(FILES[name], encoding="utf-8")
    return count_customers([str(path)], Reading(**options))


def test_every_file_has_an_answer():
    assert {*ANSWERS, *REFUSED} == set(FILES)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_file_is_read_right_without_options(tmp_path, name):
    shop = count(tmp_path, name)
    customers = shop.customers.set_index("customer_id")
    found = {
        customer: {letter: customers.loc[customer, COLUMNS[letter]] for letter in features}
        for customer, features in ANSWERS[name].items()
        if customer in customers.index
    }
    assert found == ANSWERS[name]
    assert set(customers.index) == set(ANSWERS[name])
    assert sum(lines for _, lines, _ in shop.funnel.rows()) == shop.funnel.read


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_decided_is_asked_about(tmp_path, name):
    with pytest.raises(InputError, match=REFUSED[name]):
        count(tmp_path, name)


def test_of_several_currencies_one_is_counted_on_request(tmp_path):
    with pytest.raises(InputError, match=r"USD \(1 line\), EUR \(1 line\), JPY \(1 line\).*--currency USD"):
        count(tmp_path, "currencies.csv")
    shop = count(tmp_path, "currencies.csv", currency="USD")
    assert dict(zip(shop.customers.customer_id, shop.customers.Monetary, strict=True)) == {"A1": 10}
    assert shop.funnel.other_currency == 2


def test_times_count_as_they_are_written_or_on_one_clock(tmp_path):
    day = date(2024, 3, 10)
    assert count(tmp_path, "tz.csv").as_of.isoformat(" ", "minutes") == "2024-03-11 12:30"
    assert list(count(tmp_path, "tz.csv", as_of=day).customers.customer_id) == ["A1"]
    with pytest.raises(InputError, match="No purchase is left"):
        count(tmp_path, "tz.csv", as_of=day, timezone="UTC")


def test_each_kind_of_unreadable_cell_has_an_example(tmp_path):
    shop = count(tmp_path, "halfbad.csv")
    assert [str(example) for example in shop.understanding.examples] == [
        'line 4, order_date: "soon"',
        'line 6, amount: "twenty"',
    ]
    assert (shop.funnel.missing_customer, shop.funnel.unreadable, shop.funnel.purchases) == (1, 3, 2)


def test_the_block_says_what_was_understood(tmp_path):
    rows = dict(count(tmp_path, "orderlevel.csv").understanding.rows())
    assert rows["money"] == "total, the order's, counted once"
    assert rows["note"].startswith("total has one value on all lines of each order")
    rows = dict(count(tmp_path, "shopify.csv").understanding.rows())
    assert rows["layout"].startswith("Shopify orders export")
    assert rows["does not count"] == "refunded (1), voided (1)"
