"""Access tokens of the Planetary Computer: asked for when first needed, kept until they end, asked for again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from sinkest.addresses import plain
from sinkest.errors import SourceError
from sinkest.imagery.stac.patience import Patience, why

BLOB_HOST = ".blob.core.windows.net"
EARLY = timedelta(minutes=5)
"""A token is renewed this long before it ends."""


@dataclass(frozen=True)
class _Token:
    query: str
    ends: datetime


class Signer:
    """Adds tokens to addresses of blob storage, and leaves others as they are.

    Parameters
    ----------
    url : str
        Address of the token service; the storage account and the container are added to it.
    patience : Patience
    blob_host : str
        End of the host names that need a token.
    """

    def __init__(self, url: str, patience: Patience, blob_host: str = BLOB_HOST) -> None:
        self._url, self._patience, self._blob_host = url.rstrip("/"), patience, blob_host
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_lock", "_tokens")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._tokens, self._lock = {}, threading.Lock()

    def sign(self, href: str, sleep: Callable[[float], object] = time.sleep) -> str:
        """The address with a token that is valid now.

        Raises
        ------
        SourceError
            If the service gives none.
        """
        place = self._place(href)
        if place is None or "sig=" in href:
            return href
        with self._lock:  # one thread asks, the others wait for its answer
            token = self._tokens.get(place)
            if token is None or token.ends - EARLY < datetime.now(UTC):
                token = self._tokens[place] = self._ask(place, sleep)
        return f"{href}{'&' if urlsplit(href).query else '?'}{token.query}"

    def renew(self, href: str) -> bool:
        """Forget the token of an address that was refused; whether there was one."""
        place = self._place(href)
        with self._lock:
            return place is not None and self._tokens.pop(place, None) is not None

    def _place(self, href: str) -> str | None:
        """Storage account and container of an address; None where it needs no token."""
        parts = urlsplit(href)
        host, container = parts.hostname or "", parts.path.strip("/").split("/")[0]
        if not host.endswith(self._blob_host) or not container:
            return None
        return f"{host.removesuffix(self._blob_host) or host}/{container}"

    def _ask(self, place: str, sleep: Callable[[float], object]) -> _Token:
        for wait in self._patience.waits():
            try:
                answer = requests.get(f"{self._url}/{place}", timeout=self._patience.timeouts)
                answer.raise_for_status()
                told = answer.json()
                ends = datetime.fromisoformat(str(told["msft:expiry"]).replace("Z", "+00:00"))
                return _Token(str(told["token"]), ends)
            except (requests.RequestException, ValueError, KeyError, TypeError) as error:
                reason, status, passing = why(error)
                if wait is None or not passing:
                    raise SourceError(
                        "stac.no_token",
                        kind="access",
                        status=status,
                        retryable=passing,
                        url=plain(self._url),
                        reason=reason,
                    ) from error
                sleep(wait)
        raise AssertionError  # the last wait is None
