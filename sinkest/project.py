"""A project folder to start from: the commented configuration and empty, documented field tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sinkest.learn.fields import SCHEMAS, template_frame, template_rows
from sinkest.messages import text
from sinkest.runstore import make_folder, write_bytes
from sinkest.shipped import shipped

TABLES = ("plots", "reference", "strata", "wetland_sites")
CONFIG_NAME = "config.toml"


def write_project(folder: Path) -> list[Path]:
    """Write a project folder; files that exist stay as they are.

    Parameters
    ----------
    folder : Path
        Created where it is missing.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    RunError
        If the folder or a file cannot be written.
    """
    make_folder(folder)
    contents = {CONFIG_NAME: shipped("configs/zhuzhou-2025.toml").read_bytes()}
    contents |= {f"{name}.csv": _table(name) for name in TABLES}
    contents["README.txt"] = "\n\n".join(text("core.project_readme", language) for language in ("zh", "en")).encode()
    written = []
    for name, content in contents.items():
        path = folder / name
        if not path.exists():
            write_bytes(path, content)
            written.append(path)
    labels = folder / "labels.gpkg"
    if not labels.exists():
        template = io.BytesIO()
        template_frame(SCHEMAS["labels"]).to_file(template, driver="GPKG", layer="labels", geometry_type="Polygon")
        write_bytes(labels, template.getvalue())
        written.append(labels)
    return written


def _table(name: str) -> bytes:
    """An empty table with its explanations; the byte order mark makes spreadsheets show the Chinese."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(template_rows(SCHEMAS[name]))
    return buffer.getvalue().encode("utf-8-sig")
