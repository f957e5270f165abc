"""The rest of the stand: understorey, dead wood, litter and soil as stocks, and the part of the trees below ground.

Densities per hectare are means of plots of another province. They give a stock of the right size and nothing about its
change: without repeated measurements no annual sink is booked for any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sinkest.account.conversion import Coefficients
from sinkest.account.factors import Factor
from sinkest.account.forest import TypeTable
from sinkest.account.inputs import Strata
from sinkest.account.montecarlo import Array

LAYERS = ("understorey", "dead_wood", "litter", "soil")
BAMBOO = "bamboo"


@dataclass(frozen=True)
class LayerTerms:
    """What the stocks beside the trees are computed from.

    Attributes
    ----------
    density : ndarray, (layers, types)
        t C/ha of each layer under each forest type; NaN where the table has none.
    sigma : ndarray, (layers, types)
        Standard deviation of the logarithm of each.
    bamboo, bamboo_sigma : ndarray, (layers,)
        The same under bamboo.
    bamboo_rows : ndarray, (rows of the class table,)
        1 where the row is bamboo.
    root_share, root_share_sd : ndarray, (types,)
        Part of a tree's carbon that is below ground; NaN where no root ratio is known.
    factors : tuple of Factor
    """

    density: Array
    sigma: Array
    bamboo: Array
    bamboo_sigma: Array
    bamboo_rows: Array
    root_share: Array
    root_share_sd: Array
    factors: tuple[Factor, ...]


def layer_terms(
    coefficients: Coefficients, table: TypeTable, stock: Strata, classes: Strata, bamboo_class: str | None
) -> LayerTerms:
    """Densities under the forest types of an account.

    Dead wood is taken for arbor forest only. The share below ground follows the root ratio of IPCC 2019 V4 Table 4.4
    at the type's mean biomass; it splits the trees' carbon, in which roots are contained, and adds nothing to it.
    """
    used: list[Factor] = []
    columns = [_column(coefficients, name, used) for name in table.factor_types]
    is_bamboo = np.where((classes.frame["class"] == bamboo_class).to_numpy(), 1.0, 0.0)
    bamboo = _column(coefficients, BAMBOO, used) if is_bamboo.any() else [(np.nan, 0.0)] * len(LAYERS)
    bamboo[LAYERS.index("dead_wood")] = (np.nan, 0.0)
    shares = [_root_share(coefficients, table, index, used) for index in range(len(table.types))]
    cells = np.array(columns, dtype=np.float64).reshape(len(table.types), len(LAYERS), 2)
    under_bamboo = np.array(bamboo, dtype=np.float64)
    roots = np.array(shares, dtype=np.float64).reshape(len(table.types), 2)
    return LayerTerms(
        density=cells[:, :, 0].T,
        sigma=cells[:, :, 1].T,
        bamboo=under_bamboo[:, 0],
        bamboo_sigma=under_bamboo[:, 1],
        bamboo_rows=is_bamboo,
        root_share=roots[:, 0],
        root_share_sd=roots[:, 1],
        factors=tuple(dict.fromkeys(used)),
    )


def layer_stocks(
    terms: LayerTerms, z: Array, spread: float, type_of_row: NDArray[np.intp], area_ha: Array, bamboo_ha: Array
) -> tuple[list[Array], list[Array]]:
    """Carbon of each layer by row, t C.

    Parameters
    ----------
    terms : LayerTerms
    z : ndarray, (draws, layers)
        Standard normal; one number a layer, so that a mean that is too high is too high for every type.
    spread : float
        1 for draws, whose mean is then the table's density; 0 for the account without errors.
    type_of_row : ndarray of int
        Type of each row of the stock table.
    area_ha : ndarray, (draws, rows of the stock table)
    bamboo_ha : ndarray, (draws, rows of the class table)
        Area of bamboo, zero in other rows.

    Returns
    -------
    arbor, bamboo : lists of ndarray
        For each layer (draws, rows); a type without a density counts as nothing.
    """
    arbor, bamboo = [], []
    for index in range(len(LAYERS)):
        sigma = terms.sigma[index][type_of_row]
        density = np.nan_to_num(terms.density[index])[type_of_row] * _lognormal(z[:, [index]], sigma, spread)
        arbor.append(area_ha * density)
        mean = float(np.nan_to_num(terms.bamboo[index]))
        bamboo.append(bamboo_ha * (mean * _lognormal(z[:, [index]], terms.bamboo_sigma[[index]], spread)))
    return arbor, bamboo


def _lognormal(z: Array, sigma: Array, spread: float) -> Array:
    """Multipliers: with mean 1 over draws, and 1 without errors."""
    return np.exp(sigma * z - spread * sigma * sigma / 2)


def _column(coefficients: Coefficients, type_id: str, used: list[Factor]) -> list[tuple[float, float]]:
    """Density and log-sigma of each layer under a type."""
    cells = []
    for layer in LAYERS:
        factor = coefficients.layers.find("layers", layer, type_id)
        if factor is None:
            cells.append((np.nan, 0.0))
            continue
        used.append(factor)
        cells.append((factor.value, float(np.sqrt(np.log1p(factor.relative_sigma**2)))))
    return cells


def _root_share(coefficients: Coefficients, table: TypeTable, index: int, used: list[Factor]) -> tuple[float, float]:
    """R / (1 + R) and its standard deviation, sd(R) / (1 + R)^2."""
    alias = coefficients.aliases.get(("IPCC", table.factor_types[index]))
    row = alias.uses if alias is not None else "hardwoods"
    total = table.slope[0, index] * table.volume_m3_ha[index] + table.intercept[0, index]
    # the ratio's level is biomass above ground, which the ratio itself gives: two steps settle it
    ratio = coefficients.conversion.find("IPCC", "root_ratio", row, total)
    if ratio is not None:
        ratio = coefficients.conversion.find("IPCC", "root_ratio", row, total / (1 + ratio.value))
    if ratio is None:
        return np.nan, 0.0
    used.append(ratio)
    return ratio.value / (1 + ratio.value), ratio.sigma / (1 + ratio.value) ** 2
