"""Wetlands: areas by kind, gross burial, and beside it the methane that burial alone leaves out.

Burial is gross: on a 100-year horizon the methane of the same waters is of the same size or larger, so burial, methane,
its CO2 equivalent and the net stand in columns of their own. Positive = sink.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from sinkest.account.conversion import Coefficients
from sinkest.account.factors import Factor
from sinkest.account.forest import co2_t
from sinkest.account.inputs import Strata
from sinkest.account.montecarlo import Array
from sinkest.account.reading import nearest
from sinkest.errors import InputError
from sinkest.messages import Message
from sinkest.tidy import CITY

WATER_KINDS = ("river", "lake", "reservoir", "pond")
MARSH_KINDS = ("marsh", "small_wetland")
UNLISTED_WATER = "water"
BALANCE_COLUMNS = (
    "zone",
    "kind",
    "sites",
    "area_ha",
    "burial_t_co2_yr",
    "methane_t_yr",
    "methane_t_co2e_yr",
    "flooding_t_co2_yr",
    "net_t_co2e_yr",
    "gwp_set",
    "provisional",
)
DEFAULT_METHANE = "methane"
_FORM: Mapping[str, str] = MappingProxyType({"small_wetland": "marsh"})


@dataclass(frozen=True)
class Rates:
    """Rates of one form of wetland, per hectare and year; NaN where no credible value exists."""

    burial_t_co2: float
    methane_kg: float
    flooding_t_co2: float
    burial_cv: float
    methane_cv: float
    factors: tuple[Factor, ...]

    @property
    def provisional(self) -> bool:
        """Whether any coefficient has not been checked against its source."""
        return any(factor.provisional for factor in self.factors)


@dataclass(frozen=True)
class WetlandTerms:
    """What burial is computed from.

    Attributes
    ----------
    forms : tuple of str
        Forms of the listed sites.
    rates : tuple of Rates
        Of each form.
    listed_ha : ndarray, (forms, zones)
    marsh : Rates
        Of mapped marsh that no list names.
    marsh_ha : ndarray, (rows of the class table,)
        Its area.
    areas : DataFrame
        ``zone, kind, form, area_ha, se, sites``: all wetland areas, listed and mapped.
    gwp : Factor
        Of methane over 100 years.
    zones : tuple of str
        Zones with a wetland account; only the whole where a site does not say its zone.
    notes : tuple of Message
    """

    forms: tuple[str, ...]
    rates: tuple[Rates, ...]
    listed_ha: Array
    marsh: Rates
    marsh_ha: Array
    areas: pd.DataFrame
    gwp: Factor
    zones: tuple[str, ...]
    notes: tuple[Message, ...]

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Coefficients of the forms that have an area."""
        used = [
            factor for item, row in zip(self.rates, self.listed_ha, strict=True) if row.any() for factor in item.factors
        ]
        return tuple(dict.fromkeys((*used, *(self.marsh.factors if self.marsh_ha.any() else ()), self.gwp)))


def rates(coefficients: Coefficients, form: str, methane_set: str = DEFAULT_METHANE) -> Rates:
    """Rates of a form of wetland: a kind, ``reservoir_old``, ``reservoir_young`` or ``water``.

    No credible default for burial exists for rivers, ponds, newly flooded land and water of unknown kind: zero is
    booked. Methane of rivers and of water of unknown kind is not assessed: NaN. Another ``methane_set`` of the table
    stands in for the forms it covers.
    """
    table = coefficients.wetland
    row = _FORM.get(form, form)
    burial = table.find("burial", "burial", row)
    methane = table.find(methane_set, "methane", row) or table.find(DEFAULT_METHANE, "methane", row)
    flooding = table.find("methane", "flooding_co2", row)
    downstream = table.find("methane", "downstream_ratio", "reservoir") if row.startswith("reservoir") else None
    used = tuple(factor for factor in (burial, methane, downstream, flooding) if factor is not None)
    return Rates(
        burial_t_co2=0.0 if burial is None else co2_t(burial.value * 0.01),
        methane_kg=math.nan if methane is None else methane.value * (1 + (downstream.value if downstream else 0.0)),
        flooding_t_co2=0.0 if flooding is None else co2_t(flooding.value),
        burial_cv=0.0 if burial is None else burial.relative_sigma,
        methane_cv=0.0 if methane is None else methane.relative_sigma,
        factors=used,
    )


def gwp(coefficients: Coefficients, gwp_set: str) -> Factor:
    """Global warming potential of methane over 100 years.

    Raises
    ------
    InputError
        For an unknown set; the message lists the known ones.
    """
    known = coefficients.gwp.sets()
    if gwp_set not in known:
        raise InputError("account.unknown_gwp", given=gwp_set, nearest=nearest(gwp_set, known))
    return coefficients.gwp.get(gwp_set, "gwp100", "methane")


def balance(
    coefficients: Coefficients,
    areas: pd.DataFrame,
    gwp_set: str = "AR5",
    *,
    methane_set: str = DEFAULT_METHANE,
    trophic_state: str | None = None,
) -> pd.DataFrame:
    """Yearly balance of wetland areas; positive = sink.

    Parameters
    ----------
    coefficients : Coefficients
    areas : DataFrame
        ``zone, form, kind, area_ha, sites``.
    gwp_set : str
        ``"AR5"`` (28) or another set of the table; the horizon is 100 years.
    methane_set : str
        Set of emission factors.
    trophic_state : str, optional
        ``"oligotrophic"`` ... ``"hypereutrophic"``: multiplies the methane of reservoirs older than 20 years.

    Returns
    -------
    DataFrame
        A row for each zone and kind: number of sites, area, gross burial (t CO2/yr), methane that is emitted
        (t CH4/yr), and as negative numbers its CO2 equivalent and the CO2 of newly flooded land; the net is the sum of
        the three. Methane and net are NaN where methane is not assessed.
    """
    potential = gwp(coefficients, gwp_set)
    alpha = None if trophic_state is None else coefficients.wetland.get("trophic", "trophic_multiplier", trophic_state)
    records = []
    for zone, kind, form, area, sites in areas[["zone", "kind", "form", "area_ha", "sites"]].to_numpy().tolist():
        rate = rates(coefficients, form, methane_set)
        methane_t = area * rate.methane_kg / 1000 * (alpha.value if alpha and form == "reservoir_old" else 1.0)
        burial, flooding, equivalent = (
            area * rate.burial_t_co2,
            -area * rate.flooding_t_co2,
            -methane_t * potential.value,
        )
        net = burial + equivalent + flooding
        provisional = rate.provisional and area > 0
        records.append((zone, kind, sites, area, burial, methane_t, equivalent, flooding, net, gwp_set, provisional))
    frame = pd.DataFrame.from_records(records, columns=list(BALANCE_COLUMNS))
    sums = dict.fromkeys(BALANCE_COLUMNS[3:9], _sum) | {"sites": "sum"}
    grouped = frame.groupby(["zone", "kind", "gwp_set"], sort=True, as_index=False).agg({**sums, "provisional": "any"})
    return grouped[list(BALANCE_COLUMNS)]


def wetland_terms(
    coefficients: Coefficients,
    sites: pd.DataFrame | None,
    classes: Strata,
    zones: Sequence[str],
    water_classes: Sequence[str],
    marsh_classes: Sequence[str],
    gwp_set: str = "AR5",
) -> WetlandTerms:
    """Wetland areas from the site list and the map, without counting any hectare twice.

    Listed sites come first with their own areas. Mapped water and marsh beyond what is listed follow as
    ``water`` (kind unknown: no burial booked) and ``marsh``.

    Parameters
    ----------
    coefficients : Coefficients
    sites : DataFrame or None
        As :func:`check_sites` returns it.
    classes : Strata
        Area by zone and land-cover class.
    zones : sequence of str
        Zones of the account, in order.
    water_classes, marsh_classes : sequence of str
        Land-cover classes that are open water, and marsh.
    gwp_set : str
        See :func:`gwp`.
    """
    potential = gwp(coefficients, gwp_set)
    listed = _listed(sites, zones)
    zoned = sites is None or bool((sites["zone"] != "").all())
    answered = tuple(zone for zone in zones if sites is not None or zone in classes.zones)
    notes = [] if zoned else [Message.of("account.sites_without_zone")]
    water = _unlisted(classes, zones, listed, zoned, water_classes, UNLISTED_WATER, WATER_KINDS)
    marsh = _unlisted(classes, zones, listed, zoned, marsh_classes, "marsh", MARSH_KINDS)
    notes += water.notes + marsh.notes
    forms = tuple(sorted(set(listed["form"])))
    by_form = listed.pivot_table(index="form", columns="zone", values="area_ha", aggfunc="sum", fill_value=0.0)
    areas = pd.concat([listed.assign(se=math.nan), water.areas, marsh.areas], ignore_index=True)
    by_rate = tuple(rates(coefficients, form) for form in forms)
    notes += _not_assessed(coefficients, areas)
    return WetlandTerms(
        forms=forms,
        rates=by_rate,
        listed_ha=by_form.reindex(index=forms, columns=list(zones), fill_value=0.0).to_numpy(dtype=np.float64),
        marsh=rates(coefficients, "marsh"),
        marsh_ha=marsh.rows_ha,
        areas=areas,
        gwp=potential,
        zones=answered if zoned else tuple(zone for zone in answered if zone == CITY),
        notes=tuple(notes),
    )


def _not_assessed(coefficients: Coefficients, areas: pd.DataFrame) -> list[Message]:
    """Water whose methane is not assessed, and which the methane and the net therefore leave out."""
    city = areas[(areas["zone"] == CITY) & (areas["area_ha"] > 0)]
    left = city[[math.isnan(rates(coefficients, form).methane_kg) for form in city["form"]]]
    if left.empty:
        return []
    kinds = ", ".join(sorted(set(left["kind"])))
    return [Message.of("account.methane_not_assessed", area=float(left["area_ha"].sum()), kinds=kinds)]


class _Unlisted(NamedTuple):
    """Mapped area beyond the listed sites: by row of the class table, as areas by zone, and what to say of it."""

    rows_ha: Array
    areas: pd.DataFrame
    notes: list[Message]


def _unlisted(
    classes: Strata,
    zones: Sequence[str],
    listed: pd.DataFrame,
    zoned: bool,
    names: Sequence[str],
    kind: str,
    kinds: Sequence[str],
) -> _Unlisted:
    of_class = classes.frame["class"].isin(list(names)).to_numpy(dtype=bool)
    here = [zone for zone in zones if zone in classes.zones]
    to_zones = classes.to_zones(here)
    mapped = (classes.column("area_ha") * of_class) @ to_zones
    se = np.sqrt((classes.column("se") ** 2 * of_class) @ to_zones)
    own = listed["kind"].isin(list(kinds))
    taken = np.array([listed.loc[own & (listed["zone"] == zone), "area_ha"].sum() for zone in here], dtype=np.float64)
    if not zoned and CITY in here:
        city = here.index(CITY)
        taken = mapped * (taken[city] / mapped[city]) if mapped[city] > 0 else taken
    rest = _added_up(np.clip(mapped - taken, 0, None), here, classes.additive)
    fraction = np.divide(rest, mapped, out=np.zeros_like(rest), where=mapped > 0)
    share = classes.frame["zone"].map(dict(zip(here, fraction, strict=True))).astype("float64").fillna(0.0)
    areas = pd.DataFrame({"zone": here, "kind": kind, "form": kind, "area_ha": rest, "se": se, "sites": 0})
    over = np.flatnonzero(taken > mapped * (1 + 1e-9)) if of_class.any() else np.array([], dtype=int)
    notes = [
        Message.of("account.listed_exceeds", zone=here[index], kind=kind, listed=taken[index], mapped=mapped[index])
        for index in over[:1]
    ]
    return _Unlisted(
        classes.column("area_ha") * of_class * share.to_numpy(), areas if of_class.any() else areas.iloc[:0], notes
    )


def _added_up(rest: Array, here: Sequence[str], additive: bool) -> Array:
    """Zones brought to the whole: where one lists more than is mapped, cutting it at zero would add area to the sum."""
    if not additive or CITY not in here:
        return rest
    city = here.index(CITY)
    zones = np.arange(len(rest)) != city
    summed = rest[zones].sum()
    return np.where(zones & (summed > 0), rest * (rest[city] / summed if summed > 0 else 1.0), rest)


def _listed(sites: pd.DataFrame | None, zones: Sequence[str]) -> pd.DataFrame:
    """Listed area by zone and form; the whole is the sum over all sites."""
    columns = ["zone", "kind", "form", "area_ha", "sites"]
    if sites is None or sites.empty:
        return pd.DataFrame({name: pd.Series(dtype=float if name == "area_ha" else object) for name in columns})
    parts = [sites.assign(zone=CITY), sites[sites["zone"].isin([zone for zone in zones if zone != CITY])]]
    grouped = pd.concat(parts).groupby(["zone", "kind", "form"], sort=True)
    return grouped.agg(area_ha=("area_ha", "sum"), sites=("site_id", "size")).reset_index()[columns]


def _sum(values: pd.Series) -> float:
    return float(values.sum(skipna=False))
