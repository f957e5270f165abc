"""Vector files that are more than data: what would make GDAL open other files, ask a service, or run SQL of a stranger.

GDAL tells formats by their content, so that a ``.geojson`` may hold a description of where else to look. SQL that a
GeoPackage carries in triggers runs on writing only, and nothing here writes; that of views and computed columns runs on
reading.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sinkest.errors import InputError

HEAD_BYTES = 65_536
"""More than GDAL looks at to tell a format."""
_DIRECTIONS = re.compile(rb"<OGR\w*DataSource|gdal_streamed_alg")
"""Virtual layers, services, and pipelines of GDAL."""
_SQLITE = b"SQLite format 3\0"
_INDEX = re.compile(r"CREATE\s+VIRTUAL\s+TABLE\s.{1,400}\sUSING\s+\"?(rtree|fts[345])\b", re.IGNORECASE | re.DOTALL)
_SCHEMA = "SELECT type, name, substr(sql, 1, 600) FROM sqlite_master WHERE type IN ('table', 'view') LIMIT 100000"


def refuse_programs(file: Path) -> bool:
    """Look into a file before GDAL opens it; whether it is a database.

    Raises
    ------
    InputError
        If it leads elsewhere, or its layers are views, virtual tables or have computed columns.
    """
    with file.open("rb") as plain:
        head = plain.read(HEAD_BYTES)
    if refuse_directions(file, head):
        _refuse_sql(file)
        return True
    return False


def refuse_directions(file: Path, head: bytes) -> bool:
    """The same of the first bytes of a file; whether they are those of a database."""
    if _DIRECTIONS.search(head):
        raise InputError("aoi.directions", file=file)
    return head.startswith(_SQLITE)


def _refuse_sql(file: Path) -> None:
    # where nothing waits to be written, no lock and no file beside it is needed either
    more = "" if Path(f"{file}-wal").exists() else "&immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro{more}", uri=True)) as held:
            held.text_factory = lambda raw: raw.decode("utf-8", "replace")
            names = _computed(held)
    except sqlite3.Error as error:
        raise InputError("aoi.unreadable", file=file, reason=str(error).splitlines()[0][:200]) from error
    if names:
        raise InputError("aoi.computed_layer", file=file, layers=", ".join(names[:5]))


def _computed(held: sqlite3.Connection) -> list[str]:
    """Layers whose content SQL would make, and tables of the format itself that are none."""
    schema = held.execute(_SCHEMA).fetchall()
    plain = {name.lower() for kind, name, _ in schema if kind == "table"}
    package = "gpkg_contents" in {name.lower() for _, name, _ in schema}
    odd = [name for name in sorted(plain) if name.startswith("gpkg_") and _has_computed(held, name)]
    if odd:
        return odd
    listed: set[str] = set()
    if "gpkg_contents" in plain:
        listed = {str(name).lower() for (name,) in held.execute("SELECT table_name FROM gpkg_contents")}
    found = [name for kind, name, _ in schema if kind == "view" and _is_read(name.lower(), package, listed)]
    found += [name for _, name, sql in schema if _is_virtual(sql) and not _INDEX.match(sql)]
    return found + [layer for layer in sorted(listed & plain) if _has_computed(held, layer)]


def _has_computed(held: sqlite3.Connection, table: str) -> bool:
    """Whether a table has generated columns."""
    columns = held.execute("SELECT hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    return any(hidden in (2, 3) for (hidden,) in columns)


def _is_read(name: str, package: bool, listed: set[str]) -> bool:
    """Whether a view would be read: of a GeoPackage its own tables and its layers, of another database all."""
    return not package or name in listed or name.startswith(("gpkg_", "rtree_"))


def _is_virtual(sql: str | None) -> bool:
    return re.match(r"CREATE\s+VIRTUAL", sql or "", re.IGNORECASE) is not None
