"""What reading a block leaves beside its pixels: reads that were given up, and what tells of a wrong offset.

It is kept in the part of the block. So it is known of every block once, whichever process has read it, and whether
that was in this start of the run or in an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple
from itertools import chain
from pathlib import Path

import numpy as np

from sinkest.errors import RunError, SourceError
from sinkest.imagery.source import Evidence, Gap, Source
from sinkest.mapping.engine import Arrays, Block, part_path, read_part

GAPS, EVIDENCE = "gaps", "evidence"


def forget(source: Source) -> None:
    """Drop what the reads of this thread left so far: of a block that it could not finish, which has no part."""
    source.take_gaps()
    source.take_evidence()


def left_by(source: Source) -> Arrays:
    """What the reads of this thread left since `forget`, as arrays for the block's part; none where nothing was."""
    gaps, evidence = source.take_gaps(), source.take_evidence()
    arrays: Arrays = {}
    if gaps:
        arrays[GAPS] = np.array([astuple(gap) for gap in gaps])
    if evidence:
        arrays[EVIDENCE] = np.array([(scene, *map(str, counts)) for scene, counts in sorted(evidence.items())])
    return arrays


def gathered(parts: Iterable[Arrays]) -> tuple[set[Gap], Evidence]:
    """Gaps and evidence of several blocks."""
    gaps: set[Gap] = set()
    evidence: dict[str, list[int]] = {}
    for arrays in parts:
        gaps |= {Gap(*map(str, row)) for row in arrays.get(GAPS, ())}
        for scene, *counts in arrays.get(EVIDENCE, ()):
            known = evidence.setdefault(str(scene), [0] * len(counts))
            evidence[str(scene)] = [one + int(more) for one, more in zip(known, counts, strict=True)]
    return gaps, evidence


def resume(source: Source, cache: Path, blocks: Sequence[Block], before: Iterable[Gap]) -> None:
    """Let a source count what the run has given up so far.

    Processes that work side by side may together have given up more than the run may miss. What they missed is then
    read again: the parts of those blocks are removed.

    Parameters
    ----------
    source : Source
    cache : Path
        Folder of the parts.
    blocks : sequence of Block
    before : iterable of Gap
        Given up before any block.
    """
    recorded: dict[Block, set[Gap]] = {}
    for block in blocks:
        if part_path(cache, block).is_file():
            with suppress(RunError):  # a damaged part is done again
                recorded[block] = gathered([read_part(cache, block)])[0]
    known = set(before)
    try:
        source.recall_gaps(known.union(chain.from_iterable(recorded.values())))
    except SourceError:
        source.recall_gaps(known)
        for block, gaps in recorded.items():
            if gaps:
                part_path(cache, block).unlink()
