"""Shops that are not like others: each gets sentences that are true for it, and nothing is refused without a look."""

import json
from datetime import date, timedelta

import mlflow
import numpy as np
import pandas as pd
import pytest

ENDS = date(2024, 12, 1)


def orders_of(customer, days, amounts):
    """The lines of one customer, who ordered so many days before the end."""
    return [
        f"{customer},{customer}-{back},{ENDS - timedelta(days=int(back))} 12:00,{amount:.2f}"
        for back, amount in zip(days, amounts, strict=True)
    ]


def kinds_of_customers(random, sizes=(90, 70, 50)):
    """Three kinds: one or two small orders long ago, some orders, many large ones; (days, amounts) of each customer."""
    for kind, size in enumerate(sizes):
        for _ in range(size):
            count = int(random.integers(*[(1, 3), (4, 8), (15, 26)][kind]))
            latest = int(random.integers(*[(150, 300), (20, 60), (1, 15)][kind]))
            days = latest + np.cumsum(np.concatenate([[0], random.integers(3, 20, count - 1)]))
            yield days, random.lognormal([3, 4, 6][kind], 0.3, count)


@pytest.fixture
def train(new_folder, request):
    """`train(lines, *options)`: a folder with a shop of these lines, and what `segments train` did there."""

    def run(lines, *options):
        shop = new_folder(f"edge-{request.node.name[:30]}")
        raw = shop.folder / "data" / "raw"
        raw.mkdir(parents=True)
        (raw / "shop.csv").write_text("\n".join(["Customer,Invoice,Date,Amount", *lines]))
        return shop, shop.run("train", "--trials", "10", *options, check=False)

    return run


def profiles_of(shop):
    return pd.DataFrame(json.loads(shop.artifact("profiles.json").read_text()))


def lines_of(customers):
    return [line for n, (days, amounts) in enumerate(customers) for line in orders_of(n, days, amounts)]


def test_where_one_customer_brings_nearly_all_the_money_half_of_it_is_one_customers(train):
    random = np.random.default_rng(0)
    whale = [([3, 40, 90, 150], [4e6] * 4)]
    shop, done = train(lines_of([*kinds_of_customers(random), *whale]))
    assert done.returncode == 0, done.stderr
    profiles = profiles_of(shop)
    best = profiles.loc[profiles.revenue_share.idxmax()]
    assert best.half_by == 1
    assert best.revenue_share > 0.9
    assert (profiles.half_by > 1).sum() == len(profiles) - 1


def test_a_shop_of_one_time_buyers_leaves_frequency_out_and_says_so(train):
    random = np.random.default_rng(0)
    customers = [
        ([int(random.integers(20 + 100 * kind, 90 + 100 * kind))], [random.lognormal(2 + 2 * kind, 0.3)])
        for kind in (0, 1, 2)
        for _ in range(70)
    ]
    shop, done = train(lines_of(customers))
    assert done.returncode == 0, done.stderr
    said = "Frequency is 1 for all 210 customers (all customers have one order), so it is left out of the distances."
    assert said in done.stdout
    assert said in json.loads(shop.artifact("summary.json").read_text())["warnings"]
    scored = pd.read_parquet(shop.artifact("data/customers.parquet"))
    assert set(scored.state) == {"one-time"}


def test_in_a_subscription_shop_nobody_is_called_active_or_lapsed(train):
    """All paid yesterday, whoever they are: Recency says nothing."""
    random = np.random.default_rng(0)
    customers = []
    for kind, (months, price) in enumerate([(3, 10), (10, 30), (24, 90)]):
        for _ in range(70):
            paid = random.random(2 * months + 3) < 0.5
            paid[0] = True
            amounts = price * random.lognormal(0, 0.1, paid.sum()) * (1 + kind)
            customers.append((1 + 7 * np.flatnonzero(paid) + (np.flatnonzero(paid) > 0), amounts))
    shop, done = train(lines_of(customers))
    assert done.returncode == 0, done.stderr
    assert "Recency is 1 for all 210 customers, so it is left out of the distances." in done.stdout
    names = profiles_of(shop).name.tolist()
    assert names == ["Low-value", "Medium-value", "High-value"]
    assert "call" not in done.stdout


def test_nearly_constant_spend_is_rejected_by_the_value_step_with_everything_to_look_at(train):
    random = np.random.default_rng(0)
    customers = [(days, np.full(len(days), 60.0 / len(days))) for days, _ in kinds_of_customers(random)]
    shop, done = train(lines_of(customers))
    assert done.returncode == 2
    assert "min_value_step (1.25) by 0.2" in done.stderr
    assert shop.versions() == []


@pytest.fixture(scope="module")
def cloud():
    """An ordinary small shop: a few hundred customers of no clear kinds."""
    random = np.random.default_rng(3)
    customers = []
    for _ in range(300):
        count = 1 + int(random.geometric(0.4))
        latest = int(random.integers(1, 300))
        days = latest + np.cumsum(np.concatenate([[0], random.integers(1, 30, count - 1)]))
        customers.append((days, random.lognormal(3.5, 0.8, count)))
    return lines_of(customers)


def test_where_no_setting_keeps_the_limits_the_run_is_rejected_and_keeps_everything_to_look_at(train, cloud):
    shop, done = train(cloud, "--min-stability", "0.99")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Expected at least 0.99." in done.stderr
    assert "Nothing was registered. The features, figures, report and the best rejected" in done.stderr
    assert (
        "Leaving out one feature did not help either." in done.stderr
        or "train with --features" in done.stderr
    )
    assert shop.versions() == []
    client = mlflow.MlflowClient(shop.environment["MLFLOW_TRACKING_URI"])
    (run,) = client.search_runs(["1"], "tags.stage = 'rejected'")
    assert run.info.run_id in done.stderr
    note = run.data.tags["mlflow.note.content"].splitlines()
    assert note[0].startswith("- REJECTED: ")
    assert note[1].startswith("- REJECTED, nothing was registered: 300 customers")
    for path in (
        "data/features.parquet",
        "data/customers.parquet",
        "profiles.json",
        "report.html",
        "figures/profiles.png",
        "trials.csv",
        "choice.json",
    ):
        assert shop.artifact(path).stat().st_size > 0, path
    summary = json.loads(shop.artifact("summary.json").read_text())
    assert summary["rejected"] in done.stderr
    assert list((shop.folder / "mlruns" / "studies").glob("*.journal")) == []
    again = shop.run("train", "--trials", "10", "--min-stability", "0.99", "--resume", check=False)
    assert "no interrupted training" in again.stderr
