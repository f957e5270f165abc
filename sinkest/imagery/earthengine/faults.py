"""What an error of Earth Engine means, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

import ee
import googleapiclient.errors
import httplib2
from google.auth import exceptions as auth

from sinkest.errors import SourceError

Action = Literal["retry", "slow", "split", "stop"]

NOT_MENDED = (
    ee.EEException,
    auth.GoogleAuthError,
    googleapiclient.errors.Error,
    httplib2.HttpLib2Error,
    json.JSONDecodeError,
    UnicodeDecodeError,
    OSError,
)
"""Whatever the client libraries raise when a request fails; our own mistakes are not among them."""

TOO_LARGE = "earthengine.too_large"
"""Message of a request that asks for more at once than the service computes."""

_TOO_LARGE = ("memory limit", "computation timed out", "total request size", "must be less than or equal to")
_TOO_MANY = ("too many concurrent", "concurrent requests", "rate limit")
_QUOTA = ("per day", "per month", "monthly", "daily", "eecu", "restricted mode")
_PROJECT = ("has not been used in project", "is disabled", "is not registered", "to use project", "project not found")
_SHOWN = 300

LONGEST_ASKED_S = 600.0
"""A longer wait is not obeyed but told: a person can come back, a program that sleeps for a day looks hung."""
_LATER = "earthengine.later"


class GarbledError(OSError):
    """An answer that is not what was asked for: cut short, a web page, or of another shape."""


@dataclass(frozen=True)
class Fault:
    """A failed request.

    Attributes
    ----------
    action : {"retry", "slow", "split", "stop"}
        Ask again; ask again and fewer at a time; ask for less at once; or give up.
    key : str
        Message that says what it is and what to do.
    kind : str
        Kind of `SourceError`.
    status : int or None
        Status of the answer, where there was one.
    reason : str
        What the service, or the network, said.
    wait_s : float
        How long the service wants us to wait.
    """

    action: Action
    key: str
    kind: str
    status: int | None
    reason: str
    wait_s: float = 0.0

    def error(self, *, what: str, project: str, attempts: int = 1) -> SourceError:
        """As the error that a person reads."""
        retryable = self.action in ("retry", "slow") or self.key in ("earthengine.quota", _LATER)
        return SourceError(
            self.key,
            kind=self.kind,
            status=self.status,
            retryable=retryable,
            what=what,
            project=project,
            reason=self.reason,
            attempts=attempts,
            minutes=f"{self.wait_s / 60:.0f}",
        )


def diagnose(error: BaseException) -> Fault:
    """Tell what a failed request means.

    Parameters
    ----------
    error : BaseException
        One of `NOT_MENDED`.
    """
    if isinstance(error, auth.RefreshError):
        retry: Action = "retry" if error.retryable else "stop"
        return Fault(retry, "earthengine.token", "access", None, _first_line(error))
    answer = _answer(error)
    if answer is not None:
        status = int(answer.resp.status)
        fault = _of_status(status, _said(answer, error), _seconds(answer.resp.get("retry-after")))
        asks_too_much = fault.action in ("retry", "slow") and fault.wait_s > LONGEST_ASKED_S
        return replace(fault, action="stop", key=_LATER) if asks_too_much else fault
    if isinstance(error, ee.EEException):
        return _of_status(None, _first_line(error), 0.0)
    return Fault("retry", "earthengine.network", "network", None, _first_line(error))


def _of_status(status: int | None, reason: str, wait_s: float) -> Fault:
    low = reason.lower()

    def fault(action: Action, name: str, kind: str) -> Fault:
        return Fault(action, f"earthengine.{name}", kind, status, reason, wait_s)

    if status is not None and (status >= 500 or status == 408):
        return fault("retry", "network", "network")
    if any(word in low for word in _TOO_LARGE):
        return fault("split", "too_large", "access")
    if status == 429 or any(word in low for word in _TOO_MANY):
        spent = any(word in low for word in _QUOTA)
        return fault("stop" if spent else "slow", "quota", "access")
    if any(word in low for word in _PROJECT):
        return fault("stop", "project", "access")
    if status == 401:
        # The client library has renewed the token by now, and was given one: it expired again on the way.
        return fault("retry", "token", "access")
    if status == 404 or "not found" in low:
        return fault("stop", "no_asset", "missing")
    if status == 403:
        return fault("stop", "permission", "access")
    if status is not None and 300 <= status < 400:
        return fault("stop", "redirected", "network")
    return fault("stop", "rejected", "mismatch")


def _answer(error: BaseException) -> googleapiclient.errors.HttpError | None:
    """The answer behind an error; earthengine-api raises its own while it handles that of the HTTP client."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, googleapiclient.errors.HttpError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _said(answer: googleapiclient.errors.HttpError, error: BaseException) -> str:
    """The message of the service; a page of a proxy is not repeated."""
    try:
        return _short(str(json.loads(answer.content)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        reason = getattr(answer.resp, "reason", "") or ""
        return _short(f"HTTP {answer.resp.status} {reason}".strip())


def _first_line(error: BaseException) -> str:
    text = str(error.args[0]) if error.args else ""
    return _short(text.strip().splitlines()[0] if text.strip() else type(error).__name__)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _seconds(value: str | None) -> float:
    try:
        return max(0.0, float(value)) if value else 0.0
    except ValueError:
        return 0.0
