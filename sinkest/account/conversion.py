"""Volume to biomass: the conversion sets, and how much they differ.

Three forms reduce to one line per forest type, biomass = slope x volume + intercept x area:

* linear sets (Fang-type continuous biomass expansion): slope and intercept as published; roots are included;
* wood density x expansion factor x (1 + root ratio): a slope without an intercept;
* IPCC expansion factors by level of growing stock x (1 + root ratio): equation 2.8 of IPCC 2006 V4 Ch. 2 for a stock;
  for a change the factor of increment, since the factor of stock is an average that falls as stands grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from sinkest.account.factors import SHIPPED, Factor, FactorTable, load, shipped_table
from sinkest.account.reading import nearest, read_csv
from sinkest.errors import InputError

TYPE_MAP: Mapping[str, str] = MappingProxyType(
    {"fir": "fir", "masson_pine": "masson_pine", "broadleaf": "mixed_broadleaf", "mixed": "conifer_broadleaf"}
)
DEFAULT_SET = "LI2016"
DEFAULT_ENSEMBLE = ("LI2016", "ZHANG2013", "IPCC")
_FORMS = ("slope", "wood_density", "bcef_stock")


@dataclass(frozen=True)
class Alias:
    """Which row of a set serves a forest type, and whether it is fit to be drawn in the ensemble."""

    uses: str
    ensemble: bool
    note: str


@dataclass(frozen=True)
class Coefficients:
    """All tables of coefficients of an account, and which conversion row serves which forest type."""

    conversion: FactorTable
    pools: FactorTable
    layers: FactorTable
    wetland: FactorTable
    gwp: FactorTable
    growth: FactorTable
    cropland: FactorTable
    aliases: Mapping[tuple[str, str], Alias]

    def conversion_sets(self) -> tuple[str, ...]:
        """Ids of the conversion sets, in the table's order."""
        table = self.conversion
        return tuple(name for name in table.sets() if any(table.types(name, form) for form in _FORMS))


@dataclass(frozen=True)
class Conversion:
    """Volume to carbon for one forest type under one set.

    Attributes
    ----------
    set_id, type_id : str
    slope_t_m3, intercept_t_ha : float
        Biomass (t) = slope x volume (m3) + intercept x area (ha), roots included.
    slope_change_t_m3 : float
        Biomass (t) a m3 of change in standing volume stands for.
    carbon_fraction : float
        t C per t of biomass.
    relative_sd : float
        Standard deviation of the line, as a share; slope and intercept move together.
    carbon_fraction_sd : float
        As a share of the carbon fraction.
    ensemble : bool
        Whether the row is fit to be drawn as an alternative.
    factors : tuple of Factor
        The coefficients behind the numbers.
    """

    set_id: str
    type_id: str
    slope_t_m3: float
    intercept_t_ha: float
    slope_change_t_m3: float
    carbon_fraction: float
    relative_sd: float
    carbon_fraction_sd: float
    ensemble: bool
    factors: tuple[Factor, ...]

    @property
    def provisional(self) -> bool:
        """Whether any coefficient has not been checked against its source."""
        return any(factor.provisional for factor in self.factors)


def load_coefficients(overrides: Mapping[str, str | Path] | None = None) -> Coefficients:
    """The shipped coefficients, with whole tables replaced by the user's own.

    Parameters
    ----------
    overrides : mapping, optional
        Table name (see :data:`sinkest.account.factors.SHIPPED`) to the path of a CSV file.

    Raises
    ------
    InputError
        For a table name that does not exist, or a table that :func:`sinkest.account.factors.load` refuses.
    """
    given = dict(overrides or {})
    for name in given:
        if name not in SHIPPED:
            raise InputError("account.unknown_table", given=name, nearest=nearest(name, SHIPPED))
    tables = {name: load(given[name], name) if name in given else shipped_table(name) for name in SHIPPED}
    return Coefficients(**tables, aliases=_shipped_aliases())


def conversion(
    coefficients: Coefficients, set_id: str, type_id: str, volume_m3_ha: float | None = None
) -> Conversion | None:
    """The conversion of a forest type under a set, or None where the set does not cover the type.

    Parameters
    ----------
    coefficients : Coefficients
    set_id : str
        E.g. ``"LI2016"``.
    type_id : str
        Factor type, e.g. ``"fir"`` or ``"mixed_broadleaf"``.
    volume_m3_ha : float, optional
        Mean growing stock of the type; sets whose factors depend on it need it.

    Raises
    ------
    InputError
        If there is no such set, the set lacks a carbon fraction, or it needs a volume that is not given.
    """
    table = coefficients.conversion
    if set_id not in coefficients.conversion_sets():
        known = coefficients.conversion_sets()
        raise InputError("account.unknown_set", file=table.path, given=set_id, nearest=nearest(set_id, known))
    alias = coefficients.aliases.get((set_id, type_id), Alias(type_id, True, ""))
    row = alias.uses
    form = next((name for name in _FORMS if row in table.types(set_id, name)), None)
    if form is None:
        return None
    if form == "slope":
        slope, change, intercept, line = _linear(table, set_id, row)
    elif form == "wood_density":
        slope, change, intercept, line = _density(table, set_id, row)
    else:
        slope, change, intercept, line = _expansion(table, set_id, row, volume_m3_ha)
    fraction = table.get(set_id, "carbon_fraction", row)
    spread = line[:1] if form == "slope" else line
    return Conversion(
        set_id=set_id,
        type_id=type_id,
        slope_t_m3=slope,
        intercept_t_ha=intercept,
        slope_change_t_m3=change,
        carbon_fraction=fraction.value,
        relative_sd=math.sqrt(sum(_share(factor) ** 2 for factor in spread)),
        carbon_fraction_sd=fraction.relative_sigma,
        ensemble=alias.ensemble,
        factors=(*line, fraction),
    )


def chosen_conversion(
    coefficients: Coefficients, set_id: str, type_id: str, volume_m3_ha: float | None = None
) -> Conversion:
    """As :func:`conversion`, for the set that gives the value.

    Raises
    ------
    InputError
        Also where the set does not cover the type.
    """
    found = conversion(coefficients, set_id, type_id, volume_m3_ha)
    if found is None:
        covered = {name for form in _FORMS for name in coefficients.conversion.types(set_id, form)}
        covered |= {name for (owner, name) in coefficients.aliases if owner == set_id}
        raise InputError(
            "account.missing_types",
            file=coefficients.conversion.path,
            set=set_id,
            parameter="slope",
            types=type_id,
            known=", ".join(sorted(covered)),
        )
    return found


def compare_sets(
    coefficients: Coefficients, volumes_m3_ha: Mapping[str, float], sets: Sequence[str] | None = None
) -> pd.DataFrame:
    """What each conversion set makes of the same volume.

    Parameters
    ----------
    coefficients : Coefficients
    volumes_m3_ha : mapping
        Factor type to its mean growing stock, m3/ha.
    sets : sequence of str, optional
        All sets where not given.

    Returns
    -------
    DataFrame
        A row for each set and type it covers: ``set_id, type_id, volume_m3_ha, slope_t_m3, intercept_t_ha,
        slope_change_t_m3, carbon_fraction, biomass_t_ha, carbon_t_ha, ensemble, provisional``.
    """
    records = []
    for set_id in coefficients.conversion_sets() if sets is None else sets:
        for type_id, volume in volumes_m3_ha.items():
            found = conversion(coefficients, set_id, type_id, volume)
            if found is None:
                continue
            biomass = found.slope_t_m3 * volume + found.intercept_t_ha
            records.append(
                {
                    "set_id": set_id,
                    "type_id": type_id,
                    "volume_m3_ha": volume,
                    "slope_t_m3": found.slope_t_m3,
                    "intercept_t_ha": found.intercept_t_ha,
                    "slope_change_t_m3": found.slope_change_t_m3,
                    "carbon_fraction": found.carbon_fraction,
                    "biomass_t_ha": biomass,
                    "carbon_t_ha": biomass * found.carbon_fraction,
                    "ensemble": found.ensemble,
                    "provisional": found.provisional,
                }
            )
    return pd.DataFrame.from_records(records)


_Line = tuple[float, float, float, tuple[Factor, ...]]


def _linear(table: FactorTable, set_id: str, row: str) -> _Line:
    slope, intercept = table.get(set_id, "slope", row), table.get(set_id, "intercept", row)
    return slope.value, slope.value, intercept.value, (slope, intercept)


def _density(table: FactorTable, set_id: str, row: str) -> _Line:
    density, expansion, root = (table.get(set_id, name, row) for name in ("wood_density", "expansion", "root_ratio"))
    slope = density.value * expansion.value * (1 + root.value)
    return slope, slope, 0.0, (density, expansion, root)


def _expansion(table: FactorTable, set_id: str, row: str, volume_m3_ha: float | None) -> _Line:
    if volume_m3_ha is None:
        raise InputError("account.volume_needed", set=set_id, type=row)
    stock = table.get(set_id, "bcef_stock", row, volume_m3_ha)
    increment = table.get(set_id, "bcef_increment", row, volume_m3_ha)
    root = table.get(set_id, "root_ratio", row, stock.value * volume_m3_ha)
    return (
        stock.value * (1 + root.value),
        increment.value * (1 + root.value),
        0.0,
        (stock, increment, root),
    )


def _share(factor: Factor) -> float:
    """Error of the line from one factor; a root ratio r enters as 1 + r."""
    if factor.parameter == "root_ratio":
        return factor.sigma / (1 + factor.value)
    return factor.relative_sigma


@lru_cache(maxsize=1)
def _shipped_aliases() -> Mapping[tuple[str, str], Alias]:
    path = Path(str(files("sinkest.account").joinpath("factors", "conversion_types.csv")))
    rows = read_csv(path, ("set", "type", "uses", "ensemble", "note"))
    return MappingProxyType(
        {
            (row.cells["set"], row.cells["type"]): Alias(
                row.cells["uses"], row.cells["ensemble"] == "yes", row.cells["note"]
            )
            for row in rows
        }
    )
