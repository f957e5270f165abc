"""Wetland sites: the list a bureau keeps, checked, and the small wetlands that count."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sinkest.account.reading import nearest
from sinkest.account.sink import RESERVOIR_AGE_YEARS
from sinkest.errors import InputError
from sinkest.messages import Message

KINDS = ("river", "lake", "reservoir", "pond", "marsh", "small_wetland")
ROW = "source_row"
"""Column with the row number in the file, where the table came from one."""
SMALL_LIMIT_HA = 8.0
MAX_SITE_HA = 1_000_000.0
_YES = ("true", "yes", "1", "1.0", "是")
_NO = ("false", "no", "0", "0.0", "否", "")


def check_sites(sites: pd.DataFrame, year: int) -> pd.DataFrame:
    """Check a list of wetland sites.

    Parameters
    ----------
    sites : DataFrame
        ``site_id, kind, area_ha`` and, where known, ``zone``, ``in_corridor`` and ``impounded_year``.
    year : int
        Year of the account; no reservoir may be younger.

    Returns
    -------
    DataFrame
        ``site_id, zone, kind, form, area_ha, in_corridor, impounded_year``, in order of site_id. ``form`` is the kind
        whose rates apply: reservoirs are ``reservoir_young`` up to 20 years after impoundment, then ``reservoir_old``.

    Raises
    ------
    InputError
        For missing columns, repeated sites, unknown kinds, impossible areas, and a reservoir without a possible year
        of impoundment. The message names row and site.
    """
    missing = [column for column in ("site_id", "kind", "area_ha") if column not in sites.columns]
    if missing:
        raise InputError("account.table_columns", table="wetland_sites", columns=", ".join(missing))
    rows = [{str(key): value for key, value in row.items()} for row in sites.to_dict("records")]
    records = [_site(int(values.get(ROW, row)), values, year) for row, values in enumerate(rows, start=1)]
    columns = ["site_id", "zone", "kind", "form", "area_ha", "in_corridor", "impounded_year"]
    frame = pd.DataFrame.from_records(records, columns=columns).sort_values("site_id", ignore_index=True)
    twice = frame.loc[frame["site_id"].duplicated(), "site_id"].tolist()
    if twice:
        raise InputError("account.site_repeated", site=twice[0])
    return frame


def small_wetlands(sites: pd.DataFrame, corridor_included: bool = False) -> tuple[pd.DataFrame, tuple[Message, ...]]:
    """Which listed small wetlands count, and what is odd about them.

    A small wetland (小微湿地) is smaller than 8 ha. Sites in ecological corridors are a target of their own and are
    counted apart unless ``corridor_included``.

    Returns
    -------
    counted : DataFrame
        Sites below 8 ha with a column ``quantity``: ``small_wetland_sites`` or ``small_wetland_sites_corridor``.
    notes : tuple of Message
        Sites of 8 ha or more, and a mean area at the ceiling of the definition.
    """
    small = sites[sites["kind"] == "small_wetland"]
    large = small[small["area_ha"] >= SMALL_LIMIT_HA]
    notes: list[Message] = []
    if len(large):
        names = ", ".join(large["site_id"].head(5))
        notes.append(Message.of("account.small_wetland_large", count=len(large), limit=SMALL_LIMIT_HA, sites=names))
    notes.extend(ceiling_note(len(small), float(small["area_ha"].sum())))
    counted = small[small["area_ha"] < SMALL_LIMIT_HA].copy()
    apart = counted["in_corridor"] & (not corridor_included)
    counted["quantity"] = np.where(apart, "small_wetland_sites_corridor", "small_wetland_sites")
    return counted, tuple(notes)


def ceiling_note(count: float, area_ha: float) -> tuple[Message, ...]:
    """A note where the mean area of small wetlands reaches the ceiling of the definition, 8 ha; else nothing."""
    if count <= 0 or area_ha / count < SMALL_LIMIT_HA * (1 - 1e-9):
        return ()
    return (Message.of("account.small_wetland_mean", count=round(count), area=area_ha, mean=area_ha / count),)


def _site(row: int, values: Mapping[str, object], year: int) -> tuple[str, str, str, str, float, bool, float]:
    site = _cell(values.get("site_id"))
    if not site:
        raise InputError("account.table_empty", table="wetland_sites", row=row, column="site_id")
    kind = _cell(values.get("kind"))
    if kind not in KINDS:
        raise InputError("account.site_kind", row=row, site=site, given=kind, nearest=nearest(kind, KINDS))
    area = _real(values.get("area_ha"))
    if area is None or not 0 < area <= MAX_SITE_HA:
        raise InputError("account.site_area", row=row, site=site, given=values.get("area_ha"), limit=MAX_SITE_HA)
    corridor = _cell(values.get("in_corridor")).lower()
    if corridor not in (*_YES, *_NO):
        raise InputError("account.site_corridor", row=row, site=site, given=corridor)
    form, impounded = kind, math.nan
    if kind == "reservoir":
        given = _real(values.get("impounded_year"))
        if given is None or given != int(given) or not 1000 <= given <= year:
            raise InputError("account.site_year", row=row, site=site, given=values.get("impounded_year", ""), year=year)
        impounded = given
        form = "reservoir_young" if year - given <= RESERVOIR_AGE_YEARS else "reservoir_old"
    return site, _cell(values.get("zone")), kind, form, area, corridor in _YES, impounded


def _cell(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value).strip()


def _real(value: object) -> float | None:
    try:
        number = float(_cell(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
