"""Forest pools: growing stock to biomass to carbon to CO2, and bamboo, oil tea and shrub by area.

Growing stock (m3), biomass (t), carbon (t C) and CO2 (t CO2) never share a variable. Roots are in the biomass of the
linear sets; nothing is added for them a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sinkest.account.conversion import Coefficients, Conversion, chosen_conversion, conversion
from sinkest.account.factors import Factor
from sinkest.account.inputs import Strata
from sinkest.account.montecarlo import Array
from sinkest.errors import InputError
from sinkest.tidy import CITY

CO2_PER_C = 44.0 / 12.0
MIN_VOLUME_M3_HA = 20.0
POOLS = ("bamboo", "oil_tea", "shrub")


@dataclass(frozen=True)
class TypeTable:
    """Conversion of each forest type under each set of the ensemble, the chosen set first.

    Arrays have the shape (sets, types); ``provisional`` says of each set whether it rests on an unchecked coefficient.
    Where ``stand_in`` is true the set does not cover the type, or its row is unfit
    for it; the chosen set's numbers stand there, to be multiplied by a draw of the general spread between sets.
    """

    types: tuple[str, ...]
    factor_types: tuple[str, ...]
    volume_m3_ha: Array
    sets: tuple[str, ...]
    weights: Array
    slope: Array
    intercept: Array
    slope_change: Array
    carbon_fraction: Array
    relative_sd: Array
    carbon_fraction_sd: Array
    stand_in: NDArray[np.bool_]
    stand_in_cv: float
    allometry_cv: float
    provisional: tuple[bool, ...]
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class TypeDraws:
    """Drawn conversion of each forest type, arrays of shape (draws, types)."""

    slope: Array
    intercept: Array
    slope_change: Array
    carbon_fraction: Array


def type_volumes(stock: Strata, types: Sequence[str]) -> Array:
    """Mean growing stock (m3/ha) of each type over the whole, which fixes volume-dependent factors for all zones."""
    frame = stock.frame
    volumes = []
    for name in types:
        rows = (frame["type"] == name).to_numpy()
        rows = rows & (stock.city if (rows & stock.city).any() else ~stock.city)
        area = frame["area_ha"].to_numpy()[rows].sum()
        volumes.append(max(frame["stock_m3"].to_numpy()[rows].sum() / area, 0.0) if area > 0 else 0.0)
    return np.array(volumes, dtype=np.float64)


def type_table(
    coefficients: Coefficients,
    types: Sequence[str],
    volume_m3_ha: Array,
    *,
    type_map: Mapping[str, str],
    conversion_set: str,
    ensemble: Mapping[str, float],
) -> TypeTable:
    """Conversion of forest types under the chosen set and its alternatives.

    Parameters
    ----------
    coefficients : Coefficients
    types : sequence of str
        Types of the stock table, e.g. the ids of land-cover classes.
    volume_m3_ha : ndarray, (types,)
        Mean growing stock of each.
    type_map : mapping
        Type to factor type; a type without an entry is looked up by its own name.
    conversion_set : str
        The set that gives the values.
    ensemble : mapping
        Set to its weight in the draws; the chosen set must be among them.

    Raises
    ------
    InputError
        If a set is unknown, the chosen set does not cover a type, or the chosen set has no weight.
    """
    if not ensemble.get(conversion_set, 0) > 0:
        raise InputError("account.ensemble_without_chosen", set=conversion_set, ensemble=", ".join(ensemble))
    sets = (conversion_set, *(name for name in sorted(ensemble) if name != conversion_set and ensemble[name] > 0))
    factor_types = tuple(type_map.get(name, name) for name in types)
    pairs = list(zip(factor_types, volume_m3_ha.tolist(), strict=True))
    chosen = [chosen_conversion(coefficients, conversion_set, name, volume) for name, volume in pairs]
    cells, stand_in = _alternatives(coefficients, sets, pairs, chosen)
    used = [factor for line in cells for cell in line for factor in cell.factors]
    spread = coefficients.conversion.get("ensemble", "relative_sd", "any") if stand_in.any() else None
    allometry = coefficients.conversion.find("ensemble", "allometry_sd", "any")
    general = [factor for factor in (spread, allometry) if factor is not None]
    weights = np.array([ensemble[name] for name in sets], dtype=np.float64)

    def matrix(attribute: str) -> Array:
        return np.array([[getattr(cell, attribute) for cell in line] for line in cells]).reshape(stand_in.shape)

    return TypeTable(
        types=tuple(types),
        factor_types=factor_types,
        volume_m3_ha=volume_m3_ha,
        sets=sets,
        weights=weights / weights.sum(),
        slope=matrix("slope_t_m3"),
        intercept=matrix("intercept_t_ha"),
        slope_change=matrix("slope_change_t_m3"),
        carbon_fraction=matrix("carbon_fraction"),
        relative_sd=matrix("relative_sd"),
        carbon_fraction_sd=matrix("carbon_fraction_sd"),
        stand_in=stand_in,
        stand_in_cv=0.0 if spread is None else spread.value,
        allometry_cv=0.0 if allometry is None else allometry.value,
        provisional=tuple(any(cell.provisional for cell in line) for line in cells),
        factors=tuple(dict.fromkeys([*used, *general])),
    )


def _alternatives(
    coefficients: Coefficients, sets: Sequence[str], types: Sequence[tuple[str, float]], chosen: Sequence[Conversion]
) -> tuple[list[list[Conversion]], NDArray[np.bool_]]:
    """Conversions by set and type, and where the chosen set stands in for a missing or unfit row."""
    stand_in = np.zeros((len(sets), len(types)), dtype=bool)
    cells = [list(chosen)]
    for row, set_id in enumerate(sets[1:], start=1):
        line = []
        for column, (name, volume) in enumerate(types):
            found = conversion(coefficients, set_id, name, volume)
            if found is None or not found.ensemble:
                stand_in[row, column] = True
                found = chosen[column]
            line.append(found)
        cells.append(line)
    return cells, stand_in


def type_draws(
    table: TypeTable, set_index: NDArray[np.intp], spread: Array, line_z: Array, cf_z: Array, allometry: Array
) -> TypeDraws:
    """Conversion of each type in each realisation.

    Parameters
    ----------
    table : TypeTable
    set_index : ndarray of int, (draws,)
        Set of each realisation; 0 is the chosen one.
    spread : ndarray, (draws, types)
        Multipliers with mean 1, used where the drawn set does not cover a type.
    line_z : ndarray, (draws, types)
        Standard normal error of each type's line; slope and intercept move together.
    cf_z : ndarray, (draws,)
        Standard normal error of the carbon fraction, common to all types.
    allometry : ndarray, (draws,)
        Multipliers with mean 1, common to all types: the single-tree models behind the lines err the same way.
    """
    scale = 1 + table.relative_sd[set_index] * line_z
    scale *= np.where(table.stand_in[set_index], spread, 1.0) * allometry[:, None]
    fraction = table.carbon_fraction[set_index] * (1 + table.carbon_fraction_sd[set_index] * cf_z[:, None])
    return TypeDraws(
        slope=table.slope[set_index] * scale,
        intercept=table.intercept[set_index] * scale,
        slope_change=table.slope_change[set_index] * scale,
        carbon_fraction=fraction,
    )


def with_intercept(stock_m3: Array, area_ha: Array, least_m3_ha: float = MIN_VOLUME_M3_HA) -> NDArray[np.bool_]:
    """Whether the intercept of a linear set may be used for each stratum.

    At low volume the intercept is an artefact: it would leave ten tonnes of carbon on a felled hectare. Strata whose
    mean volume lies below ``least_m3_ha`` are converted by the slope alone.
    """
    return (area_ha > 0) & (stock_m3 >= least_m3_ha * area_ha)


def arbor_biomass_t(
    stock_m3: Array, area_ha: Array, slope_t_m3: Array, intercept_t_ha: Array, intercept_used: NDArray[np.bool_]
) -> Array:
    """Biomass of arbor forest, t: slope x stock, and intercept x area where it may be used. Arguments broadcast."""
    return slope_t_m3 * stock_m3 + np.where(intercept_used, intercept_t_ha, 0.0) * area_ha


def carbon_t(biomass_t: Array, carbon_fraction: Array) -> Array:
    """Carbon, t C."""
    return biomass_t * carbon_fraction


@overload
def co2_t(carbon: float) -> float: ...
@overload
def co2_t(carbon: Array) -> Array: ...
def co2_t(carbon: float | Array) -> float | Array:
    """CO2 a quantity of carbon (t C) stands for, t CO2: times 44/12."""
    return carbon * CO2_PER_C


@dataclass(frozen=True)
class AreaPool:
    """A pool reckoned by area or by culms: bamboo, oil tea, shrub.

    ``carbon_per_unit`` is in t C per ``unit`` (ha or culm) and ``biomass_per_unit`` in t per the same; ``cv`` is the
    coefficient of variation of the density.
    """

    name: str
    unit: str
    carbon_per_unit: float
    biomass_per_unit: float
    cv: float
    factors: tuple[Factor, ...]

    @property
    def provisional(self) -> bool:
        """Whether any coefficient has not been checked against its source."""
        return any(factor.provisional for factor in self.factors)


def area_pool(coefficients: Coefficients, name: str, by_culms: bool = False) -> AreaPool:
    """Density of a pool without growing stock.

    Parameters
    ----------
    coefficients : Coefficients
    name : str
        ``"bamboo"``, ``"oil_tea"`` or ``"shrub"``.
    by_culms : bool
        For bamboo: by the number of culms (株数) and their mean biomass, in place of the area and a carbon density.

    Raises
    ------
    InputError
        If the table lacks the pool's density or its carbon fraction.
    """
    table = coefficients.pools
    fraction = table.get("pools", "carbon_fraction", name)
    if by_culms:
        culm = table.get("pools", "culm_biomass", name)
        biomass = culm.value / 1000
        return AreaPool(name, "culm", biomass * fraction.value, biomass, culm.relative_sigma, (culm, fraction))
    density = table.find("pools", "carbon_density", name)
    if density is not None:
        return AreaPool(
            name, "ha", density.value, density.value / fraction.value, density.relative_sigma, (density, fraction)
        )
    density = table.get("pools", "biomass_density", name)
    cv = float(np.hypot(density.relative_sigma, fraction.relative_sigma))
    return AreaPool(name, "ha", density.value * fraction.value, density.value, cv, (density, fraction))


def composition(stock: Strata, types: Sequence[str], zone: str) -> Array:
    """Share of each type in a zone's growing stock; the city's where the zone has none."""
    frame = stock.frame
    for rows in (
        (frame["zone"] == zone).to_numpy(),
        stock.city if zone != CITY else ~stock.city,
        np.ones(len(frame), dtype=bool),
    ):
        volumes = np.array([frame.loc[rows & (frame["type"] == name).to_numpy(), "stock_m3"].sum() for name in types])
        volumes = volumes.clip(min=0)
        if volumes.sum() > 0:
            return volumes / volumes.sum()
    raise InputError("account.no_composition", zone=zone)
