"""A clean shop, however it is written down, gives the clean answer or a question: two hundred random ways."""

import pytest
from habits import case, judge

from training.shop import Reading, count_customers

CASES, PARTS = 200, 8


@pytest.mark.parametrize("part", range(PARTS))
def test_no_way_of_writing_a_shop_down_is_silently_read_wrong(tmp_path, part):
    def count(shop_case):
        path = tmp_path / shop_case.name
        path.write_bytes(shop_case.data)
        return count_customers([str(path)], Reading()).customers

    verdicts = {}
    for seed in range(part, CASES, PARTS):
        shop_case = case(seed)
        verdict, why = judge(shop_case, count)
        assert verdict != "wrong", f"seed {seed}, {', '.join(shop_case.habits)}: {why}"
        verdicts[seed] = verdict
    assert list(verdicts.values()).count("right") > len(verdicts) / 2
