"""Numbers, dates and features as people read them. The browser's side of the table is tested in test_dashboard."""

import math
from datetime import date, datetime

import numpy as np
import pytest
from word_table import TABLE

from contract import words
from contract.names import FEATURES, SPAN


@pytest.mark.parametrize(("function", "arguments", "text"), TABLE)
def test_every_word_of_the_table(function, arguments, text):
    assert getattr(words, function)(*arguments) == text


@pytest.mark.parametrize("word", [words.whole, words.number, words.amount, words.percent, words.score])
def test_what_is_not_known_is_a_dash(word):
    assert word(None) == word(math.nan) == word(np.float64("nan")) == "–"


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float64])
def test_numbers_of_any_kind_are_written_alike(kind):
    assert words.amount(kind(1234)) == words.whole(kind(1234)) == "1,234"
    assert words.percent(kind(1)) == "100%"


def test_no_share_is_rounded_to_nothing_or_to_all():
    shares = np.concatenate([np.geomspace(1e-9, 0.5, 5_000), 1 - np.geomspace(1e-9, 0.5, 5_000)])
    assert {words.percent(share) for share in shares} & {"0%", "0.0%", "100%", "100.0%"} == set()


def test_lists_and_verbs():
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert [words.verb(count, "brings", "bring") for count in (0, 1, 2)] == ["bring", "brings", "bring"]


def test_days_and_months_are_english_whatever_the_machine_speaks():
    assert words.day("2011-12-10T12:50:00") == "10 December 2011"
    assert words.day(datetime(2024, 5, 1, 8)) == words.day(date(2024, 5, 1)) == "1 May 2024"
    assert words.day("some day") == "some day"
    assert words.month_name("2011-11") == "November 2011"


def test_every_feature_has_words():
    assert tuple(words.WORDS) == (*FEATURES, SPAN)
    assert {feature.unit for feature in words.WORDS.values()} == {"days", "orders", "money"}


def test_a_title_does_not_say_the_same_twice():
    assert words.titled("Recency") == "Days since last order (Recency)"
    assert words.titled("AverageOrderValue") == "Average order value"
