"""A finished run for researchers: its maps as Datasets, its zones as GeoDataFrames, its tables with their units.

>>> run = sinkest.open_run("my-city/runs/zhuzhou-2025")  # doctest: +SKIP
>>> run.maps["stock"].attrs["units"]  # doctest: +SKIP
'm3/ha'
>>> run.estimate("growing_stock")  # doctest: +SKIP
>>> run.plot("stock")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import rasterio
import rioxarray
import xarray as xr

from sinkest.errors import InputError, RunError
from sinkest.report.data import ReportData
from sinkest.runstore import RunStore
from sinkest.stages import compose, estimate, mapping, publish, train
from sinkest.tidy import CITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHUNKS = {"x": 1024, "y": 1024}


def open_run(path: str | Path) -> OpenRun:
    """Open a finished run.

    Parameters
    ----------
    path : path
        The run's folder, e.g. ``my-city/runs/zhuzhou-2025``.

    Returns
    -------
    OpenRun
        Nothing of it is read before it is asked for.

    Raises
    ------
    RunError
        If the folder holds no finished run, or its estimates or report are not sealed.
    """
    store = RunStore(Path(path))
    store.manifest()
    for stage in (estimate.NAME, publish.NAME):
        if store.seal(stage) is None:
            raise RunError("run.no_stage", stage=stage, folder=store.root)
    return OpenRun(store)


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A finished run, read piece by piece.

    Attributes
    ----------
    store : RunStore
    """

    store: RunStore

    def __repr__(self) -> str:
        mark = " SIMULATED" if self.data.simulated else ""
        maps = ", ".join(map(str, self.maps.data_vars))
        return f"<run {self.data.name} {self.data.year} {self.data.run_id}{mark}: {maps}>"

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.store.root

    @cached_property
    def data(self) -> ReportData:
        """What the report was made of, without its reduced maps."""
        return publish.report_data(self.store, with_maps=False)

    # -- rasters ------------------------------------------------------------------------------------------------------

    @cached_property
    def maps(self) -> xr.Dataset:
        """All maps on the run's grid, lazy; NaN is no data.

        Class maps carry ``flag_values``, ``flag_meanings`` and ``flag_colours``, the others ``units``. The reference
        system is in ``maps.rio.crs``.
        """
        found = {path.stem: _layer(path) for path in sorted(self.store.folder(mapping.NAME).glob("*.tif"))}
        dataset = xr.Dataset(found)
        dataset.attrs = {
            "run_id": self.data.run_id,
            "year": self.data.year,
            "definition_id": self.data.definition.id,
            "simulated": str(self.data.simulated).lower(),
        }
        return dataset

    @cached_property
    def composite(self) -> xr.Dataset:
        """The composite that the models saw, lazy: one variable a stored layer, in real values.

        Raises
        ------
        RunError
            If the run kept none.
        """
        path = self.store.folder(compose.NAME) / compose.FILE
        if not path.is_file():
            raise RunError("opened.no_composite", folder=self.folder)
        return _bands(path)

    # -- vectors and tables -------------------------------------------------------------------------------------------

    @cached_property
    def counties(self) -> gpd.GeoDataFrame:
        """Zones with the printed figures in base units; ``attrs["units"]`` maps a column to its unit."""
        return self._layer_of("counties")

    @cached_property
    def city(self) -> gpd.GeoDataFrame:
        """The whole with the printed figures, one row."""
        return self._layer_of("city")

    def _layer_of(self, layer: str) -> gpd.GeoDataFrame:
        from sinkest.report.gis import column_of

        frame = gpd.read_file(self.store.folder(publish.NAME) / "counties.gpkg", layer=layer)
        rows = self.data.estimates[["quantity", "unit"]].drop_duplicates("quantity").itertuples(index=False)
        named = {column_of(str(quantity), str(unit)): str(unit) for quantity, unit in rows}
        frame.attrs["units"] = {name: unit for name, unit in named.items() if name in frame} | {"land_area_ha": "ha"}
        return frame

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """The tidy table, unrounded: one row a quantity, zone and year, each with its ``unit``."""
        return self.data.estimates

    @property
    def targets(self) -> pd.DataFrame | None:
        """Targets with probability and verdict; None where the run has none."""
        return self.data.targets

    @cached_property
    def plots(self) -> gpd.GeoDataFrame:
        """Field plots as the run used them, with the prediction of models that had not seen them.

        Raises
        ------
        RunError
            If the run had no plots.
        """
        path = self.store.folder(train.NAME) / "plots.csv"
        if not path.is_file():
            raise RunError("opened.no_plots", folder=self.folder)
        table = pd.read_csv(path, dtype={"zone_id": str}, encoding="utf-8-sig")
        return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["lon"], table["lat"]), crs="EPSG:4326")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that :meth:`table` reads."""
        return tuple(sorted(path.stem for path in self.store.folder(estimate.NAME).glob("*.csv")))

    def table(self, name: str) -> pd.DataFrame:
        """A table of the account by name, e.g. ``"shares"`` or ``"scenarios"``.

        Raises
        ------
        InputError
            If the run has no table of that name.
        """
        if name not in self.tables:
            raise InputError("opened.no_table", given=name, known=", ".join(self.tables), folder=self.folder)
        path = self.store.folder(estimate.NAME) / f"{name}.csv"
        return pd.read_csv(path, dtype={"zone": str}, encoding="utf-8-sig")

    def estimate(self, quantity: str, zone: str = CITY) -> Mapping[str, Any]:
        """One number of the run: value, ``low``, ``high``, ``se``, ``unit``, ``method``, ``status`` and the rest.

        Raises
        ------
        InputError
            If the run has no such number.
        """
        table = self.estimates
        rows = table[(table["quantity"] == quantity) & (table["zone"].astype(str) == zone)]
        rows = rows[rows["year"] == self.data.year]
        if rows.empty:
            known = ", ".join(dict.fromkeys(table["quantity"].astype(str)))
            raise InputError("opened.no_number", quantity=quantity, zone=zone, known=known, folder=self.folder)
        return {str(name): value for name, value in rows.iloc[0].items()}

    # -- pictures -----------------------------------------------------------------------------------------------------

    def plot(self, name: str = "land_cover", ax: Axes | None = None) -> Axes:
        """Draw a map with its own colours, legend and county lines.

        Raises
        ------
        InputError
            If the run has no map of that name.
        """
        from sinkest.finished.plots import draw_map

        if name not in self.maps:
            raise InputError(
                "opened.no_map", given=name, known=", ".join(map(str, self.maps.data_vars)), folder=self.folder
            )
        return draw_map(self, name, ax)

    def plot_counties(self, quantity: str = "growing_stock_per_ha", ax: Axes | None = None) -> Axes:
        """Draw a quantity's estimates of all zones with their intervals.

        Raises
        ------
        InputError
            If the run has no such quantity for zones.
        """
        from sinkest.finished.plots import draw_counties

        return draw_counties(self, quantity, ax)


def _layer(path: Path) -> xr.DataArray:
    """A map of one band: classes keep their numbers, with NaN for no data."""
    array: Any = rioxarray.open_rasterio(path, chunks=CHUNKS, masked=True)
    array = array.squeeze("band", drop=True)
    with rasterio.open(path) as source:
        names = {int(k.removeprefix("CLASS_")): v for k, v in source.tags(1).items() if k.startswith("CLASS_")}
        attrs: dict[str, Any] = {"long_name": source.descriptions[0] or path.stem}
        if source.units[0]:
            attrs["units"] = source.units[0]
        if names:
            colours = source.colormap(1)
            attrs |= {
                "flag_values": sorted(names),
                "flag_meanings": [names[code] for code in sorted(names)],
                "flag_colours": ["#{:02x}{:02x}{:02x}".format(*colours[code][:3]) for code in sorted(names)],
            }
    array.attrs = attrs
    found: xr.DataArray = array
    return found


def _bands(path: Path) -> xr.Dataset:
    """A file of several bands as variables by their names, each by its own scale."""
    dataset: Any = rioxarray.open_rasterio(path, chunks=CHUNKS, band_as_variable=True, mask_and_scale=True)
    with rasterio.open(path) as source:
        facts = list(zip(dataset.data_vars, source.descriptions, source.units, strict=True))
    for variable, name, unit in facts:
        dataset[variable].attrs = {"long_name": name or str(variable), **({"units": unit} if unit else {})}
    found: xr.Dataset = dataset.rename({variable: name or variable for variable, name, _ in facts})
    return found
