"""Who asks Earth Engine: credentials, project, and the one connection that the client library has in a process."""

from __future__ import annotations

import json
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ee
import ee.oauth
import google_auth_httplib2
from google.auth import credentials as base
from google.auth import exceptions as auth
from google.auth.environment_vars import CREDENTIALS as ADC_VARIABLE
from google.oauth2 import credentials as user
from google.oauth2 import service_account
from googleapiclient.errors import HttpError

from sinkest.errors import ConfigError, SourceError
from sinkest.imagery.earthengine.faults import NOT_MENDED, GarbledError, diagnose
from sinkest.imagery.earthengine.transport import Transport

VARIABLE = "SINKEST_EE_CREDENTIALS"
"""Environment variable that may hold the content of a key file, for machines on which no file can be kept."""

PROJECT_VARIABLES = ("SINKEST_EE_PROJECT", "GOOGLE_CLOUD_PROJECT")
HIGH_VOLUME = "https://earthengine-highvolume.googleapis.com"
START_S = 30.0
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_CONNECTING = threading.Lock()


@dataclass(frozen=True)
class Account:
    """Who asks, and where.

    Attributes
    ----------
    project : str
        Cloud project that is registered for Earth Engine and pays for, or is granted, the computation. Never guessed:
        without one, the client library would quietly take a project of its own for a service account.
    credentials : Path or None
        JSON key file of a service account, or of a user (``authorized_user``, or what ``earthengine authenticate``
        writes). None: the content of `VARIABLE`, then the file that ``GOOGLE_APPLICATION_CREDENTIALS`` names, then
        that of ``earthengine authenticate``, then that of ``gcloud auth application-default login``.
    url : str
        Address of the API.
    deadline_s : float
        Longest time of one request.
    """

    project: str
    credentials: Path | None = None
    url: str = HIGH_VOLUME
    deadline_s: float = 300.0


@dataclass(frozen=True)
class Key:
    """Credentials as they were found: where, of what kind, and the secret itself, which no text shows."""

    origin: str
    kind: str
    secret: dict[str, Any]

    def __repr__(self) -> str:
        return f"Key(origin={self.origin!r}, kind={self.kind!r})"

    def credentials(self) -> base.Credentials:
        """Credentials for the client library.

        Raises
        ------
        SourceError
            If the file lacks what its kind needs.
        """
        try:
            if self.kind == "service_account":
                return service_account.Credentials.from_service_account_info(self.secret, scopes=ee.oauth.SCOPES)
            return user.Credentials(
                None,
                refresh_token=self.secret["refresh_token"],
                token_uri=self.secret.get("token_uri", _TOKEN_URI),
                client_id=self.secret.get("client_id", ee.oauth.CLIENT_ID),
                client_secret=self.secret.get("client_secret", ee.oauth.CLIENT_SECRET),
                scopes=self.secret.get("scopes"),
            )
        except (ValueError, KeyError, auth.GoogleAuthError) as error:
            # The text of the error may quote the key; only its kind is told.
            reason = f"{type(error).__name__}, {self.kind}"
            raise SourceError("earthengine.bad_key", kind="access", origin=self.origin, reason=reason) from None


def places(account: Account) -> list[Path]:
    """Files in which credentials are looked for, in order."""
    if account.credentials is not None:
        return [account.credentials]
    named = os.environ.get(ADC_VARIABLE)
    folder = Path(os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud")
    return [
        *([Path(named)] if named else []),
        Path(ee.oauth.get_credentials_path()),
        folder / "application_default_credentials.json",
    ]


def find_key(account: Account) -> Key:
    """Find the credentials of an account.

    Raises
    ------
    SourceError
        If there are none, or the first that are found cannot be used; says where and how to get them.
    """
    if account.credentials is None and os.environ.get(VARIABLE):
        return _parsed(VARIABLE, os.environ[VARIABLE])
    looked = places(account)
    for place in looked:
        if place.is_file():
            try:
                return _parsed(str(place), place.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                reason = type(error).__name__
                raise SourceError("earthengine.bad_key", kind="access", origin=str(place), reason=reason) from None
    shown = ", ".join([VARIABLE, *map(str, looked)] if account.credentials is None else map(str, looked))
    raise SourceError("earthengine.no_key", kind="access", places=shown)


def _parsed(origin: str, text: str) -> Key:
    try:
        secret = json.loads(text)
    except ValueError:
        raise SourceError("earthengine.bad_key", kind="access", origin=origin, reason="JSON") from None
    if not isinstance(secret, dict):
        raise SourceError("earthengine.bad_key", kind="access", origin=origin, reason="JSON")
    if secret.get("type") == "service_account":
        return Key(origin, "service_account", secret)
    if secret.get("refresh_token"):
        return Key(origin, "user", secret)
    reason = str(secret.get("type", "refresh_token"))[:40]
    raise SourceError("earthengine.bad_key", kind="access", origin=origin, reason=reason)


def project_of_environment() -> str | None:
    """The project that the environment names."""
    return next((os.environ[name] for name in PROJECT_VARIABLES if os.environ.get(name)), None)


def connect(account: Account) -> None:
    """Bring the client library into contact as this account, unless it is already.

    The library has one connection in a process: sources of two accounts may take turns, but not read at the same time.

    Raises
    ------
    ConfigError
        If no project is named.
    SourceError
        If the credentials are missing or cannot be used.
    NOT_MENDED
        If the service does not let us in; `faults.diagnose` tells why.
    """
    if not account.project:
        raise ConfigError("earthengine.no_project")
    with _CONNECTING:
        _connected(account)


@lru_cache(maxsize=1)
def _connected(account: Account) -> Transport:
    """Initialise the library; remembered for the account that connected last."""
    credentials = find_key(account).credentials()
    transport = Transport(account.deadline_s)
    ee.data.setMaxRetries(0)  # which errors to retry, and when, is known better here
    with _patient():
        ee.Initialize(credentials, project=account.project, url=account.url, http_transport=transport)
    return transport


def reach(account: Account) -> None:
    """Ask for the description of the API, which takes no credentials.

    Raises
    ------
    SourceError
        If the service is not reached, or something else answers in its place.
    """
    address = f"{account.url}/$discovery/rest?version=v1"
    transport = Transport(min(START_S, account.deadline_s))
    try:
        answer, content = transport.request(address)
        if int(answer.status) >= 300:
            raise HttpError(answer, content)
        if json.loads(content).get("name") != "earthengine":
            raise GarbledError("another service answers")
    except NOT_MENDED as error:
        raise diagnose(error).error(what=account.url, project=account.project) from error
    finally:
        transport.close()


def renew(account: Account) -> None:
    """Exchange the credentials for a token, as every connection does first.

    Raises
    ------
    SourceError
        If there are no credentials, or they are not good any more, or the token service is not reached.
    """
    credentials = find_key(account).credentials()
    transport = Transport(min(START_S, account.deadline_s))
    try:
        credentials.refresh(google_auth_httplib2.Request(transport))
    except NOT_MENDED as error:
        raise diagnose(error).error(what="oauth2", project=account.project) from error
    finally:
        transport.close()


@contextmanager
def _patient() -> Iterator[None]:
    """Bound the one download of the library that has no limit of its own: its list of deprecated data sets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(START_S)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Unable to initialize deprecated assets")
            yield
    finally:
        socket.setdefaulttimeout(before)
