"""Print the commands of the README, one a line, exactly as it prints them: the first two ``console`` blocks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

COMMANDS = 2

blocks = re.findall(r"^```console\n(.*?)^```$", Path(sys.argv[1]).read_text(encoding="utf-8"), re.M | re.S)
lines = [block.strip().removeprefix("$ ") for block in blocks[:COMMANDS]]
if len(lines) != COMMANDS or any("\n" in line or not line for line in lines):
    sys.exit(f"expected {COMMANDS} blocks of one command each at the head of {sys.argv[1]}, found {lines}")
print("\n".join(lines))
