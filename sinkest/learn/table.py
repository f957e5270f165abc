"""Readers of the field tables: one normal form inside, and every problem of a file told at once, by row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.learn import cells as reading
from sinkest.learn.fields import SCHEMAS, Column, TableSchema
from sinkest.learn.files import RawTable, open_table
from sinkest.learn.places import (
    Datum,
    Repeated,
    check_in_grid,
    check_overlaps,
    check_same_place,
    has_places,
    read_places,
)
from sinkest.learn.problems import SHOWN, Problems, marked
from sinkest.messages import Message

Classes = Sequence[str] | Mapping[str, Sequence[str]]
"""Class ids; or class id -> other accepted spellings (its code, its Chinese and English name)."""

VOLUME = "volume_m3_ha"
PREVIOUS = ("previous_date", "previous_volume_m3_ha")
"""Both or neither."""
ROW = "source_row"
_CODE = re.compile(r"0[0-9]")


def read_plots(
    path: str | Path,
    *,
    classes: Classes | None = None,
    response: str = VOLUME,
    response_unit: str = "",
    features: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    datum: Datum = "wgs84",
    grid: GeoBox | None = None,
    same_place: Repeated = "error",
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """Field plots with their measured response.

    Parameters
    ----------
    path : path
        CSV, GeoPackage, GeoJSON, (Geo)Parquet, xlsx; columns as in ``SCHEMAS["plots"]``.
    classes : sequence or mapping, optional
        Valid ids of ``forest_type``, or id -> other accepted spellings. Without it any text passes.
    response : str
        Column that is mapped. Another than ``volume_m3_ha`` may be any finite number.
    response_unit : str
        Unit of another response, for messages.
    features : sequence of str
        Feature columns, where the table carries the features itself; coordinates and date are then optional.
    columns : mapping, optional
        Column of the file -> documented name.
    datum : str
        ``"gcj02"`` converts the coordinates to WGS84.
    grid : GeoBox, optional
        Plots outside it are refused.
    same_place : str
        What two plots at one point are: an ``"error"``, worth a ``"note"``, or ``"allow"`` ed.
    layer : str, optional
        Layer or sheet of a file that has several.

    Returns
    -------
    GeoDataFrame
        EPSG:4326. Documented columns first, then the unknown ones as they are, then ``source_row`` (row number in
        the file, header = 1) and the geometry (None in a table without coordinates). ``notes(frame)`` says what was
        done on the way in.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or any of its rows is wrong: all problems at once, up to 20 shown.
    """
    schema = SCHEMAS["plots"]
    if response != VOLUME:
        own = Column(response, "number", True, response_unit, about="learn.about_response")
        schema = schema.adjusted(drop=[VOLUME, "previous_volume_m3_ha", "previous_date"], add=[own])
    if features:
        added = [Column(name, "number", True, about="learn.about_feature") for name in features]
        schema = schema.adjusted(add=added, optional=["lon", "lat", "date"])
    reader = _Reader(schema, classes, columns, datum, grid, layer)
    raw, problems, values = reader.read(path)
    if {*PREVIOUS} & set(values):
        _check_previous(values, len(raw), problems)
    if reader.places is not None:
        check_same_place(reader.places, same_place, problems, raw.notes)
    return reader.frame(raw, problems, values)


def read_labels(
    path: str | Path,
    *,
    classes: Classes | None = None,
    class_field: str = "land_cover",
    columns: Mapping[str, str] | None = None,
    datum: Datum = "wgs84",
    grid: GeoBox | None = None,
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """Training polygons (or points) with their land-cover class; see ``read_plots`` for the parameters.

    Parameters
    ----------
    class_field : str
        Column of the file that holds the class id; it is called ``land_cover`` afterwards.

    Returns
    -------
    GeoDataFrame
        As from ``read_plots``; a missing ``label_id`` becomes the row number.
    """
    renamed = dict(columns or {})
    if class_field != "land_cover":
        renamed[class_field] = "land_cover"
    reader = _Reader(SCHEMAS["labels"], classes, renamed, datum, grid, layer)
    raw, problems, values = reader.read(path)
    if "label_id" not in values:
        values = {"label_id": raw.rows.astype(str).astype(object), **values}
    if reader.places is not None and "land_cover" in values:
        check_overlaps(reader.places, values["land_cover"], problems)
    return reader.frame(raw, problems, values)


def read_reference(
    path: str | Path,
    *,
    classes: Classes | None = None,
    columns: Mapping[str, str] | None = None,
    datum: Datum = "wgs84",
    grid: GeoBox | None = None,
    same_place: Repeated = "error",
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """Interpreted reference points with their stratum and class; see ``read_plots`` for the parameters."""
    reader = _Reader(SCHEMAS["reference"], classes, columns, datum, grid, layer)
    raw, problems, values = reader.read(path)
    if reader.places is not None:
        check_same_place(reader.places, same_place, problems, raw.notes)
    return reader.frame(raw, problems, values)


def read_strata(
    path: str | Path,
    *,
    by_zone: bool = False,
    columns: Mapping[str, str] | None = None,
    layer: str | None = None,
) -> pd.DataFrame:
    """Areas of the strata that the reference points were drawn from; see ``read_plots`` for other parameters.

    Parameters
    ----------
    by_zone : bool
        Whether every row must name its zone.
    """
    schema = SCHEMAS["strata"]
    if by_zone:
        schema = schema.adjusted(add=[replace(schema["zone_id"], required=True)])
    reader = _Reader(schema, None, columns, "wgs84", None, layer)
    raw, problems, values = reader.read(path)
    return pd.DataFrame(reader.frame(raw, problems, values).drop(columns="geometry"))


def read_sites(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    datum: Datum = "wgs84",
    grid: GeoBox | None = None,
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """The list of wetland sites; see ``read_plots`` for the parameters."""
    reader = _Reader(SCHEMAS["wetland_sites"], None, columns, datum, grid, layer)
    raw, problems, values = reader.read(path)
    return reader.frame(raw, problems, values)


def read_treatments(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    datum: Datum = "wgs84",
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """Polygons of restoration with kind and year; see ``read_plots`` for the parameters. ``method`` may be missing."""
    reader = _Reader(SCHEMAS["treatments"], None, columns, datum, None, layer)
    raw, problems, values = reader.read(path)
    frame = reader.frame(raw, problems, values)
    if "method" not in frame:
        frame["method"] = ""
    return frame


def read_land_use(
    path: str | Path, *, class_field: str = "land_use", datum: Datum = "wgs84", layer: str | None = None
) -> gpd.GeoDataFrame:
    """Polygons of the land survey; ``class_field`` holds their codes. See ``read_plots`` for other parameters."""
    reader = _Reader(SCHEMAS["land_use"], None, {class_field: "land_use"}, datum, None, layer)
    raw, problems, values = reader.read(path)
    return reader.frame(raw, problems, values)


def read_outlines(path: str | Path, *, datum: Datum = "wgs84") -> gpd.GeoDataFrame:
    """Outlines of wetland sites by ``site_id``; see ``read_plots`` for the parameters."""
    reader = _Reader(SCHEMAS["outlines"], None, None, datum, None, None)
    raw, problems, values = reader.read(path)
    return reader.frame(raw, problems, values)


def notes(frame: pd.DataFrame) -> tuple[Message, ...]:
    """What a reader did on the way in that whoever uses the results should know."""
    return tuple(Message.of(key, **fields) for key, fields in frame.attrs.get("notes", []))


class _Reader:
    """One reading of one table."""

    def __init__(
        self,
        schema: TableSchema,
        classes: Classes | None,
        columns: Mapping[str, str] | None,
        datum: Datum,
        grid: GeoBox | None,
        layer: str | None,
    ) -> None:
        self.schema = schema
        self.classes = _spellings(classes)
        self.class_ids = list(classes or ())
        self.columns = dict(columns or {})
        self.datum = datum
        self.grid = grid
        self.layer = layer
        self.places: gpd.GeoSeries | None = None
        self.names: NDArray[Any] | None = None

    def read(self, path: str | Path) -> tuple[RawTable, Problems, dict[str, NDArray[Any]]]:
        """Open the file and judge every documented column; what is wrong is in the problems."""
        raw = open_table(path, self.layer)
        raw.rename(self.columns)
        _adopt_spelling(raw, self.schema)
        problems = Problems(raw.file, raw.rows)
        self._check_columns(raw, problems)
        if self.schema.shape != "none" and has_places(raw):
            self.places = read_places(raw, self.schema, problems, self.datum)
            if self.grid is not None:
                check_in_grid(self.places, self.grid, problems)
        name = self.schema[self.schema.key[0]]
        if name.kind == "id" and name.name in raw.cells:
            self.names = reading.names(raw.cells[name.name])[0]
        values = {
            column.name: self._column(column, raw.cells.pop(column.name), problems)
            for column in self.schema.columns
            if column.name in raw.cells
        }
        _check_key(self.schema, values, problems)
        for row, message in raw.problems:
            problems.whole(message, row)
        return raw, problems, values

    def _check_columns(self, raw: RawTable, problems: Problems) -> None:
        """Every required column must be there; the nearest name of the file is suggested."""
        present = list(raw.cells)
        placed = has_places(raw)
        for column in self.schema.columns:
            if not column.required or column.name in raw.cells or (placed and column.kind in {"lon", "lat"}):
                continue
            near = get_close_matches(column.name, present, 1, 0.6)
            fields = {"column": column.name, "expected": column.expected()}
            if near:
                problems.whole(Message.of("learn.missing_column_near", nearest=near[0], **fields))
            else:
                problems.whole(Message.of("learn.missing_column", columns=", ".join(present), **fields))
        if self.schema.shape == "area" and not placed:
            problems.whole(Message.of("learn.missing_geometry", columns=", ".join(present)))

    def _column(self, column: Column, given: NDArray[Any], problems: Problems) -> NDArray[Any]:
        values, missing, bad = self._parse(column, given)
        expected = column.expected()
        if column.required:
            self._tell_empty(column, missing, problems)
        if column.kind == "class" and self.classes is not None:
            self._tell_unknown_classes(column, given, bad, problems)
        else:
            keys = np.full(len(bad), "learn.cell_unreadable", dtype=object)
            keys[bad] = [reading.quirk(cell, column.kind) or "learn.cell_unreadable" for cell in given[bad]]
            for key in sorted(set(keys[bad])):
                problems.cells(bad & (keys == key), column.name, given, key, expected=expected)
        if column.kind in {"number", "year"}:
            off = ~missing & ~bad & _out_of_range(values, column)
            problems.cells(off, column.name, given, "learn.cell_out_of_range", expected=expected)
        return values

    def _parse(self, column: Column, given: NDArray[Any]) -> reading.Parsed:
        if column.kind in {"number", "year", "lon", "lat"}:
            values, missing, bad = reading.numbers(given)
            if column.kind == "year":
                bad |= ~missing & (values != np.floor(values))
            return values, missing, bad
        if column.kind == "date":
            return reading.dates(given)
        if column.kind == "flag":
            return reading.flags(given)
        if column.kind == "class":
            return reading.classes(given, self.classes)
        if column.kind == "choice":
            return reading.classes(given, _spellings({name: column.spellings.get(name, ()) for name in column.choices}))
        return reading.identifiers(given) if column.kind == "id" else reading.names(given)

    def _tell_empty(self, column: Column, missing: NDArray[np.bool_], problems: Problems) -> None:
        """Name row and record: who fills in a GeoPackage sees the name, but no row number."""
        records = marked(missing)
        for record in records[:SHOWN]:
            expected = column.expected()
            if self.names is not None and self.names[record]:
                expected = Message.of("learn.expected_for", expected=expected, name=reading.shown(self.names[record]))
            problems.at(record, "learn.cell_empty", column=column.name, expected=expected)
        problems.count += max(0, len(records) - SHOWN)

    def _tell_unknown_classes(
        self, column: Column, given: NDArray[Any], bad: NDArray[np.bool_], problems: Problems
    ) -> None:
        known = self.classes or {}
        for record in marked(bad):
            value = reading.shown(given[record])
            near = get_close_matches(value.casefold(), list(known), 1, 0.6)
            if near:
                problems.at(record, "learn.unknown_class_near", column=column.name, value=value, nearest=known[near[0]])
            else:
                ids = ", ".join(self.class_ids)
                problems.at(record, "learn.unknown_class", column=column.name, value=value, classes=ids)

    def frame(self, raw: RawTable, problems: Problems, values: dict[str, NDArray[Any]]) -> gpd.GeoDataFrame:
        """The table in its normal form.

        Raises
        ------
        InputError
            If there are problems.
        """
        problems.raise_if_any()
        places = self.places
        if places is None:
            places = gpd.GeoSeries(np.full(len(raw), None, dtype=object), crs="EPSG:4326")
        elif self.schema.shape == "point":
            values = {**values, "lon": places.x.to_numpy(), "lat": places.y.to_numpy()}
        ordered = {name: values[name] for name in self.schema.names if name in values}
        ordered |= {name: cells for name, cells in values.items() if name not in ordered}
        reserved = {*ordered, ROW, "geometry"}
        kept = {name if name not in reserved else f"{name}_in_file": cells for name, cells in raw.cells.items()}
        unknown = {name: _as_found(cells) for name, cells in kept.items()}
        frame = gpd.GeoDataFrame(
            {**ordered, **unknown, ROW: raw.rows}, geometry=places.reset_index(drop=True), crs="EPSG:4326"
        )
        frame.attrs["notes"] = [(message.key, dict(message.fields)) for message in raw.notes]
        return frame


def _spellings(classes: Classes | None) -> dict[str, str] | None:
    """Accepted spelling, case-folded -> class id."""
    if classes is None:
        return None
    table = {}
    if isinstance(classes, Mapping):
        table = {str(other).casefold(): name for name, others in classes.items() for other in others}
    return table | {name.casefold(): name for name in classes}


def _adopt_spelling(raw: RawTable, schema: TableSchema) -> None:
    """Take columns whose names differ from the documented ones in case only."""
    for name in schema.names:
        if name in raw.cells:
            continue
        same = [given for given in raw.cells if given.casefold() == name.casefold()]
        if len(same) == 1:
            raw.notes.append(Message.of("learn.adopted_column", file=raw.file.name, given=same[0], column=name))
            raw.rename({same[0]: name})


def _out_of_range(values: NDArray[np.float64], column: Column) -> NDArray[np.bool_]:
    off = np.zeros(len(values), dtype=bool)
    if column.low is not None:
        off |= values < column.low
    if column.above is not None:
        off |= values <= column.above
    if column.high is not None:
        off |= values > column.high
    return off


def _check_key(schema: TableSchema, values: Mapping[str, NDArray[Any]], problems: Problems) -> None:
    """No two rows may have the same name."""
    named = [name for name in schema.key if name in values]
    if not named or schema.key[0] not in values or any(schema[name].required for name in {*schema.key} - {*named}):
        return
    first: dict[tuple[Any, ...], int] = {}
    for record, key in enumerate(zip(*(values[name].tolist() for name in named), strict=True)):
        if key[0] == "":
            continue
        earlier = first.setdefault(key, record)
        if earlier != record:
            column, value = " + ".join(named), " / ".join(str(part) for part in key)
            row = int(problems.rows[earlier])
            problems.at(record, "learn.duplicate_id", column=column, value=value, first=row)


def _check_previous(values: Mapping[str, NDArray[Any]], count: int, problems: Problems) -> None:
    """An earlier measurement needs its date and its volume, and a date before the present one."""
    never = np.full(count, np.datetime64("NaT"), dtype="datetime64[s]")
    then = values.get("previous_date", never)
    volume = values.get("previous_volume_m3_ha", np.full(count, np.nan))
    now = values.get("date", never)
    for given, missing in (PREVIOUS, PREVIOUS[::-1]):
        if given in values and missing not in values:
            problems.whole(Message.of("learn.half_previous_column", given=given, column=missing))
            return
    for record in marked(np.isnat(then) != np.isnan(volume)):
        if not problems.told(record):
            problems.at(record, "learn.half_previous")
    for record in marked(~np.isnat(then) & ~np.isnat(now) & (then >= now)):
        problems.at(record, "learn.previous_not_earlier", previous=str(then[record])[:10], date=str(now[record])[:10])


def _as_found(cells: NDArray[Any]) -> NDArray[Any]:
    """An unknown column: numbers where all its cells are numbers (not codes with leading zeros), else as it is."""
    if cells.dtype != object:
        return cells
    values, missing, bad = reading.numbers(cells)
    is_code = any(isinstance(cell, str) and _CODE.match(cell.strip()) for cell in cells)
    if bad.any() or missing.all() or is_code:
        return cells
    return values
