"""Stage estimate: the tidy table, the account, the verdicts, and what a reader needs to judge them."""

from sinkest.stages.estimate.areas import check_definition
from sinkest.stages.estimate.stage import NAME, TABLES, parts, work

__all__ = ["NAME", "TABLES", "check_definition", "parts", "work"]
