"""From stock to carbon, sink and wetland balance: pure numpy and pandas, no raster, no configuration."""

from sinkest.account.definitions import (
    Definition,
    comparable,
    definition,
    load_definitions,
    require_same,
    shipped_definitions,
)
from sinkest.account.sink import difference
from sinkest.account.sites import check_sites
from sinkest.account.yearly import AccountOptions, AccountResult, carbon_account

__all__ = [
    "AccountOptions",
    "AccountResult",
    "Definition",
    "carbon_account",
    "check_sites",
    "comparable",
    "definition",
    "difference",
    "load_definitions",
    "require_same",
    "shipped_definitions",
]
