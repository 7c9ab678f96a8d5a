"""What a row of a list can hold: the name, label, unit and kind of each column."""

from __future__ import annotations

from dataclasses import dataclass

from contract.forecast_words import FORECAST_WORDS
from contract.names import FEATURES, FORECAST_OUTPUTS
from contract.words import WORDS

ID, NUMBER, TEXT, FLAG, KEPT = "id", "number", "text", "flag", "kept"
MONEY, DAYS, ORDERS, SHARE = "money", "days", "orders", "share"
DECIMALS = {MONEY: 2, DAYS: 0, ORDERS: 2, SHARE: 4}  # to which people's files are rounded, by unit
OTHER_DECIMALS = 4
WHOLE = ("Recency", "Frequency", "Tenure", "segment", "from_segment")


@dataclass(frozen=True)
class Column:
    """A column of a list. unit: money, days, orders, share, or "" for none; kind: id, number, text, flag or kept."""

    name: str
    label: str
    unit: str = ""
    kind: str = NUMBER

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are usually whole, and written without a decimal point then."""
        return self.name in WHOLE

    @property
    def decimals(self) -> int:
        """To how many decimals a number is rounded in a file."""
        return DECIMALS.get(self.unit, OTHER_DECIMALS)


FORECAST_UNITS = {"expected_orders": ORDERS, "likely_to_buy": SHARE}  # the others are money
COLUMNS = {
    column.name: column
    for column in (
        Column("customer_id", "Customer", kind=ID),
        *(Column(name, WORDS[name].label, WORDS[name].unit) for name in FEATURES),
        Column("Returned", "Given back", MONEY),
        Column("returns_note", "Note on returns", kind=TEXT),
        Column("country", "Country", kind=KEPT),
        Column("segment", "Segment number"),
        Column("segment_name", "Segment", kind=TEXT),
        Column("state", "State", kind=TEXT),
        Column("is_anomaly", "Unusual", kind=FLAG),
        Column("anomaly_score", "How unusual"),
        Column("anomaly_reason", "Why unusual", kind=TEXT),
        Column("distance", "Distance to the segment's centre"),
        *(
            Column(name, FORECAST_WORDS[name][0], FORECAST_UNITS.get(name, MONEY))
            for name in FORECAST_OUTPUTS
        ),
        Column("value_at_risk", FORECAST_WORDS["value_at_risk"][0], MONEY),
        Column("from_segment", "Segment number before"),
        Column("from_name", "Segment before", kind=TEXT),
        Column("from_state", "State before", kind=TEXT),
        Column("moved", "Moved", kind=TEXT),
    )
}
NOT_LISTED = ("pca_1", "pca_2")  # columns of the table of customers that say nothing to people


def column_of(name: str) -> Column:
    """A column by its name; one that is not ours is one that the shop kept."""
    return COLUMNS.get(name, Column(name, name, kind=KEPT))
