"""Numbers in the reader's language: what is rewritten in a finished text, and what is left alone."""

import pytest

from contract.languages import LANGUAGES, localised


@pytest.mark.parametrize(
    ("text", "german", "french"),
    [
        ("1,234.5", "1.234,5", "1\u202f234,5"),
        ("12,345,678", "12.345.678", "12\u202f345\u202f678"),
        ("61%", "61\u00a0%", "61\u00a0%"),
        ("under 0.1%", "under 0,1\u00a0%", "under 0,1\u00a0%"),
        ("38 customers, 2,844 each.", "38 customers, 2.844 each.", "38 customers, 2\u202f844 each."),
        (
            "They spent 1,569: 90% of it.",
            "They spent 1.569: 90\u00a0% of it.",
            "They spent 1\u202f569: 90\u00a0% of it.",
        ),
        ("-1,234.50", "-1.234,50", "-1\u202f234,50"),
    ],
)
def test_numbers_are_written_as_the_language_has_them(text, german, french):
    assert (localised(text, "de"), localised(text, "fr"), localised(text, "en")) == (german, french, text)


@pytest.mark.parametrize(
    "text",
    ["version 0.2.0", "2024-12-21T17:45:00", "1, 2 and 3", "10:30", "k = 5", "High-value active", "–", "1/2"],
)
def test_what_is_no_number_of_ours_stays(text):
    assert {localised(text, language) for language in LANGUAGES} == {text}
