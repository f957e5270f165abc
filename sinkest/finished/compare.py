"""Two runs held against each other: two years, or two models, configurations or programs for one year.

Between years a change has an interval (:mod:`sinkest.finished.series`). Two runs of one year share plots, points and
much of their imagery: their difference is shown without an interval, beside the statement whether each lies in the
other's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sinkest.account.definitions import comparable
from sinkest.aoi.record import grid_text, same_grid
from sinkest.errors import InputError
from sinkest.finished.series import QUANTITIES, series
from sinkest.runstore import RunStore, read_json
from sinkest.tidy import CITY, WITHHELD, read_estimates

SCORES = {
    "classification": ("overall",),
    "regression": ("r2", "rmse", "bias"),
}
"""Scores of the held-out cross-validation that are compared, by kind of model."""
_NOISE = 1e-12
"""Values this near, in proportion, differ in the last bits alone."""
COLUMNS = (
    "quantity", "zone", "unit", "first", "first_low", "first_high", "second", "second_low", "second_high",
    "difference", "difference_low", "difference_high", "relative_percent", "judged",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What two runs have in common and where they differ.

    Attributes
    ----------
    years : tuple of int
    figures : DataFrame
        :data:`COLUMNS`. ``judged``: between years ``change`` or ``cannot_tell``; within a year ``inside`` where each
        value lies in the other's interval, ``apart`` where not; ``unlike`` where definitions must not be differenced.
    scores : DataFrame
        ``model``, ``metric``, ``first``, ``second``: cross-validation by blocks or clusters.
    settings : list of (key, first, second)
        Keys of the configurations that differ.
    inputs : list of (name, first, second)
        Input files whose content differs, by their SHA-256; empty where a run has none.
    grids : tuple of str, optional
        Both grids, where they are unlike: part of a difference is then one of pixels.
    """

    years: tuple[int, int]
    figures: pd.DataFrame
    scores: pd.DataFrame
    settings: list[tuple[str, str, str]]
    inputs: list[tuple[str, str, str]]
    grids: tuple[str, str] | None = None


def compare(first: Path, second: Path, *, quantities: Sequence[str] = (), zone: str = CITY) -> Comparison:
    """Compare two finished runs of one area.

    Parameters
    ----------
    first, second : Path
        Folders of finished runs.
    quantities : sequence of str, optional
        Ids of the tidy table; by default the main ones that both runs have.
    zone : str

    Raises
    ------
    RunError
        If a folder holds no finished run.
    InputError
        If the areas differ, or a quantity or zone is unknown to both.
    """
    runs = [_Read(folder) for folder in (first, second)]
    years = (runs[0].year, runs[1].year)
    if years[0] == years[1] and runs[0].zones != runs[1].zones:
        raise InputError("compare.unlike_areas", first=first, second=second)
    known = [name for name in runs[0].quantities if name in runs[1].quantities]
    for name in quantities:
        if name not in known:
            raise InputError("compare.unknown_quantity", given=name, known=", ".join(known[:12]))
    if not all((run.table["zone"] == zone).any() for run in runs):
        raise InputError("series.unknown_zone", given=zone, known=", ".join(sorted(runs[0].zones)))
    wanted = list(quantities) or [name for name in QUANTITIES if name in known]
    rows = [_row(runs, name, zone) for name in wanted]
    return Comparison(
        years=years,
        figures=pd.DataFrame.from_records([row for row in rows if row], columns=list(COLUMNS)),
        scores=_scores(runs),
        settings=_differences(*(_flat(run.settings) for run in runs)),
        inputs=_differences(*(run.inputs for run in runs)),
        grids=None if same_grid(runs[0].grid, runs[1].grid) else (grid_text(runs[0].grid), grid_text(runs[1].grid)),
    )


class _Read:
    """What is needed of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder, store = folder, RunStore(folder)
        manifest = store.manifest()
        if store.seal("estimate") is None:
            raise InputError("series.no_estimate", folder=folder)
        about = read_json(store.folder("estimate") / "run.json")
        self.grid: Mapping[str, Any] = about
        table = read_estimates(store.folder("estimate"))
        self.year = int(about["year"])
        self.zones = {str(line["zone_id"]): round(float(line["area_ha"]), 1) for line in about["zones"]}
        self.table = table[table["year"] == self.year].assign(zone=lambda rows: rows["zone"].astype(str))
        self.quantities = list(dict.fromkeys(self.table["quantity"].astype(str)))
        config = manifest.get("config", {})
        self.settings: Mapping[str, Any] = config.get("settings", config) if isinstance(config, dict) else {}
        self.inputs = {str(item["path"]): str(item["sha256"])[:12] for item in manifest.get("inputs", [])}
        accuracy = store.folder("estimate") / "accuracy.json"
        self.response = str((about["response"] or {}).get("name", ""))
        self.models: Mapping[str, Any] = read_json(accuracy)["models"] if accuracy.is_file() else {}

    def row(self, quantity: str, zone: str) -> dict[str, Any] | None:
        """A number of the run."""
        rows = self.table[(self.table["quantity"] == quantity) & (self.table["zone"] == zone)]
        if rows.empty:
            return None
        found = {str(name): value for name, value in rows.iloc[0].items()}
        return found | dict.fromkeys(("value", "low", "high"), math.nan) if found["status"] == WITHHELD else found


def _row(runs: Sequence[_Read], quantity: str, zone: str) -> dict[str, Any] | None:
    first, second = (run.row(quantity, zone) for run in runs)
    if first is None or second is None:
        return None
    record: dict[str, Any] = {"quantity": quantity, "zone": zone, "unit": first["unit"]}
    for name, found in (("first", first), ("second", second)):
        record |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    if not comparable(str(first["definition_id"] or ""), str(second["definition_id"] or "")):
        return record | {"judged": "unlike"}
    same = math.isclose(float(first["value"]), float(second["value"]), rel_tol=_NOISE)
    difference = 0.0 if same else float(second["value"]) - float(first["value"])
    record["difference"] = difference
    if first["value"] and math.isfinite(difference):
        record["relative_percent"] = 100 * difference / abs(float(first["value"]))
    if runs[0].year != runs[1].year:
        return record | _changed(runs, quantity, zone)
    inside = all(a["low"] <= b["value"] <= a["high"] for a, b in ((first, second), (second, first)))
    bounded = all(math.isfinite(found[end]) for found in (first, second) for end in ("low", "high"))
    return record | {"judged": ("inside" if inside else "apart") if bounded else ""}


def _changed(runs: Sequence[_Read], quantity: str, zone: str) -> dict[str, Any]:
    """The change from the first run to the second, with its interval; backwards where the second is the earlier."""
    line = series([run.folder for run in runs], quantities=[quantity], zone=zone, any_grid=True).iloc[-1]
    sign = 1.0 if runs[0].year < runs[1].year else -1.0
    ends = sorted((sign * float(line["change_low"]), sign * float(line["change_high"])))
    judged = {"yes": "change", "no": "cannot_tell"}.get(str(line["significant"]), "")
    found = {"difference": sign * float(line["change"]), "judged": judged}
    return found | dict(zip(("difference_low", "difference_high"), ends, strict=True))


def _scores(runs: Sequence[_Read]) -> pd.DataFrame:
    rows = []
    response = next((run.response for run in runs if run.response), "")
    for kind, metrics in SCORES.items():
        held = [(run.models.get(kind) or {}).get("held_out", {}).get("scores", {}) for run in runs]
        rows += [
            {
                "model": kind,
                "response": response,
                "metric": name,
                "first": held[0].get(name),
                "second": held[1].get(name),
            }
            for name in metrics
            if any(name in scores for scores in held)
        ]
    return pd.DataFrame(rows, columns=["model", "response", "metric", "first", "second"])


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Nested settings as dotted keys."""
    if isinstance(value, Mapping):
        return {
            k: v for key, item in value.items() for k, v in _flat(item, f"{path}.{key}" if path else str(key)).items()
        }
    return {path: "" if value is None else str(value)}


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    keys = sorted({*first, *second})
    return [(k, first.get(k, ""), second.get(k, "")) for k in keys if first.get(k, "") != second.get(k, "")]
