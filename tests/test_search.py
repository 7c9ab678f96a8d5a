"""A word is found in each text that holds it, and in no other, however many there are."""

import pyarrow as pa
import pytest

from contract.lists import search
from contract.lists.search import SearchTexts

TEXTS = ["ab", "ba", "", "abab", "straße", "a", "b", "ab\nc", "x" * 300]


def found(word, texts=TEXTS):
    return SearchTexts.of(pa.array(texts, pa.large_string())).containing(word).tolist()


@pytest.mark.parametrize("most", [0, 1, 5_000])
@pytest.mark.parametrize(
    "word", ["ab", "ba", "bab", "a", "aba", "STRASSE", "straße", "c", "q", "xx", "ba" * 40]
)
def test_a_word_is_found_where_it_stands_and_not_across_texts(monkeypatch, most, word):
    monkeypatch.setattr(search, "FEW_HITS", most)
    texts = [text.casefold() for text in TEXTS]
    assert found(word, texts) == [word.casefold() in text for text in texts]


def test_a_part_of_a_larger_array_is_searched_alone():
    texts = pa.array(["abc", "b", "", "cab"], pa.large_string())[1:]
    assert SearchTexts.of(texts).containing("ab").tolist() == [False, False, True]
    assert SearchTexts.of(pa.array([], pa.large_string())).containing("a").tolist() == []
