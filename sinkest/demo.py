"""The embedded default: a project folder for the virtual Zhuzhou, with simulated field tables."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd

from sinkest.config import load_config
from sinkest.errors import RunError
from sinkest.runstore import canonical_json, code_version, content_key, make_folder, write_bytes
from sinkest.shipped import shipped
from sinkest.stages.context import make_landscape, place

MARK = ".simulated.json"
RESOLUTION_LINE = "resolution_m = 200"


def prepare(folder: Path, resolution_m: float | None = None) -> Path:
    """Write the configuration and the simulated field tables of the demo, unless they lie there already.

    Parameters
    ----------
    folder : Path
        The project folder; created where it is missing.
    resolution_m : float, optional
        Pixel size; the configuration's own unless told.

    Returns
    -------
    Path
        The configuration.

    Raises
    ------
    RunError
        If the folder holds a configuration that this command did not write.
    """
    template = shipped("configs/demo.toml").read_text(encoding="utf-8")
    if resolution_m is not None:
        template = template.replace(RESOLUTION_LINE, f"resolution_m = {resolution_m:g}", 1)
    path = folder / "config.toml"
    mark = canonical_json({"key": content_key({"config": template, "code": code_version()})})
    if path.is_file() and (folder / MARK).is_file() and (folder / MARK).read_bytes() == mark:
        return path
    if path.is_file() and not path.read_bytes().startswith(template.splitlines()[0].encode()):
        raise RunError("run.not_a_demo", folder=folder)
    make_folder(folder)
    write_bytes(path, template.encode())
    config = load_config(path)
    zones, grid = place(config)
    from sinkest.simulate.fieldwork import project_tables

    tables = project_tables(
        make_landscape(config), zones, grid, config.spec.seed, year=config.spec.year, previous_year=config.spec.year - 5
    )
    for name, table in tables.items():
        _write_table(folder, name, table)
    write_bytes(folder / MARK, mark)
    return path


def _write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Points as CSV with lon and lat, polygons as GeoJSON; both are the same bytes for the same table."""
    if isinstance(table, gpd.GeoDataFrame) and "lon" not in table:
        write_bytes(folder / f"{name}.geojson", table.to_json(drop_id=True, ensure_ascii=False).encode())
        return
    plain = pd.DataFrame(table.drop(columns="geometry", errors="ignore"))
    write_bytes(folder / f"{name}.csv", plain.to_csv(index=False).encode("utf-8-sig"))
