"""Small slices of ``python -m tests.load``: the answers that are known without the program."""

from pathlib import Path

import pytest

from tests.load import PARTS


@pytest.mark.parametrize("part", sorted(PARTS))
def test_the_answer_is_the_known_one(part: str, tmp_path: Path) -> None:
    assert PARTS[part](1, tmp_path)
