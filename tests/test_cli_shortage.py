"""Want of memory comes in many shapes: as one of Python's, behind another error, or as an error of no such name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sinkest.cli.shortage import Reserve

LIMITED = """
import resource
from pathlib import Path

from sinkest.cli.shortage import Reserve

reserve = Reserve()
print(reserve.was_needed(ValueError("odd")))
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**24, resource.RLIM_INFINITY))
problem = ValueError("odd")
print(reserve.was_needed(problem))
held = []
try:
    while True:
        held.append(bytes(2**16))
except MemoryError:
    reserve.say(problem, 2)
"""


def chained(inner: Exception, outer: Exception) -> Exception:
    try:
        try:
            raise inner
        except type(inner) as cause:
            raise outer from cause
    except type(outer) as found:
        return found


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (OSError("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"), True),
        (chained(MemoryError(), ValueError("cannot convert")), True),
        (chained(KeyError("a"), ValueError("cannot convert")), False),
        (RuntimeError("another"), False),
    ],
    ids=str,
)
def test_an_error_tells_of_it(problem: Exception, expected: bool) -> None:
    assert Reserve().was_needed(problem) is expected


def test_an_error_of_no_such_name_is_it_where_no_memory_is_to_be_had_and_can_still_be_told() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "True"]
    assert done.stderr.startswith(
        "Error: memory is not enough. Nothing is lost: the same command goes on where it was."
    )
    assert done.returncode == 0
