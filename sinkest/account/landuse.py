"""Codes of the national land survey (三调), and which of them count as forest under a definition."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sinkest.account.definitions import Definition

FIRST_LEVEL = tuple(f"{number:02d}" for number in range(13))
"""Wetland (00), cropland (01), orchard (02), woodland (03), grassland (04) ... waters (11), other land (12)."""
WOODLAND = ("0301", "0302", "0305", "0307")
"""Woodland (林地); 0303, 0304 and 0306 stand below 03 in the list of codes and are wetland in the bulletin."""
WETLAND = ("0303", "0304", "0306", "0402", "0603", "1105", "1106", "1108")
"""Codes that stand below other first levels and are wetland (00) in the bulletin."""
_CODE = re.compile(r"([0-9]{2}|[0-9]{4})[A-Z]?", re.ASCII)


def code_of(value: str, spellings: Mapping[str, str]) -> str | None:
    """The code that a cell holds, directly or by one of the ``spellings``; None where it is no code of the survey."""
    code = spellings.get(value, value).upper()
    return code if _CODE.fullmatch(code) and code[:2] in FIRST_LEVEL else None


def counts(code: str, rule: Definition) -> bool | None:
    """Whether ground of a code counts under a rule; None where the code is too short to tell (03 for 0301)."""
    digits = code[:4].rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if any(digits.startswith(wanted) for wanted in rule.land_use):
        return True
    return None if any(wanted.startswith(digits) for wanted in rule.land_use) else False


def bulletin_code(code: str) -> str:
    """The code with wetland under its own first level 00: ``001108`` for 1108; any other as it is."""
    return f"00{code}" if code[:4] in WETLAND else code


def is_woodland(codes: Sequence[str]) -> list[bool]:
    """Which codes are woodland (林地) in the sense of the bulletin."""
    return [code[:4] in WOODLAND for code in codes]
