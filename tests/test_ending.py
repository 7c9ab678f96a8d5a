"""A program that ends at once: its exit code, its last words, and what it registered for its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, sys
from training.ending import end_at_once
def program():
    atexit.register(print, "closed")
    {body}
end_at_once(program)
"""
SPILLING = """
from training.reading import memory
backend = memory.connect()
backend.raw_sql("SET memory_limit = '60MB'")
backend.raw_sql("CREATE TEMP TABLE t AS SELECT range AS a, md5(range::text) AS b FROM range(3000000)")
folder = backend.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0]
import os
print(folder, len(os.listdir(folder)))
"""


def run(body, **words):
    program = PROGRAM.format(body=body.strip().replace("\n", "\n    "))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, **words)


@pytest.mark.parametrize(
    ("body", "code"),
    [("print('done')", 0), ("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit('words')", 1), ("1 / 0", 1)],
)
def test_exit_codes_and_last_words_are_those_of_python(body, code):
    done = run(body)
    assert done.returncode == code
    assert done.stdout.endswith("closed\n")
    assert ("ZeroDivisionError" in done.stderr) == (body == "1 / 0")
    assert ("words" in done.stderr) == ("words" in body)


def test_nothing_is_taken_apart():
    body = "class Lasting:\n    def __del__(self): print('apart')\nmain = sys.modules['__main__']\nmain.it = Lasting()"
    assert "apart" not in run(body).stdout


def test_who_cannot_be_told_the_last_words_is_told_by_the_code():
    reading, writing = os.pipe()
    os.close(reading)
    program = PROGRAM.format(body="print('nobody reads this')")
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", program], stdout=writing, env=buffered, check=False)
    os.close(writing)
    assert done.returncode == 120


def test_what_did_not_fit_into_memory_is_deleted():
    done = run(SPILLING)
    folder, files = done.stdout.splitlines()[0].rsplit(maxsplit=1)
    assert int(files) > 0, done
    assert not Path(folder).exists()
