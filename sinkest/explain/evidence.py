"""What a finished run folder holds, read for explaining its numbers; a file that changed since is refused."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sinkest.errors import RunError
from sinkest.report.data import CITY, ReportData
from sinkest.runstore import RunStore, file_sha256, read_json
from sinkest.stages import estimate, mapping, train
from sinkest.stages.publish import report_data
from sinkest.tidy import read_estimates


class Evidence:
    """A finished run, file by file.

    Parameters
    ----------
    run : Path
        The run's folder.

    Raises
    ------
    RunError
        If the folder holds no finished run, or a file is not what the run wrote.
    """

    def __init__(self, run: Path) -> None:
        self.store = RunStore(run)
        self.store.manifest()
        self.read: dict[str, str] = {}
        self._tables: dict[str, pd.DataFrame | None] = {}
        self._texts: dict[str, dict[str, Any]] = {}
        self.table("estimates", "parquet")
        self.json("run")
        self.json("accuracy")

    @cached_property
    def data(self) -> ReportData:
        """What the report reads, without the maps."""
        return report_data(self.store, with_maps=False)

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """The tidy table of the run's year."""
        table = self.data.estimates
        return table[table["year"] == self.data.year].assign(zone=lambda rows: rows["zone"].astype(str))

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What the estimates were sealed with: settings, and hashes of the files they rest on."""
        seal = self.store.seal(estimate.NAME)
        if seal is None:
            raise RunError("run.no_stage", stage=estimate.NAME, folder=self.store.root)
        return dict(seal["parts"])

    def sealed(self, stage: str) -> dict[str, Any]:
        """The parts another stage was sealed with; empty where the run has not that stage."""
        seal = self.store.seal(stage)
        return dict(seal["parts"]) if seal else {}

    def table(self, name: str, kind: str = "csv") -> pd.DataFrame | None:
        """A table of the estimates, or None where the run has none of that name."""
        file = f"{name}.{kind}"
        if file not in self._tables:
            self._tables[file] = self._read_table(self._checked(estimate.NAME, file))
        return self._tables[file]

    def _read_table(self, path: Path | None) -> pd.DataFrame | None:
        if path is None:
            return None
        if path.suffix == ".parquet":
            return read_estimates(path.parent)
        return pd.read_csv(path, dtype={"zone": str, "code": str}, encoding="utf-8-sig")

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the estimates."""
        if name not in self._texts:
            path = self._checked(estimate.NAME, f"{name}.json")
            self._texts[name] = {} if path is None else dict(read_json(path))
        return self._texts[name]

    @cached_property
    def _sums(self) -> dict[str, pd.DataFrame]:
        path = self._checked(mapping.NAME, mapping.SUMS)
        return {} if path is None else mapping.read_sums(path.parent)

    @cached_property
    def _plots(self) -> pd.DataFrame | None:
        path = self._checked(train.NAME, train.PLOTS)
        return None if path is None else pd.read_csv(path, dtype={"plot_id": str, "zone_id": str})

    def sums(self) -> dict[str, pd.DataFrame]:
        """Sums over the maps' pixels by measure, zones x classes."""
        return self._sums

    def plots(self) -> pd.DataFrame | None:
        """The plots with their held-out predictions."""
        return self._plots

    def value(self, quantity: str, zone: str) -> float:
        """An estimate of the run, NaN where it has none."""
        rows = self.estimates[(self.estimates["quantity"] == quantity) & (self.estimates["zone"] == zone)]
        return float(rows["value"].iloc[0]) if len(rows) else float("nan")

    def area_ha(self, zone: str) -> float:
        """True area of a zone or of the whole."""
        zones = self.data.zones
        here = zones if zone == CITY else zones[zones["zone_id"].astype(str) == zone]
        return float(here["area_ha"].sum())

    def _checked(self, stage: str, name: str) -> Path | None:
        """A file of a stage, if it is there and what the run wrote."""
        seal = self.store.seal(stage)
        path = self.store.folder(stage) / name
        if seal is None or name not in seal["outputs"]:
            return None
        digest = file_sha256(path) if path.is_file() else ""
        if digest != seal["outputs"][name]:
            raise RunError("explain.changed", file=path)
        self.read[f"{stage}/{name}"] = digest
        return path
