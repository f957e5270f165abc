"""The offset of Sentinel-2 reflectance: since processing baseline 04.00 products store reflectance plus 0.1.

The baseline tells it, never the date: old acquisitions were processed anew, and archives have taken the offset off.
Sentinel-2 Products Specification Document, "BOA_ADD_OFFSET": reflectance = (stored + offset) / 10000.
"""

from __future__ import annotations

import re

FIRST_WITH_OFFSET = (4, 0)
OFFSET_DN = -1000
QUANTIFICATION = 10_000
NODATA = 0


def baseline_of(text: object) -> tuple[int, int] | None:
    """Processing baseline as numbers, from ``"05.09"``, ``"5.9"``-like texts or ``"N0509"``; None for anything else.

    Examples
    --------
    >>> baseline_of("04.00"), baseline_of("N0214"), baseline_of("latest")
    ((4, 0), (2, 14), None)
    """
    found = re.fullmatch(r"N?(\d{2})\.?(\d{2})", str(text).strip())
    return (int(found[1]), int(found[2])) if found else None


def has_offset(baseline: tuple[int, int]) -> bool:
    """Whether products of a baseline store reflectance plus 0.1."""
    return baseline >= FIRST_WITH_OFFSET


def policy(offset_dn: float, reason: str) -> str:
    """How stored numbers become reflectance, for provenance."""
    return f"reflectance = (stored {offset_dn:+g}) / {QUANTIFICATION}; {reason}"
