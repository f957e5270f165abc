"""Print the licence of everything a base installation brings, and end with 1 where one is of the GPL family.

Run it with the Python of an environment into which the project is installed. LGPL and MPL may be linked to from work
under Apache-2.0 and pass; GPL and AGPL may not, and neither may a package that does not say.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ROOT = "sinkest"
REFUSED = re.compile(r"(?<![a-z])(a?gpl|gnu (affero )?general public)", re.IGNORECASE)


def closure(name: str) -> dict[str, Distribution]:
    """A package and all that it needs, without extras that were not asked for."""
    found: dict[str, Distribution] = {}
    todo = [(name, frozenset[str]())]
    while todo:
        one, extras = todo.pop()
        key = re.sub(r"[-_.]+", "-", one).lower()
        try:
            held = found.setdefault(key, distribution(one))
        except PackageNotFoundError:
            sys.exit(f"{one} is not installed; run this in an environment that holds {ROOT}")
        for line in held.requires or ():
            needed = Requirement(line)
            wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras})
            other = re.sub(r"[-_.]+", "-", needed.name).lower()
            if wanted and other not in found:
                todo.append((needed.name, frozenset(needed.extras)))
    return found


def licence(held: Distribution) -> str:
    """What a package says of its licence: expression, classifiers, or the first line of the text."""
    said = held.metadata.get("License-Expression")
    classified = [line.rsplit("::", 1)[1].strip() for line in held.metadata.get_all("Classifier") or ()
                  if line.startswith("License ::") and not line.endswith("OSI Approved")]  # fmt: skip
    plain = (held.metadata.get("License") or "").strip().splitlines()
    return said or ", ".join(classified) or (plain[0][:60] if plain else "") or _first_line(held) or "?"


def _first_line(held: Distribution) -> str:
    """How the licence file of a package begins, where its metadata do not say."""
    for file in held.files or ():
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            return lines[0][:60] if lines else ""
    return ""


def is_refused(said: str) -> bool:
    """GPL or AGPL without a choice of another, or nothing said; the L of LGPL makes the difference."""
    if said == "?":
        return True
    choices = re.split(r"\s+or\s+", said, flags=re.IGNORECASE)
    return all(REFUSED.search(choice) and not re.search(r"lgpl|lesser", choice, re.IGNORECASE) for choice in choices)


def main() -> int:
    """Print the list; 1 if a licence is refused."""
    refused = []
    for name, held in sorted(closure(ROOT).items()):
        said = licence(held)
        print(f"{name:32} {held.version:16} {said}")
        if is_refused(said):
            refused.append(name)
    if refused:
        print(f"not to be shipped with: {', '.join(refused)}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
