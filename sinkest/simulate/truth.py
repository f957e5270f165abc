"""Exact totals of the landscape: what an estimate should have found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from sinkest.aoi import Zones
from sinkest.mapping.zonal import ZoneIndex, class_area, value_by_class
from sinkest.simulate.classes import ARBOR, CODES, FOREST
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import BLOCK

ALL = "all"
_M2_HA = 1e4
_LARGEST_M3_M2 = 1.0
_TREES = (*FOREST, CODES["orchard"], CODES["urban_trees"])
_UNITS = {
    "forest_coverage": "%",
    "tree_cover": "%",
    "growing_stock": "m3",
    "growing_stock_per_ha": "m3/ha",
    "stock_by_type": "m3",
    "stock_change": "m3/yr",
    "stock_remaining": "m3",
    "stock_gained": "m3",
    "stock_lost": "m3",
}
_REMAINING, _GAINED, _LOST = 1, 2, 3


def truth(
    landscape: Landscape, zones: Zones, grid: GeoBox, year: int, previous_year: int | None = None, workers: int = 2
) -> pd.DataFrame:
    """Totals of all pixels of a grid by zone and over all zones (``"all"``), borders shared out by area.

    Parameters
    ----------
    landscape : Landscape
    zones : Zones
    grid : GeoBox
        Covers all zones.
    year : int
    previous_year : int, optional
        Adds the totals of that year and the changes since: ``stock_change`` (m3/yr); ``arbor_remaining``,
        ``arbor_gained`` and ``arbor_lost`` (ha); ``stock_remaining`` (growth on ground that is arbor forest in both
        years, m3), ``stock_gained`` (on new arbor forest) and ``stock_lost`` (on lost arbor forest, negative); likewise
        ``forest_gained`` and ``forest_lost`` (ha).
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    DataFrame
        Columns quantity, zone, year, value, unit; ids as in the table of estimates.
    """
    index = ZoneIndex(zones, grid)
    years = (year,) if previous_year is None else (previous_year, year)
    with ThreadPoolExecutor(workers) as pool:
        sums = list(pool.map(lambda window: _block_sums(landscape, index, window, years), _windows(index)))
    total = {name: np.sum([block[name] for block in sums], axis=0) for name in sums[0]}
    rows: list[tuple[str, str, int, float]] = []
    for position, zone in enumerate((*index.ids, ALL)):
        here = {name: array.sum(axis=0) if zone == ALL else array[position] for name, array in total.items()}
        for one in years:
            rows += [(quantity, zone, one, value) for quantity, value in _state(here, one)]
        if previous_year is not None:
            rows += [(quantity, zone, year, value) for quantity, value in _change(here, previous_year, year)]
    frame = pd.DataFrame(rows, columns=["quantity", "zone", "year", "value"])
    frame["unit"] = [_UNITS.get(quantity.split(":")[0], "ha") for quantity in frame["quantity"]]
    return frame


def _windows(index: ZoneIndex) -> list[Window]:
    height, width = index.grid.shape
    every = [
        Window(column, row, min(BLOCK, width - column), min(BLOCK, height - row))
        for row in range(0, height, BLOCK)
        for column in range(0, width, BLOCK)
    ]
    return [window for window in every if index.touched(window)]


def _block_sums(
    landscape: Landscape, index: ZoneIndex, window: Window, years: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Areas (m2) and stock (m3) of one block by zone and class, and by zone and kind of change."""
    rows, columns = window.toslices()
    grid, zones = index.grid[rows, columns], index.block(window)
    seen = {year: landscape.on(grid, year) for year in years}
    sums = {}
    for year, found in seen.items():
        arbor = np.where(found.land_cover <= max(ARBOR), found.land_cover, 0).astype(np.uint8)
        sums[f"area_{year}"] = class_area(zones, found.land_cover)
        sums[f"stock_{year}"] = value_by_class(zones, _per_m2(found.volume_m3_ha), arbor, largest=_LARGEST_M3_M2)
    if len(years) == 2:
        first, last = (seen[year] for year in years)
        for name, highest in (("arbor", max(ARBOR)), ("forest", max(FOREST))):
            before, after = first.land_cover <= highest, last.land_cover <= highest
            change = (_REMAINING * (before & after) + _GAINED * (~before & after) + _LOST * (before & ~after)).astype(
                np.uint8
            )
            sums[f"{name}_change"] = class_area(zones, change)
            if name == "arbor":
                grown = _per_m2(last.volume_m3_ha) - _per_m2(first.volume_m3_ha)
                sums["growth"] = value_by_class(zones, grown, change, largest=_LARGEST_M3_M2)
    return sums


def _per_m2(volume_m3_ha: np.ndarray) -> np.ndarray:
    return volume_m3_ha.astype(np.float64) / _M2_HA


def _state(here: dict[str, np.ndarray], year: int) -> list[tuple[str, float]]:
    area, stock = here[f"area_{year}"] / _M2_HA, here[f"stock_{year}"]
    forest, arbor = area[list(FOREST)].sum(), area[list(ARBOR)].sum()
    found = [
        ("forest_coverage", 100.0 * forest / area.sum()),
        ("forest_area", forest),
        ("tree_cover", 100.0 * area[list(_TREES)].sum() / area.sum()),
        ("growing_stock", stock.sum()),
        ("growing_stock_per_ha", stock.sum() / arbor if arbor > 0 else np.nan),
        *((f"class_area:{kind}", area[code]) for kind, code in CODES.items()),
        *((f"stock_by_type:{kind}", stock[code]) for kind, code in CODES.items() if code in ARBOR),
    ]
    return [(quantity, float(value)) for quantity, value in found]


def _change(here: dict[str, np.ndarray], first: int, last: int) -> list[tuple[str, float]]:
    arbor, forest, growth = here["arbor_change"] / _M2_HA, here["forest_change"] / _M2_HA, here["growth"]
    found = [
        ("stock_change", (here[f"stock_{last}"].sum() - here[f"stock_{first}"].sum()) / (last - first)),
        ("forest_gained", forest[_GAINED]),
        ("forest_lost", forest[_LOST]),
        ("arbor_remaining", arbor[_REMAINING]),
        ("arbor_gained", arbor[_GAINED]),
        ("arbor_lost", arbor[_LOST]),
        ("stock_remaining", growth[_REMAINING]),
        ("stock_gained", growth[_GAINED]),
        ("stock_lost", growth[_LOST]),
    ]
    return [(quantity, float(value)) for quantity, value in found]
