"""How the wetland balance changes with what is not known: climate zone, trophic state, methane and its weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from sinkest.account.conversion import Coefficients
from sinkest.account.wetland import BALANCE_COLUMNS, DEFAULT_METHANE, balance

CASES_COLUMNS = ("case", *BALANCE_COLUMNS[3:])


class Case(NamedTuple):
    """One alternative; its name is that of a text, ``account.case_<name>``."""

    name: str
    gwp_set: str
    methane_set: str = DEFAULT_METHANE
    trophic_state: str | None = None


def cases(coefficients: Coefficients, gwp_set: str) -> Iterator[Case]:
    """The default, and one thing changed at a time."""
    yield Case("default", gwp_set)
    table = coefficients.wetland
    for name in ("tropical_moist", "chinese_means"):
        if name in table.sets():
            yield Case(name, gwp_set, methane_set=name)
    for state in table.types("trophic", "trophic_multiplier"):
        yield Case(state, gwp_set, trophic_state=state)
    for other in coefficients.gwp.sets():
        if other != gwp_set:
            yield Case(f"gwp_{other.lower()}", other)


def wetland_sensitivity(coefficients: Coefficients, areas: pd.DataFrame, gwp_set: str = "AR5") -> pd.DataFrame:
    """Yearly balance of all assessed wetlands of the whole under each case.

    Parameters
    ----------
    coefficients : Coefficients
    areas : DataFrame
        ``zone, form, kind, area_ha, sites`` of the whole.
    gwp_set : str
        Of the default case.

    Returns
    -------
    DataFrame
        ``case`` and the columns of :func:`sinkest.account.wetland.balance`, summed over the kinds whose methane the
        default case assesses; positive = sink. Reservoirs follow the trophic state, other waters do not.
    """
    records = []
    known: set[str] = set()
    for case in cases(coefficients, gwp_set):
        table = balance(
            coefficients,
            areas,
            case.gwp_set,
            methane_set=case.methane_set,
            trophic_state=case.trophic_state,
        )
        if case.name == "default":
            known = set(table.loc[table["net_t_co2e_yr"].notna(), "kind"])
        table = table[table["kind"].isin(known)]
        sums = {name: float(table[name].sum()) for name in BALANCE_COLUMNS[3:9]}
        provisional = bool(table["provisional"].any())
        records.append({"case": case.name, **sums, "gwp_set": case.gwp_set, "provisional": provisional})
    return pd.DataFrame.from_records(records, columns=list(CASES_COLUMNS))
