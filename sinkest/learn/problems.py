"""Everything wrong with a table, gathered so that it is told at once and in the order of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.learn.cells import shown
from sinkest.messages import Message

SHOWN = 20


def marked(where: ArrayLike) -> list[int]:
    """Numbers of the records that a mask marks."""
    return [int(record) for record in np.flatnonzero(where)]


class Problems:
    """Collects what is wrong with the rows of a file.

    Parameters
    ----------
    file : Path
        Named in the refusal.
    rows : int64 array (n,)
        Row numbers of the records.
    """

    def __init__(self, file: Path, rows: NDArray[np.int64]) -> None:
        self.file = file
        self.rows = rows
        self.count = 0
        self._found: list[tuple[int, int, Message]] = []

    def told(self, record: int) -> bool:
        """Whether something is known to be wrong with a record (0-based)."""
        row = int(self.rows[record])
        return any(found == row for found, _, _ in self._found)

    def whole(self, message: Message, row: int = 0) -> None:
        """A problem of the file, not of a record, though it may show in a row."""
        self._add(row, message)

    def at(self, record: int, key: str, /, **fields: Any) -> None:
        """A problem of one record (0-based); the message gets its row number."""
        row = int(self.rows[record])
        self._add(row, Message.of(key, row=row, **fields))

    def cells(self, where: NDArray[np.bool_], column: str, cells: ArrayLike, key: str, /, **fields: Any) -> None:
        """A problem of one column in every record of ``where``; messages get row, column and the cell's content."""
        records = marked(where)
        for record in records[:SHOWN]:
            self.at(record, key, column=column, value=shown(np.asarray(cells, dtype=object)[record]), **fields)
        self.count += max(0, len(records) - SHOWN)

    def _add(self, row: int, message: Message) -> None:
        self.count += 1
        self._found.append((row, len(self._found), message))

    def raise_if_any(self) -> None:
        """Refuse the file, with its first problems.

        Raises
        ------
        InputError
            With ``fields["problems"]``, a tuple of up to 20 messages in the order of the file, and
            ``fields["count"]``, how many there are in all.
        """
        if not self.count:
            return
        first = tuple(message for _, _, message in sorted(self._found, key=lambda item: item[:2])[:SHOWN])
        if self.count > len(first):
            raise InputError("learn.refused_more", file=self.file, count=self.count, shown=len(first), problems=first)
        raise InputError("learn.refused", file=self.file, count=self.count, problems=first)
