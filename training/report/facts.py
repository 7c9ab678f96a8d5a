"""What the customers and months of a shop say, as numbers and as sentences that hold for any data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from contract.names import FEATURES
from contract.words import amount, counted, listed, month_name, percent, verb

if TYPE_CHECKING:
    import ibis

    from training.cleaning import Funnel

# A shop is closed on some days: a month counts as covered if the data reach this close to both its ends.
CLOSED_DAYS = 3
TOP_PERCENTS = (1, 5, 10, 20)
STRONG = 0.3


@dataclass(frozen=True)
class Facts:
    """A shop in numbers, and the same in words. Shares are between 0 and 1; money is in the shop's currency."""

    customers: int
    revenue: float
    medians: dict[str, float]
    skewness: dict[str, tuple[float, float]]  # feature: (before, after log1p), nan under three customers
    correlations: list[tuple[str, str, float]]  # Spearman of each two features, strongest first
    top_shares: dict[int, float]  # percent of customers, best first: their share of revenue
    customers_for_half: int  # the fewest customers who bring half of revenue
    one_time_share: float
    one_time_revenue_share: float
    returned_share: float  # of gross sales
    returners: list[tuple[str, float]]  # (customer_id, money) of those who returned most, at most five
    best_month: str | None  # YYYY-MM; of the months that are covered in full, when they are two or more
    worst_month: str | None
    incomplete_months: list[str]
    sentences: dict[str, list[str]]  # topic: what to say about it


def monthly(orders: ibis.Table) -> pd.DataFrame:
    """Orders (as `cleaning.clean` gives them) to one row a calendar month, months without sales included.

    | column    | unit    | meaning                                                                |
    |-----------|---------|------------------------------------------------------------------------|
    | month     | YYYY-MM |                                                                        |
    | revenue   | money   | bought in the month, before returns                                    |
    | returned  | money   | cancelled in the month                                                 |
    | orders    | count   | orders that hold a purchase                                            |
    | customers | count   | customers with such an order                                           |
    | complete  | bool    | False when the data begin or end more than three days inside the month |
    """
    sold = orders.purchase_lines > 0
    used = orders.filter(sold | (orders.cancellation_lines > 0))
    used = used.mutate(start=used.date.truncate("M"), sold=used.purchase_lines > 0)
    months = (
        used.group_by("start")
        .aggregate(
            revenue=used.purchased.sum().fill_null(0).cast("float64"),
            returned=used.returned.sum().fill_null(0).cast("float64"),
            orders=used.sold.sum(),
            customers=used.customer_id.nunique(where=used.sold),
            first=used.date.min(),
            last=used.date.max(),
        )
        .to_pandas()
    )
    first, last = months["first"].min(), months["last"].max()
    months.index = pd.PeriodIndex(months["start"], freq="M")
    every = pd.period_range(months.index.min(), months.index.max(), freq="M")
    closed = pd.Timedelta(days=CLOSED_DAYS + 1)
    return (
        months[["revenue", "returned", "orders", "customers"]]
        .reindex(every, fill_value=0)
        .assign(
            month=every.strftime("%Y-%m"),
            complete=(first < every.start_time + closed) & (last > every.end_time - closed),
        )
        .astype({"orders": "int64", "customers": "int64"})
        .reset_index(drop=True)[["month", "revenue", "returned", "orders", "customers", "complete"]]
    )


def spearman(customers: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of the five features, (5, 5); nan where a feature is constant."""
    return customers[list(FEATURES)].corr(method="spearman")


def links(correlation: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Each two features and their correlation (as `spearman` gives it), strongest first; nan is left out."""
    pairs = [(a, b, float(correlation.loc[a, b])) for i, a in enumerate(FEATURES) for b in FEATURES[i + 1 :]]
    known = [pair for pair in pairs if not math.isnan(pair[2])]
    return sorted(known, key=lambda pair: -abs(pair[2]))


def skewness(customers: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Feature: its skewness (before, after log1p); nan under three customers."""
    raw = customers[list(FEATURES)]
    before, after = raw.skew(), np.log1p(raw).skew()
    return {name: (float(before[name]), float(after[name])) for name in FEATURES}


def revenue_curve(customers: pd.DataFrame) -> pd.Series:
    """(n,) share of revenue that the best 1, 2, ... n customers bring; the index counts them from 1."""
    spent = customers["Monetary"].sort_values(ascending=False)
    return (spent.cumsum() / spent.sum()).set_axis(range(1, len(spent) + 1))


def shop_facts(
    customers: pd.DataFrame, months: pd.DataFrame, funnel: Funnel, sampled_from: int | None = None
) -> Facts:
    """Customers (one row each, as `features.features`), months (as `monthly`) and the funnel to facts.

    `sampled_from` is the number of all customers, when these are a sample; months and funnel are of all.
    """
    count, revenue = len(customers), float(customers["Monetary"].sum())
    curve = revenue_curve(customers)
    once = customers["Frequency"] == 1
    returners = customers[customers["Returned"] > 0].nlargest(5, "Returned")
    covered = months[months["complete"]].sort_values("revenue")
    compared = len(covered) > 1
    numbers = {
        "customers": count,
        "revenue": revenue,
        "medians": {name: float(customers[name].median()) for name in FEATURES},
        "skewness": skewness(customers),
        "correlations": links(spearman(customers)),
        "top_shares": {p: float(curve[max(1, round(count * p / 100))]) for p in TOP_PERCENTS},
        "customers_for_half": int((curve < 0.5).sum()) + 1,
        "one_time_share": float(once.mean()),
        "one_time_revenue_share": float(customers.loc[once, "Monetary"].sum()) / revenue,
        "returned_share": float(funnel.returned / funnel.gross),
        "returners": list(zip(returners["customer_id"], map(float, returners["Returned"]), strict=True)),
        "best_month": covered["month"].iloc[-1] if compared else None,
        "worst_month": covered["month"].iloc[0] if compared else None,
        "incomplete_months": months.loc[~months["complete"], "month"].tolist(),
    }
    facts = Facts(**numbers, sentences={})
    return Facts(
        **numbers,
        sentences={
            "Who buys": [*_sampled(count, sampled_from), *_who(facts, customers)],
            "Where the money comes from": _money(facts, customers),
            "Returns": _returns(facts, customers, funnel),
            "Month by month": _months(facts, months),
            "What the model sees": _model(facts, customers),
            "Data quality": _quality(funnel, sampled_from or count),
        },
    )


def _sampled(count: int, of: int | None) -> list[str]:
    if not of:
        return []
    return [
        f"These are {counted(count, 'customer')}, a uniform sample of {of:,}: numbers of customers and their sums of "
        "money are the sample's; shares and medians stand for all; months and returns are of all customers."
    ]


def _who(facts: Facts, customers: pd.DataFrame) -> list[str]:
    median = facts.medians
    once = int((customers["Frequency"] == 1).sum())
    said = [
        f"{counted(facts.customers, 'customer')} spent {amount(facts.revenue)} in all.",
        f"The median customer placed {counted(median['Frequency'], 'order')} worth {amount(median['Monetary'])} in all "
        f"({amount(median['AverageOrderValue'])} an order), first bought {counted(median['Tenure'], 'day')} ago and "
        f"last {counted(median['Recency'], 'day')} ago; each median is taken by itself.",
    ]
    if once == 0:
        said.append("Every customer came back: nobody ordered only once.")
    elif once == facts.customers:
        said.append("Nobody has come back yet: every customer ordered exactly once.")
    else:
        said.append(
            f"{counted(once, 'customer')} ({percent(facts.one_time_share)}) ordered only once and "
            f"{verb(once, 'brings', 'bring')} {percent(facts.one_time_revenue_share)} of revenue; winning a second "
            "order is where to start."
        )
    by_country = customers.groupby("country")["Monetary"].sum()
    if len(by_country) > 1:
        said.append(
            f"They buy from {len(by_country)} countries; {by_country.idxmax()} alone brings "
            f"{percent(float(by_country.max()) / facts.revenue)} of revenue."
        )
    return said


def _money(facts: Facts, customers: pd.DataFrame) -> list[str]:
    said = [
        f"The best {p}% of customers ({round(facts.customers * p / 100):,}) bring {percent(facts.top_shares[p])} "
        "of revenue."
        for p in TOP_PERCENTS
        if facts.customers * p >= 100
    ]
    half = facts.customers_for_half
    best = customers["Monetary"].max()
    said.append(
        f"The best {counted(half, 'customer') if half > 1 else 'customer'} "
        f"({percent(half / facts.customers)} of all) {verb(half, 'brings', 'bring')} at least half of revenue."
    )
    said.append(
        f"The best single customer spent {amount(best)}, {best / facts.medians['Monetary']:,.1f} times the median."
    )
    return said


def _returns(facts: Facts, customers: pd.DataFrame, funnel: Funnel) -> list[str]:
    if not funnel.returned:
        return ["Nothing was returned or cancelled."]
    said = [
        f"Goods worth {amount(float(funnel.returned))} were returned or cancelled: {percent(facts.returned_share)} "
        f"of gross sales of {amount(float(funnel.gross))}."
    ]
    if not facts.returners:
        return [*said, "None of the customers who are left after cleaning returned anything."]
    total, who = customers["Returned"].sum(), int((customers["Returned"] > 0).sum())
    said.append(f"{counted(who, 'customer')} ({percent(who / facts.customers)}) returned something.")
    most = [f"{customer} ({amount(money)})" for customer, money in facts.returners[:3]]
    share = sum(money for _, money in facts.returners[:3]) / total
    said.append(
        f"Most came back from {listed(most)}: {percent(share)} of what the customers here returned."
        if who > 3
        else f"It came back from {listed(most)}."
    )
    return said


def _months(facts: Facts, months: pd.DataFrame) -> list[str]:
    revenue = months.set_index("month")["revenue"]
    first, last = month_name(months["month"].iloc[0]), month_name(months["month"].iloc[-1])
    said = [
        f"The data are of {first} only."
        if len(months) == 1
        else f"The data reach from {first} to {last}: {len(months)} months."
    ]
    if facts.incomplete_months:
        names = listed([month_name(month) for month in facts.incomplete_months])
        said.append(
            f"{names} {verb(len(facts.incomplete_months), 'is', 'are')} not covered in full, so a low bar there is "
            "not a fall in sales."
        )
    if facts.best_month and facts.worst_month:
        best, worst = float(revenue[facts.best_month]), float(revenue[facts.worst_month])
        if best == worst:
            said.append(f"Every full month brought the same: {amount(best)}.")
        else:
            times = f", {best / worst:.1f} times" if worst > 0 else ", against"
            said.append(
                f"The best full month was {month_name(facts.best_month)} with sales of {amount(best)}{times} those of "
                f"the weakest, {month_name(facts.worst_month)} ({amount(worst)})."
            )
    return said


def _model(facts: Facts, customers: pd.DataFrame) -> list[str]:
    said = []
    skewed = {n: pair for n, pair in facts.skewness.items() if not any(map(math.isnan, pair))}
    if skewed:
        name = max(skewed, key=lambda n: abs(skewed[n][0]))
        better = sum(abs(after) < abs(before) for before, after in skewed.values())
        said.append(
            f"The logarithm brings {better} of {len(skewed)} features closer to symmetric; the most lopsided, {name}, "
            f"goes from a skewness of {skewed[name][0]:.1f} to {skewed[name][1]:.1f} (0 is symmetric)."
        )
    if facts.correlations:
        a, b, rho = facts.correlations[0]
        how = "high goes with high" if rho > 0 else "high goes with low"
        strong = f"{a} and {b} are linked most closely ({how}): rank correlation {rho:.2f}."
        said.append(strong if abs(rho) >= STRONG else f"No two features are closely linked. {strong}")
    said.append(
        "log Monetary is log AverageOrderValue plus log Frequency (nearly so after adding 1), so the five features "
        "hold four independent ones and money counts twice in every distance."
    )
    same = int(((customers["Frequency"] == 1) & (customers["Tenure"] == customers["Recency"])).sum())
    if same:
        said.append(
            f"{counted(same, 'customer')} ({percent(same / facts.customers)}) ordered once, so that Tenure equals "
            "Recency and AverageOrderValue equals Monetary: the model tells them apart by two numbers, not five."
        )
    return said


def _quality(funnel: Funnel, customers: int) -> list[str]:
    said = [
        f"Of {funnel.read:,} lines read, {funnel.purchases:,} ({percent(funnel.purchases / funnel.read)}) "
        f"{verb(funnel.purchases, 'is a purchase', 'are purchases')} of a known customer."
        if funnel.read > 1
        else "1 line was read and it is a purchase of a known customer."
    ]
    reasons = {
        "missing_customer": "no customer id and cannot be used",
        "placeholders": "a customer that stands for nobody (a guest without e-mail, a placeholder, a total)",
        "unreadable": "a date or number that cannot be read",
        "set_aside": "a date far from all others",
        "status": "a status or kind that does not count",
        "other_currency": "money in another currency",
        "after_as_of": "a date on or after the as-of date",
        "duplicates": "an exact twin that is counted instead",
        "worthless": "a price of zero or less, or a quantity of zero",
        "payments": "the name of a gift card that paid, which changes nothing",
        "deductions": "money off an order that has purchases",
        "cancellations": "the mark of a cancellation",
    }
    for step, reason in reasons.items():
        lines = getattr(funnel, step)
        if lines:
            said.append(
                f"{counted(lines, 'line')} ({percent(lines / funnel.read)}) {verb(lines, 'has', 'have')} {reason}."
            )
    if len(said) == 1 and funnel.read > 1:
        said.append("Nothing had to be left out.")
    if gone := funnel.customers - customers:
        said.append(
            f"{counted(gone, 'customer')} {verb(gone, 'is', 'are')} left out, having bought nothing or "
            "cancelled it all."
        )
    return said
