"""HTTP for the Earth Engine client, with a deadline on the whole of every exchange."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httplib2
import requests
from requests.adapters import HTTPAdapter

CHUNK_BYTES = 1 << 16
CONNECT_S = 30.0
"""Longest wait for a connection; a firewall that drops packets never says no."""


class Transport:
    """What earthengine-api sends its requests through.

    Proxies are those of the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``). Redirections are not followed:
    the service makes none, so whoever does is a login page in between, and no token is to go there.

    Parameters
    ----------
    deadline_s : float
        Longest time from the start of a request to the last byte of its answer.
    connections : int
        Connections kept open.
    """

    def __init__(self, deadline_s: float, connections: int = 64) -> None:
        self._deadline_s = deadline_s
        self._session = requests.Session()
        self._session.auth = _as_given
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int | None = None,
        connection_type: type[Any] | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request as httplib2 would.

        Raises
        ------
        TimeoutError
            If the answer is not whole at the deadline.
        ConnectionError
            If there is no connection, or it breaks, or the answer is cut short.
        """
        until = time.monotonic() + self._deadline_s
        waits = (min(CONNECT_S, self._deadline_s), self._deadline_s)
        try:
            with self._session.request(
                method, uri, data=body, headers=headers, timeout=waits, stream=True, allow_redirects=False
            ) as answer:
                content = b"".join(_until(answer.iter_content(CHUNK_BYTES), until))
                told = {**answer.headers, "status": str(answer.status_code)}
        except requests.Timeout as error:
            raise TimeoutError(f"no answer within {self._deadline_s:g} s") from error
        except requests.RequestException as error:
            if _timed_out(error):
                raise TimeoutError(f"no answer within {self._deadline_s:g} s") from error
            raise ConnectionError(_reason(error)) from error
        return httplib2.Response(told), content

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the token that the request has: without this, an entry in ~/.netrc would replace it."""
    return request


def _until(chunks: Iterator[bytes], until: float) -> Iterator[bytes]:
    """Pass chunks on until the deadline: a server that trickles never runs into the wait for one chunk."""
    for chunk in chunks:
        if time.monotonic() > until:
            raise requests.Timeout
        yield chunk


def _timed_out(error: BaseException) -> bool:
    """Whether a wait for bytes of the body ended the exchange, which requests calls a lost connection."""
    return "Read timed out" in str(error)


def _reason(error: BaseException) -> str:
    """Why a connection failed, in a few words: the innermost cause, without addresses of objects."""
    inner: BaseException = error
    while (deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__) is not None:
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    text = str(inner).rsplit(">: ", 1)[-1]
    return f"{type(inner).__name__}: {text}" if text else type(inner).__name__
