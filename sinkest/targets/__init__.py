"""Targets of a plan: read, judged against estimates, and followed to their years."""

from sinkest.targets.file import Target, read_targets, remarks
from sinkest.targets.judged import COLUMNS, assess, changes_from, describe
from sinkest.targets.verdict import VERDICTS, Rule

__all__ = ["COLUMNS", "VERDICTS", "Rule", "Target", "assess", "changes_from", "describe", "read_targets", "remarks"]
