"""A yearly series over several runs of one area: value by value, with the change since the run before and its sign.

Unlike areas and unlike definitions are refused: their difference would be a change of rules, not of the land.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import norm

from sinkest.account.definitions import comparable
from sinkest.aoi.record import grid_text, same_grid
from sinkest.errors import InputError
from sinkest.runstore import RunStore, read_json
from sinkest.tidy import CITY, WITHHELD, read_estimates

ESTIMATE = "estimate"
QUANTITIES = (
    "forest_coverage",
    "forest_area",
    "tree_cover",
    "growing_stock",
    "growing_stock_per_ha",
    "carbon:total",
    "co2_total",
    "sink",
    "wetland_area:marsh",
    "wetland_burial",
    "wetland_net",
    "small_wetland_sites",
    "small_wetland_area",
)
"""What a series shows where nothing else is asked for."""
COLUMNS = (
    "quantity", "zone", "year", "run", "value", "unit", "se", "low", "high", "definition_id", "status", "simulated",
    "since", "change", "change_se", "change_low", "change_high", "probability_up", "significant", "basis",
)  # fmt: skip
AREA_TOLERANCE = 1e-3


@dataclass(frozen=True)
class _Run:
    """A finished run: what the series needs of it."""

    name: str
    folder: Path
    year: int
    key: str
    previous: str | None
    zones: dict[str, float]
    grid: dict[str, Any]
    estimates: pd.DataFrame


def series(
    runs: Sequence[Path],
    *,
    quantities: Sequence[str] = (),
    zone: str = CITY,
    level: float = 0.95,
    any_grid: bool = False,
) -> pd.DataFrame:
    """Estimates of several runs side by side, by year.

    A change is a year's value less that of the run before it. Growing stock takes the later run's own yearly change
    times the years where that run measured it since this earlier run (plots measured twice, far more exact);
    otherwise the two errors count as independent, which makes an interval too wide rather than too narrow where
    plots, points or coefficients are shared.

    Parameters
    ----------
    runs : sequence of Path
        Folders of finished runs, two or more, in any order.
    quantities : sequence of str, optional
        Ids of the tidy table; by default :data:`QUANTITIES` as far as the runs have them.
    zone : str
    level : float
        Of the intervals of the changes.
    any_grid : bool
        Whether the runs may lie on unlike grids; who asks for that has to say so beside the changes.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`; ``significant`` where the interval of the change leaves out zero, ``basis`` is ``"plots"`` or
        ``"independent"``, empty for a first year.

    Raises
    ------
    RunError
        If a folder holds no finished run.
    InputError
        If there are fewer than two runs, two of one year, unlike areas, grids or definitions, or an unknown
        quantity or zone.
    """
    if len(runs) < 2:
        raise InputError("series.two_runs", given=len(runs))
    found = sorted((_read(folder) for folder in runs), key=lambda run: run.year)
    for first, second in itertools.pairwise(found):
        if first.year == second.year:
            raise InputError("series.same_year", first=first.folder, second=second.folder, year=first.year)
        _same_area(first, second)
        if not (any_grid or same_grid(first.grid, second.grid)):
            grids = {"given": grid_text(first.grid), "expected": grid_text(second.grid)}
            raise InputError("series.unlike_grids", first=first.folder, second=second.folder, **grids)
    known = list(dict.fromkeys(name for run in found for name in run.estimates["quantity"]))
    for name in quantities:
        if name not in known:
            raise InputError("series.unknown_quantity", given=name, known=", ".join(known[:12]))
    if not any((run.estimates["zone"] == zone).any() for run in found):
        raise InputError("series.unknown_zone", given=zone, known=", ".join(sorted(found[0].zones)))
    wanted = list(quantities) or [name for name in QUANTITIES if name in known]
    records = [record for name in wanted for record in _course(found, name, zone, level)]
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))


def _read(folder: Path) -> _Run:
    store = RunStore(folder)
    store.manifest()
    seal = store.seal(ESTIMATE)
    if seal is None:
        raise InputError("series.no_estimate", folder=folder)
    for problem in store.verify():
        if problem.path.startswith(f"{ESTIMATE}/"):
            raise InputError("series.changed", file=folder / problem.path)
    about = read_json(store.folder(ESTIMATE) / "run.json")
    table = read_estimates(store.folder(ESTIMATE))
    zones = {str(line["zone_id"]): float(line["area_ha"]) for line in about["zones"]}
    year = int(about["year"])
    table = table[table["year"] == year].assign(zone=lambda rows: rows["zone"].astype(str))
    previous = seal["parts"].get("previous_run")
    return _Run(str(about["name"]), folder, year, str(seal["key"]), previous, zones, about, table)


def _same_area(first: _Run, second: _Run) -> None:
    unlike = sorted(
        zone
        for zone in {*first.zones, *second.zones}
        if not math.isclose(first.zones.get(zone, 0.0), second.zones.get(zone, 0.0), rel_tol=AREA_TOLERANCE)
    )
    if unlike:
        raise InputError("series.unlike_areas", first=first.folder, second=second.folder, zones=", ".join(unlike))


def _course(runs: Sequence[_Run], quantity: str, zone: str, level: float) -> list[dict[str, Any]]:
    """A quantity's rows, year by year."""
    records: list[dict[str, Any]] = []
    before: tuple[_Run, dict[str, Any]] | None = None
    for run in runs:
        rows = run.estimates[(run.estimates["quantity"] == quantity) & (run.estimates["zone"] == zone)]
        if rows.empty:
            continue
        row = {str(name): value for name, value in rows.iloc[0].items()}
        record = dict.fromkeys(COLUMNS, math.nan) | {
            name: row[name]
            for name in (
                "quantity",
                "zone",
                "year",
                "value",
                "unit",
                "se",
                "low",
                "high",
                "definition_id",
                "status",
                "simulated",
            )
        }
        if row["status"] == WITHHELD:
            record |= dict.fromkeys(("value", "se", "low", "high"), math.nan)
        record |= {"run": run.name, "since": "", "significant": "", "basis": ""}
        if before is not None:
            _same_definition(before, (run, record))
            record |= _change(before, (run, record), level)
        records.append(record)
        before = run, record
    return records


def _same_definition(before: tuple[_Run, dict[str, Any]], after: tuple[_Run, dict[str, Any]]) -> None:
    first, second = (str(record["definition_id"] or "") for _, record in (before, after))
    if not comparable(first, second):
        raise InputError(
            "series.unlike_definitions",
            quantity=after[1]["quantity"],
            first=first or "-",
            second=second or "-",
            first_run=before[0].folder,
            second_run=after[0].folder,
        )


def _change(before: tuple[_Run, dict[str, Any]], after: tuple[_Run, dict[str, Any]], level: float) -> dict[str, Any]:
    """Change since the run before, with its error; NaN where one of the two has no value."""
    (earlier, first), (later, second) = before, after
    out: dict[str, Any] = {"since": str(earlier.year)}
    paired = _measured(earlier, later, str(second["quantity"]), str(second["zone"]))
    if paired is not None:
        change, se, basis = *paired, "plots"
    else:
        change, basis = float(second["value"]) - float(first["value"]), "independent"
        se = math.hypot(float(first["se"]), float(second["se"]))
    out |= {"change": change, "basis": basis if math.isfinite(change) else ""}
    if not (math.isfinite(change) and math.isfinite(se) and se > 0):
        return out
    half = float(norm.ppf(0.5 + level / 2)) * se
    out |= {"change_se": se, "change_low": change - half, "change_high": change + half}
    return out | {"probability_up": float(norm.cdf(change / se)), "significant": "yes" if abs(change) > half else "no"}


def _measured(earlier: _Run, later: _Run, quantity: str, zone: str) -> tuple[float, float] | None:
    """Change of growing stock from plots that both runs measured, where the later run took it since this one."""
    if quantity != "growing_stock" or later.previous is None or later.previous != earlier.key:
        return None
    table = later.estimates
    rows = table[(table["quantity"] == "stock_change") & (table["zone"] == zone) & (table["status"] == "ok")]
    if rows.empty or rows["method"].iloc[0] == "between_runs":
        return None
    years = later.year - earlier.year
    return float(rows["value"].iloc[0]) * years, float(rows["se"].iloc[0]) * years
