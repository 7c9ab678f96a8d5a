"""Tables that people open: written whole or not at all, and safe in a spreadsheet."""

import pandas as pd
import pytest

from training.tables import write_table

TABLE = pd.DataFrame(
    {
        "customer_id": ["=1+1", "12", None],
        "note": ["a;=2", "-5", "plain"],
        "Monetary": [-2.5, 1.0, 3.0],
        "is_anomaly": [True, False, False],
    }
)


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_as_they_are(tmp_path):
    write_table(TABLE, tmp_path / "new folder" / "customers.csv")
    assert (tmp_path / "new folder" / "customers.csv").read_text().splitlines() == [
        "customer_id,note,Monetary,is_anomaly",
        "'=1+1,a;'=2,-2.5,True",
        "12,'-5,1.0,False",
        ",plain,3.0,False",
    ]
    assert TABLE.note[1] == "-5"


def test_parquet_keeps_texts_as_they_are(tmp_path):
    write_table(TABLE, tmp_path / "customers.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "customers.parquet"), TABLE)


@pytest.mark.parametrize("name", ["customers.csv", "customers.parquet"])
def test_a_table_that_cannot_be_written_whole_leaves_the_one_of_before(tmp_path, name):
    write_table(TABLE, tmp_path / name)
    before = (tmp_path / name).read_bytes()

    class Unwritable:
        def __str__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match=r"No space|Unwritable"):
        write_table(TABLE.assign(note=Unwritable()), tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]
