"""Print constraints that install the oldest release that each lower bound of ``pyproject.toml`` allows.

``python .ci/oldest.py >oldest.txt && pip install -c oldest.txt '.[test]'`` makes the environment in which the stated
bounds are tried; without the constraints pip takes the newest, which is the other half of the promise.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUND = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?>=([0-9][^,;]*)")


def bounds(project: dict) -> dict[str, str]:
    """Package -> lowest release."""
    extras = project.get("optional-dependencies", {})
    lines = [*project["dependencies"], *extras.get("test", [])]
    found = {}
    for line in lines:
        match = BOUND.match(line.replace(" ", ""))
        if match is None:
            sys.exit(f"{line!r} states no lower bound")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    stated = bounds(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])
    print("\n".join(f"{name}=={release}" for name, release in sorted(stated.items())))
