"""Addresses as they may be written down."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def plain(href: str) -> str:
    """An address without account and query, which may hold a password, a key or a token."""
    parts = urlsplit(href)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
