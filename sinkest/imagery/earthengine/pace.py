"""How fast the service is asked: so many requests at a time, fewer when it says so, and what was asked so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pace:
    """How requests are made; no result depends on it.

    Attributes
    ----------
    concurrency : int
        Most requests at a time.
    attempts : int
        Tries of one request.
    first_wait_s, longest_wait_s : float
        Wait before the second try, and the longest one; it doubles in between, and half of it is drawn at random, so
        that requests which failed together do not come back together.
    tile_px : int
        Longest side of a tile.
    """

    concurrency: int = 16
    attempts: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 64.0
    tile_px: int = 512


@dataclass
class Tally:
    """What was asked so far."""

    requests: int = 0
    retries: int = 0
    splits: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: int) -> None:
        """Count from any thread."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Gate:
    """Lets so many through at a time: half as many after each word to slow down, slowly more while all goes well."""

    def __init__(self, most: int) -> None:
        self._most = self.limit = most
        self._busy = self._good = 0
        self._change = threading.Condition()

    def __enter__(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._busy < self.limit)
            self._busy += 1

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._busy -= 1
            self._change.notify_all()

    def narrow(self) -> None:
        """Half as many from now on."""
        with self._change:
            self.limit, self._good = max(1, self.limit // 2), 0

    def widen(self) -> None:
        """Count a success; after as many as four rounds, one more is let through."""
        with self._change:
            self._good += 1
            if self._good >= 4 * self.limit and self.limit < self._most:
                self.limit, self._good = self.limit + 1, 0
                self._change.notify_all()
