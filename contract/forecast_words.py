"""What people read about the forecast: its columns, its totals, and the sentence about seasons."""

from __future__ import annotations

from contract.words import amount, counted, whole

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


def shop_sentence(
    orders: float | None, spend: float | None, low: float | None, high: float | None, days: int
) -> str:
    """What all customers together are expected to bring in the next `days`; low and high are None without a range."""
    between = "" if low is None else f", between {amount(low)} and {amount(high)} as the past goes"
    return (
        f"In the next {days} days these customers are expected to place {whole(orders)} orders and "
        f"to bring {amount(spend)}{between}. {SEASON}"
    )


def group_sentence(customers: int, spend: float, low: float | None, high: float | None, days: int) -> str:
    """38 -> "38 customers, expected to bring 9,000 in the next 90 days, between 5,000 and 14,000." """
    words = f"{counted(customers, 'customer')}, expected to bring {amount(spend)} in the next {days} days"
    if low is None:
        return f"{words}; the past has too few such groups for a range."
    return f"{words}, between {amount(low)} and {amount(high)}."
