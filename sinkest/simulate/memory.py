"""Remembering the last few answers, each thread its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from odc.geo.geobox import GeoBox

Answer = TypeVar("Answer")


class Memory(threading.local, Generic[Answer]):
    """The last ``size`` answers of each thread.

    A block is read once for every scene of a season and its ground is the same each time; a thread works on one block
    at a time, so a few answers are enough, and none is waited for.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """Give the remembered answer, or make it."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        answer = make()
        self._kept[key] = answer
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return answer


def grid_key(grid: GeoBox) -> Hashable:
    """What makes two grids the same."""
    return tuple(grid.affine), tuple(grid.shape), str(grid.crs)
