"""Who may ask: token exchange, expiry, projects."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any
from urllib.parse import parse_qs

LIFETIME_S = 3600


class Tokens:
    """Gives out bearer tokens for refresh tokens and for signed assertions of service accounts.

    Attributes
    ----------
    refresh_token : str
        The one that is good.
    service_account : str
        The account whose assertions are good; the signature is not looked at.
    """

    def __init__(self, refresh_token: str = "good-refresh", service_account: str = "robot@tests.example") -> None:
        self.refresh_token, self.service_account = refresh_token, service_account
        self.exchanges: list[str] = []
        self._good: set[str] = set()
        self._lock = threading.Lock()

    def exchange(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        grant = asked.get("grant_type", "")
        self.exchanges.append(grant)
        if grant == "refresh_token":
            good = asked.get("refresh_token") == self.refresh_token
        elif grant.endswith(":jwt-bearer"):
            claims = asked["assertion"].split(".")[1]
            told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            good = told.get("iss") == self.service_account
        else:
            return 400, {"error": "unsupported_grant_type"}
        if not good:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        with self._lock:
            token = f"token-{len(self.exchanges)}"
            self._good.add(token)
        return 200, {"access_token": token, "expires_in": LIFETIME_S, "token_type": "Bearer"}

    def accepts(self, header: str | None) -> bool:
        """Whether a request carries a good token."""
        with self._lock:
            return (header or "").removeprefix("Bearer ") in self._good

    def expire(self) -> None:
        """No token given out so far is good any more."""
        with self._lock:
            self._good.clear()
