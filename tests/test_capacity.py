"""How many customers a training takes, on machines and in containers of other sizes."""

import pytest

from training import capacity

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("memory", "millions"),
    [(1 * GB, 0.25), (4.3 * GB, 0.5), (8 * GB, 1.5), (16.8 * GB, 3.5), (24 * GB, 5), (512 * GB, 5)],
)
def test_as_many_as_the_memory_allows(monkeypatch, memory, millions):
    monkeypatch.setattr(capacity, "memory_limit_bytes", lambda: int(memory))
    assert capacity.most_customers() == millions * 1_000_000


def test_spark_sends_a_million_at_most(monkeypatch):
    monkeypatch.setattr(capacity, "memory_limit_bytes", lambda: 512 * GB)
    assert capacity.most_customers("spark") == 1_000_000
    monkeypatch.setattr(capacity, "memory_limit_bytes", lambda: 4 * GB)
    assert capacity.most_customers("spark") == 500_000


def test_the_memory_of_this_machine_is_found():
    assert GB / 2 < capacity.memory_limit_bytes() < 100_000 * GB


def test_the_least_limit_of_the_group_and_those_above_it_holds(tmp_path):
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    (groups / "shop.slice" / "train.service").mkdir(parents=True)
    own.write_text("0::/shop.slice/train.service\n")
    assert capacity._limits(own, groups) == []
    (groups / "shop.slice" / "train.service" / "memory.max").write_text("max\n")
    (groups / "shop.slice" / "memory.max").write_text("9000000000\n")
    assert capacity._limits(own, groups) == [9 * GB]


def test_the_limits_of_groups_of_version_1_hold_too(tmp_path):
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    own.write_text("9:name=systemd:/\n4:memory:/docker/7f3a\n1:cpu:/docker/7f3a\n0::/\n")
    (groups / "memory").mkdir(parents=True)  # in a container its own group is the uppermost one
    (groups / "memory" / "memory.limit_in_bytes").write_text("8000000000\n")
    assert capacity._limits(own, groups) == [8 * GB]
    (groups / "memory" / "docker" / "7f3a").mkdir(parents=True)
    (groups / "memory" / "docker" / "7f3a" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert min(capacity._limits(own, groups)) == 8 * GB


def test_where_there_are_no_groups_there_are_no_limits(tmp_path):
    assert capacity._limits(tmp_path / "none", tmp_path) == []
    (tmp_path / "other").write_text("4:cpu:/user\n")
    assert capacity._limits(tmp_path / "other", tmp_path) == []
