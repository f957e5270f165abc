"""Restored wetlands: what the balance is, what it was, and the difference over the period; never a stock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sinkest.account.conversion import Coefficients
from sinkest.account.reading import nearest
from sinkest.account.sink import RESERVOIR_AGE_YEARS
from sinkest.account.sites import KINDS, check_sites
from sinkest.account.wetland import balance, gwp
from sinkest.errors import InputError

DRY = "dry"
"""A site that was no wetland before: no burial, no methane."""
BEFORE_KINDS = (DRY, *(kind for kind in KINDS if kind != "river"))
COLUMNS = (
    "site_id",
    "zone",
    "method",
    "from_year",
    "to_year",
    "before_kind",
    "before_area_ha",
    "after_kind",
    "after_area_ha",
    "before_t_co2e_yr",
    "after_t_co2e_yr",
    "change_t_co2e_yr",
    "change_t_co2e",
    "gwp_set",
    "provisional",
)


def wetland_restoration(
    coefficients: Coefficients, sites: pd.DataFrame, year: int, gwp_set: str = "AR5"
) -> pd.DataFrame:
    """Net balance of restored sites before and after.

    Parameters
    ----------
    coefficients : Coefficients
    sites : DataFrame
        The site list with, for restored sites, ``restored_year``, ``before_kind`` (``"dry"`` or a kind of wetland) and
        ``restoration_method``, and ``before_area_ha`` where the area was another. A reservoir or pond that was one
        before keeps its year of impoundment.
    year : int
        End of the period.
    gwp_set : str
        See :func:`sinkest.account.wetland.gwp`.

    Returns
    -------
    DataFrame
        A row for each restored site: the period, both states, the yearly difference and its sum over the period;
        positive = more is taken up or less is emitted than before.

    Raises
    ------
    InputError
        For a site with a restoration that lacks its year, its state before or its method, or whose values are
        impossible; the message names the row and the site.
    """
    if "restored_year" not in sites.columns:
        return pd.DataFrame(columns=list(COLUMNS))
    potential = gwp(coefficients, gwp_set)
    checked = check_sites(sites, year).set_index("site_id")
    records = []
    for row, cells in enumerate(sites.to_dict("records"), start=1):
        given = {str(name): value for name, value in cells.items()}
        if _absent(given.get("restored_year")):
            continue
        records.append(_record(coefficients, checked, row, given, year, potential.set_id))
    return pd.DataFrame.from_records(records, columns=list(COLUMNS)).sort_values("site_id", ignore_index=True)


def _record(
    coefficients: Coefficients, checked: pd.DataFrame, row: int, given: Mapping[str, Any], year: int, gwp_set: str
) -> dict[str, Any]:
    site = str(given["site_id"]).strip()
    after: Mapping[Any, Any] = checked.loc[[site]].iloc[0].to_dict()
    start = _number(given["restored_year"])
    if start is None or start != int(start) or not 1000 <= start < year:
        raise InputError("account.restored_year", row=row, site=site, given=given["restored_year"], year=year)
    kind = "" if _absent(given.get("before_kind")) else str(given["before_kind"]).strip()
    if kind not in BEFORE_KINDS:
        raise InputError("account.before_kind", row=row, site=site, given=kind, nearest=nearest(kind, BEFORE_KINDS))
    method = "" if _absent(given.get("restoration_method")) else str(given["restoration_method"]).strip()
    if not method:
        raise InputError("account.restoration_method", row=row, site=site)
    area = after["area_ha"] if _absent(given.get("before_area_ha")) else _number(given["before_area_ha"])
    if area is None or not 0 < area <= 1e6:
        raise InputError("account.before_area", row=row, site=site, given=given["before_area_ha"])
    impounded = _number(given.get("impounded_year"))
    if kind == "reservoir" and (impounded is None or impounded > start):
        raise InputError(
            "account.site_year", row=row, site=site, given=given.get("impounded_year", ""), year=int(start)
        )
    form = _form(kind, impounded, start)
    first, first_provisional = _net(coefficients, form, area, gwp_set)
    last, last_provisional = _net(coefficients, after["form"], after["area_ha"], gwp_set)
    return {
        "site_id": site,
        "zone": after["zone"],
        "method": method,
        "from_year": int(start),
        "to_year": year,
        "before_kind": kind,
        "before_area_ha": area,
        "after_kind": after["kind"],
        "after_area_ha": after["area_ha"],
        "before_t_co2e_yr": first,
        "after_t_co2e_yr": last,
        "change_t_co2e_yr": last - first,
        "change_t_co2e": (last - first) * (year - start),
        "gwp_set": gwp_set,
        "provisional": first_provisional or last_provisional,
    }


def _form(kind: str, impounded: float | None, year: float) -> str:
    if kind != "reservoir" or impounded is None:
        return kind
    return "reservoir_young" if year - impounded <= RESERVOIR_AGE_YEARS else "reservoir_old"


def _net(coefficients: Coefficients, form: str, area_ha: float, gwp_set: str) -> tuple[float, bool]:
    """Net of an area, t CO2e/yr, and whether it is provisional; NaN where methane is not assessed."""
    if form == DRY:
        return 0.0, False
    areas = pd.DataFrame([("", form, form, area_ha, 1)], columns=["zone", "kind", "form", "area_ha", "sites"])
    line = balance(coefficients, areas, gwp_set).iloc[0]
    return float(line["net_t_co2e_yr"]), bool(line["provisional"])


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or value != value or str(value).strip() == ""


def _number(value: object) -> float | None:
    try:
        found = float(str(value).strip())
    except ValueError:
        return None
    return found if math.isfinite(found) else None
