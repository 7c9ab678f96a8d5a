"""What people read about the forecast: its columns, and the sentence about seasons."""

from __future__ import annotations

# Stands wherever a total of the forecast stands.
SEASON = (
    "The forecast knows no season: before a busy time the sum is too low, after one too high. Trust the order of "
    "customers more than the sum."
)
FORECAST_WORDS = {  # of the forecast's columns: label and meaning; {days} are the days ahead
    "expected_orders": (
        "Expected orders",
        "Orders to expect of such a customer in the next {days} days, on average.",
    ),
    "expected_spend": (
        "Expected spend",
        "Money to expect of such a customer in the next {days} days, on average.",
    ),
    "spend_low": (
        "Spend, low end",
        "Nine in ten such customers spend at least this in the next {days} days.",
    ),
    "spend_high": (
        "Spend, high end",
        "Nine in ten such customers spend at most this in the next {days} days.",
    ),
    "likely_to_buy": ("Likely to buy", "The share of such customers who buy at all in the next {days} days."),
    "expected_low": ("Low end", "Nine in ten such groups brought at least this, going by the past."),
    "expected_high": ("High end", "Nine in ten such groups brought at most this, going by the past."),
    "value_at_risk": (
        "Value at risk",
        "What so many customers of this segment bring in {days} days while they are active, less what is expected "
        "of these, who are due or late.",
    ),
}
