"""What customers gave back, said beside the model's answer, which is a function of the five numbers alone."""

from __future__ import annotations

import pandas as pd

from contract.words import amount

WORTH_SAYING = 0.5  # of all that a customer bought: who gave back that much, has a note


def with_returns_note(customers: pd.DataFrame, returns: str) -> pd.DataFrame:
    """Customers (one row each, with Monetary and Returned) with a text `returns_note`, "" for most.

    returns: "net" where Monetary is what is left after returns, "drop" where it is what was bought.
    """
    bought = customers.Monetary + (customers.Returned if returns == "net" else 0)
    notes = [
        f"returned {amount(gone)} of {amount(whole)}" if gone >= WORTH_SAYING * whole and gone > 0 else ""
        for gone, whole in zip(customers.Returned, bought, strict=True)
    ]
    return customers.assign(returns_note=notes)
