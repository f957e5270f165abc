"""How long a server is waited for, how often it is asked again, and what went wrong in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import requests

from sinkest.messages import Message

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed."""

LONGEST_WAIT_S = 60.0

_STATUS = re.compile(r"(?:HTTP response code|HTTP error code|response_code)\D{0,20}(\d{3})")


@dataclass(frozen=True)
class Patience:
    """Deadlines and retries.

    Attributes
    ----------
    timeout_s : float
        Longest time for one request, and for a connection that stands still.
    retries : int
        Times that a failing request is made again.
    delay_s : float
        First wait between two tries; it doubles.
    """

    timeout_s: float = 60.0
    retries: int = 5
    delay_s: float = 1.0

    @property
    def timeouts(self) -> tuple[float, float]:
        """Deadlines for connecting and for an answer, as requests takes them."""
        return min(self.timeout_s, 15.0), self.timeout_s

    def waits(self) -> Iterator[float | None]:
        """Seconds to wait after each try that fails; None after the last."""
        for attempt in range(self.retries):
            yield min(self.delay_s * 2**attempt, LONGEST_WAIT_S)
        yield None

    def gdal(self) -> dict[str, str]:
        """What GDAL is told before it reads from a server."""
        stalled = max(1, round(self.timeout_s / 3))
        return {
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "CPL_VSIL_CURL_USE_HEAD": "NO",
            "CPL_VSIL_CURL_CACHE_SIZE": str(128 * 1024**2),
            "GDAL_HTTP_MAX_RETRY": str(min(self.retries, 3)),
            "GDAL_HTTP_RETRY_DELAY": f"{self.delay_s:g}",
            "GDAL_HTTP_RETRY_CODES": ",".join(map(str, sorted(PASSING))),
            "GDAL_HTTP_TIMEOUT": f"{max(1, round(self.timeout_s))}",
            "GDAL_HTTP_CONNECTTIMEOUT": f"{max(1, round(min(self.timeout_s, 15)))}",
            "GDAL_HTTP_LOW_SPEED_TIME": str(stalled),
            "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
            "GDAL_HTTP_MULTIPLEX": "YES",
            "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        }


def why(error: BaseException) -> tuple[Message, int | None, bool]:
    """What went wrong with a request: in words, its status if it had one, and whether it may pass."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None) or status_in(error)
    if status is not None:
        return said(int(status)), int(status), int(status) in PASSING
    chain = list(causes(error))
    if any(isinstance(one, requests.Timeout | TimeoutError) for one in chain):
        return Message.of("stac.reason_timeout"), None, True
    if any(isinstance(one, requests.exceptions.ChunkedEncodingError) for one in chain):
        return Message.of("stac.reason_cut"), None, True
    if any(isinstance(one, requests.ConnectionError | ConnectionError) for one in chain):
        return Message.of("stac.reason_connection"), None, True
    if any(isinstance(one, ValueError | KeyError | TypeError) for one in chain):
        return Message.of("stac.reason_garbled"), None, True
    return Message.of("stac.reason_other", detail=type(error).__name__), None, True


def said(status: int) -> Message:
    """A status code in words."""
    named = {401: "denied", 403: "denied", 404: "missing", 410: "missing", 429: "busy"}
    return Message.of(f"stac.reason_{named.get(status, 'status')}", status=status)


def status_in(error: BaseException) -> int | None:
    """Status code that the texts of an error and its causes hold."""
    for one in causes(error):
        found = _STATUS.search(str(one))
        if found is not None:
            return int(found[1])
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        yield one
        seen.add(id(one))
        one = one.__cause__ or one.__context__
