"""Change since an earlier run: from plots measured in both if that is all of them, else between the estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sinkest.account.definitions import comparable
from sinkest.account.sink import difference
from sinkest.aoi.record import grid_record, grid_text, same_grid
from sinkest.errors import InputError
from sinkest.estimate.change import independent
from sinkest.estimate.result import Estimate
from sinkest.runstore import RunStore, read_json
from sinkest.stages import train
from sinkest.stages.context import Run
from sinkest.stages.inference import Frame
from sinkest.tidy import read_estimates

ESTIMATE = "estimate"
ABOUT = "run.json"
MAX_SHIFT_M = 100.0
"""A plot of one id that lies farther from where it was is another plot."""
STOCK, TYPE_STOCK, CLASS_AREA, FOREST_AREA = "growing_stock", "stock_by_type:", "class_area:", "forest_area"


@dataclass(frozen=True)
class Earlier:
    """An earlier run of the same area.

    Attributes
    ----------
    folder : Path
    year : int
    simulated : bool
    estimates : DataFrame
        Its tidy table.
    plots : DataFrame
        Its plots, indexed by ``plot_id``: ``date``, ``volume_m3_ha``, ``x_m``, ``y_m`` on this run's grid. Empty if it
        had none.
    """

    folder: Path
    year: int
    simulated: bool
    estimates: pd.DataFrame
    plots: pd.DataFrame

    def table(self, prefix: str, name: str) -> pd.DataFrame:
        """Rows of a family of quantities, with what follows the prefix in the column ``name``."""
        rows = self.estimates[self.estimates["quantity"].str.startswith(prefix)]
        return rows.assign(**{name: rows["quantity"].str.removeprefix(prefix)})

    @property
    def forest_definition(self) -> str | None:
        """Rule that its forest area stands under; None where no ground was looked at, so that it states none."""
        found = self.estimates.loc[self.estimates["quantity"] == FOREST_AREA, "definition_id"]
        return str(found.iloc[0]) if len(found) else None


def read_earlier(run: Run) -> Earlier | None:
    """The run that ``account.previous_run`` names; None if it names none.

    Raises
    ------
    InputError
        If the folder holds no finished run, was changed since, is of no earlier year, of another area, or on another
        grid.
    """
    value = run.spec.account.previous_run
    if value is None:
        return None
    folder = run.config.file(value)
    store = RunStore(folder)
    if store.seal(ESTIMATE) is None:
        raise InputError("stages.previous_missing", folder=folder)
    for problem in store.verify():
        raise InputError("stages.previous_changed", file=folder / problem.path)
    about = read_json(store.folder(ESTIMATE) / ABOUT)
    if about["year"] >= run.spec.year:
        raise InputError("stages.previous_year", folder=folder, given=about["year"], year=run.spec.year)
    area = {line["zone_id"]: float(line["area_ha"]) for line in about["zones"]}
    here = dict(zip(run.zones.ids, (run.zones.frame["area_m2"] / 1e4).tolist(), strict=True))
    unlike = sorted(
        {*area, *here} - {zone for zone in area if zone in here and math.isclose(area[zone], here[zone], rel_tol=1e-3)}
    )
    if unlike:
        raise InputError("stages.previous_zones", folder=folder, zones=", ".join(unlike))
    grid = grid_record(run.grid)
    if not same_grid(about, grid):
        raise InputError(
            "stages.previous_grid",
            folder=folder,
            before=about["year"],
            given=grid_text(about),
            name=run.spec.name,
            year=run.spec.year,
            expected=grid_text(grid),
        )
    path = store.folder(train.NAME) / train.PLOTS
    plots = pd.read_csv(path, dtype={"plot_id": str}) if path.is_file() else pd.DataFrame({"plot_id": []})
    return Earlier(
        folder,
        int(about["year"]),
        bool(about["simulated"]),
        read_estimates(store.folder(ESTIMATE)),
        plots.set_index("plot_id"),
    )


def key(run: Run) -> str | None:
    """What the change depends on: the seal of the earlier run's estimates."""
    value = run.spec.account.previous_run
    seal = None if value is None else RunStore(run.config.file(value)).seal(ESTIMATE)
    return None if seal is None else str(seal["key"])


def measured_before(earlier: Earlier, plots: pd.DataFrame) -> pd.DataFrame | None:
    """Plots with what the earlier run measured on them; None unless it measured every one.

    Raises
    ------
    InputError
        If a plot of the same id lies elsewhere, or was measured no earlier.
    """
    before = earlier.plots.reindex(plots["plot_id"])
    if before.empty or "volume_m3_ha" not in before or before["volume_m3_ha"].isna().any():
        return None
    east, north = (plots[axis].to_numpy(dtype=float) - before[axis].to_numpy(dtype=float) for axis in ("x_m", "y_m"))
    shift = np.hypot(east, north)
    farthest = int(shift.argmax())
    if not shift[farthest] <= MAX_SHIFT_M:
        raise InputError(
            "stages.previous_moved",
            folder=earlier.folder,
            plot=before.index[farthest],
            given=f"{shift[farthest]:.0f}",
            limit=f"{MAX_SHIFT_M:g}",
        )
    known = plots.assign(
        previous_date=before["date"].to_numpy(), previous_volume_m3_ha=before["volume_m3_ha"].to_numpy(dtype=float)
    )
    late = (pd.to_datetime(known["previous_date"]) >= pd.to_datetime(known["date"])).to_numpy()
    if late.any():
        raise InputError("stages.previous_later", folder=earlier.folder, plot=known["plot_id"].iloc[int(late.argmax())])
    return known


def shared_plots(earlier: Earlier, plots: pd.DataFrame) -> int:
    """Number of plots that both runs have."""
    return int(plots["plot_id"].isin(earlier.plots.index).sum())


def change_rows(
    frame: Frame, earlier: Earlier, now: Sequence[Mapping[str, Any]], quantity: str, name: str, unit: str
) -> list[dict[str, Any]]:
    """Yearly change of a quantity between two runs, for every zone both have a figure for.

    The two estimates count as independent. Where their samples share units the errors partly cancel, so that the
    interval is too wide rather than too narrow.
    """
    first = earlier.estimates.query("quantity == @quantity").set_index("zone")
    rows = []
    for after in (row for row in now if row["quantity"] == quantity):
        zone = after["zone"]
        if zone not in first.index or not comparable(first["definition_id"].to_dict()[zone], after["definition_id"]):
            continue
        before = first.loc[zone]
        if not all(math.isfinite(one[field]) for one in (before, after) for field in ("value", "se")):
            continue
        one, two = (
            Estimate(estimate=float(row["value"]), variance=float(row["se"]) ** 2, n=int(row["n"]), method="run")
            for row in (before, after)
        )
        change = independent(one, two, years=frame.year - earlier.year).per_year()
        low, high = change.interval(frame.level)
        status = "ok" if {before["status"], after["status"]} == {"ok"} else "insufficient"
        more = {"method": "between_runs", "n": one.n + two.n, "status": status}
        rows.append(
            frame.row(
                name,
                zone,
                unit,
                change.estimate,
                change.se,
                low,
                high,
                **more,
                definition_id=after["definition_id"],
                note="stages.between_runs",
            )
        )
    return rows


def change_by_type(
    frame: Frame, earlier: Earlier, stock: pd.DataFrame, areas: pd.DataFrame, definition_id: str
) -> pd.DataFrame | None:
    """Yearly change of stock by zone and type between two runs, ready for the account.

    None where the earlier run states no area of forest: its stock by type then has no areas to go with.

    Parameters
    ----------
    frame : Frame
    earlier : Earlier
    stock : DataFrame
        ``zone, type, stock_m3, se`` of this run.
    areas : DataFrame
        ``zone, class, area_ha`` of this run.
    definition_id : str
        Of this run's forest.
    """
    definition_before = earlier.forest_definition
    if definition_before is None:
        return None
    name = {"value": "stock_m3", "se": "se"}
    before = earlier.table(TYPE_STOCK, "type").rename(columns=name)[["zone", "type", *name.values()]]
    area = earlier.table(CLASS_AREA, "type").rename(columns={"value": "area_ha"})[["zone", "type", "area_ha"]]
    now = areas.rename(columns={"class": "type"})[["zone", "type", "area_ha"]]
    return difference(
        before.merge(area, on=["zone", "type"]),
        stock[["zone", "type", "stock_m3", "se"]].merge(now, on=["zone", "type"]),
        frame.year - earlier.year,
        definition_before=definition_before,
        definition_after=definition_id,
    )
