"""Made-up shops, written in random combinations of the habits of real exports: read right, or asked about, never wrong.

    python checks/habits.py --cases 2000 --seed 0

prints how many were right, asked about and wrong as it goes, then by habit, and the first wrong ones; exit code 1 when
there is one. A run that is killed has told its counts up to there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
EVERY_CASES = 25
WRONG_SHOWN = 20


def main() -> int:
    from habits import case, judge

    from training.shop import Reading, count_customers

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    verdicts: Counter[str] = Counter()
    by_habit: Counter[tuple[str, str]] = Counter()
    questions: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:

        def count(shop_case: object) -> object:
            path = Path(folder, shop_case.name)
            path.write_bytes(shop_case.data)
            return count_customers([str(path)], Reading()).customers

        for number, seed in enumerate(range(given.seed, given.seed + given.cases), 1):
            shop_case = case(seed)
            try:
                verdict, why = judge(shop_case, count)
            except Exception as error:
                verdict, why = "wrong", f"{type(error).__name__}: {error}"
            verdicts[verdict] += 1
            by_habit.update((habit, verdict) for habit in shop_case.habits)
            if verdict == "asked" and not shop_case.must_ask:
                questions[why.replace(folder, "")[:100]] += 1
            if verdict == "wrong" and verdicts["wrong"] <= WRONG_SHOWN:
                print(f"seed {seed}: {', '.join(shop_case.habits)}\n  {why[:600]}", flush=True)
            if number % EVERY_CASES == 0:
                print(f"{number:,} of {given.cases:,}: {told(verdicts)}", flush=True)
    print(f"seeds {given.seed} to {given.seed + given.cases - 1}: {told(verdicts)}")
    for habit in sorted({habit for habit, _ in by_habit}):
        print(f"{habit:40}", *(f"{by_habit[habit, verdict]:6}" for verdict in ("right", "asked", "wrong")))
    for question, times in questions.most_common(12):
        print(f"{times:5} asked: {question}")
    return 1 if verdicts["wrong"] else 0


def told(verdicts: Counter[str]) -> str:
    """The counts of verdicts in words."""
    return ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in ("right", "asked", "wrong"))


if __name__ == "__main__":
    sys.exit(main())
