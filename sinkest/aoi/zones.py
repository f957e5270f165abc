"""Zones: counties or any other parts of a city, read once and checked thoroughly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import ProjError
from pyproj.transformer import TransformerGroup
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.datum import DATUMS, detect_datum, geometry_to_wgs84, reference_lines
from sinkest.aoi.geodesy import densify, geodesic_area_m2, mended
from sinkest.aoi.topology import check_coverage, check_polygons
from sinkest.aoi.vector import nearest_column, read_vector
from sinkest.errors import InputError
from sinkest.messages import Message

SLIVER_SHARE = 1e-3
SMALLEST_M2 = 1.0
WHOLE = "all"
PROJECTED_EDGE_M = 500.0
COARSEST_SHIFT_M = 10.0
GRS80_RADIUS_M = 6378137.0
FARTHEST_M = 1e8
"""No projected coordinate is larger; those of Gauss-Krueger zones carry the zone's number in front (39,500,000)."""
CODE_SYNONYMS = ("adcode", "code", "gb", "pac", "xzqdm", "zone_id", "id", "行政区代码", "行政代码", "代码")
ENGLISH_SYNONYMS = ("name_en", "en_name", "ename", "english", "pinyin")
NAME_SYNONYMS = ("name", "name_zh", "xzqmc", "mc", "行政区名称", "名称", "县名")


@dataclass(frozen=True)
class Zones:
    """Zones that make up one area of interest.

    Attributes
    ----------
    frame : GeoDataFrame
        EPSG:4326 on WGS84; columns ``zone_id`` (str), ``name_zh``, ``name_en``, ``area_m2`` (on the ellipsoid) and the
        polygons; sorted by ``zone_id``, indexed from 0.
    source : str
        File the zones came from.
    datum : str
        Datum the file was in, ``"wgs84"`` or ``"gcj02"``; the frame is always on WGS84.
    notes : tuple of Message
        What was tolerated while reading.
    """

    frame: gpd.GeoDataFrame
    source: str
    datum: str
    notes: tuple[Message, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Codes of the zones, in order."""
        return tuple(self.frame["zone_id"])

    @property
    def area_m2(self) -> float:
        """True area of all zones together, square metres."""
        return float(self.frame["area_m2"].sum())

    def __len__(self) -> int:
        return len(self.frame)


def read_zones(
    path: str | Path,
    *,
    id_field: str = "adcode",
    name_zh_field: str = "name",
    name_en_field: str | None = "name_en",
    datum: str = "wgs84",
    layer: str | None = None,
    sliver_share: float = SLIVER_SHARE,
    check_datum: bool = True,
) -> Zones:
    """Read zones from a vector file, check them, and bring them to WGS84.

    Parameters
    ----------
    path : path
        Any file that `read_vector` reads.
    id_field, name_zh_field, name_en_field : str
        Columns of the code and the names. A file without English names is read with the Chinese ones in both places
        when `name_en_field` is None or left at its default.
    datum : {"wgs84", "gcj02"}
        What the coordinates are in; CGCS2000 counts as WGS84 (they differ by less than a metre).
    layer : str, optional
        Layer of a file that has several.
    sliver_share : float
        Overlaps up to this share of the smaller zone, and gaps up to this share of the whole, are noted, larger ones
        refused.
    check_datum : bool
        Compare with the shipped lines of Zhuzhou where the file lies over them.

    Raises
    ------
    InputError
        With file, feature or column, and what to do, for everything that would make areas or positions wrong.
    """
    if datum not in DATUMS:
        raise InputError("aoi.unknown_datum", datum=datum, known=", ".join(DATUMS))
    file = Path(path)
    frame = read_vector(file, layer)
    if len(frame) == 0:
        raise InputError("aoi.empty_layer", file=file)
    names, notes = _columns(file, frame, id_field, name_zh_field, name_en_field)
    crs = _usable_crs(file, frame)
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused by the check itself
        flat = [None if geometry is None else shapely.force_2d(geometry) for geometry in frame.geometry]
        check_polygons(file, flat, geographic=crs.is_geographic)
    try:
        degrees = _to_degrees(file, flat, crs)
    except (ProjError, IndexError) as error:  # a datum or ellipsoid that nothing leads away from
        raise InputError("aoi.outside_crs", crs=crs.name) from error
    if check_datum:
        _check_datum(file, degrees, datum)
    geometries = [mended(geometry_to_wgs84(geometry)) for geometry in degrees] if datum == "gcj02" else degrees
    names["area_m2"] = [geodesic_area_m2(geometry) for geometry in geometries]
    for row, area_m2 in enumerate(names["area_m2"], start=1):
        if area_m2 < SMALLEST_M2:
            raise InputError("aoi.no_area", file=file, row=row, area_m2=area_m2)
    notes = (*notes, *check_coverage(file, names["zone_id"].tolist(), geometries, sliver_share))
    zones = gpd.GeoDataFrame(names, geometry=geometries, crs="EPSG:4326")
    return Zones(zones.sort_values("zone_id", ignore_index=True), str(file), datum, notes)


def _columns(
    file: Path, frame: gpd.GeoDataFrame, id_field: str, name_zh_field: str, name_en_field: str | None
) -> tuple[pd.DataFrame, tuple[Message, ...]]:
    """Codes and names as text, checked."""
    columns = [str(name) for name in frame.columns if name != frame.geometry.name]
    notes: tuple[Message, ...] = ()
    english = name_en_field
    if english not in columns and english in {None, "name_en"}:
        english, notes = name_zh_field, (Message.of("aoi.no_english_names", file=file),)
    wanted = ((id_field, CODE_SYNONYMS), (name_zh_field, NAME_SYNONYMS), (str(english), ENGLISH_SYNONYMS))
    for field, synonyms in wanted:
        if field not in columns:
            raise _missing_column(file, field, columns, synonyms)
    codes = [_code(value) for value in frame[id_field]]
    for row, code in enumerate(codes, start=1):
        if code is None:
            raise InputError("aoi.no_code", file=file, row=row, column=id_field)
        if code == WHOLE:
            raise InputError("aoi.reserved_code", file=file, row=row, column=id_field, code=code)
        if code in codes[: row - 1]:
            first = codes.index(code) + 1
            raise InputError("aoi.duplicate_code", file=file, column=id_field, code=code, first=first, second=row)
    table = pd.DataFrame(
        {
            "zone_id": codes,
            "name_zh": [_text(value) for value in frame[name_zh_field]],
            "name_en": [_text(value) for value in frame[str(english)]],
        },
        dtype=object,
    )
    for column in ("name_zh", "name_en"):
        table[column] = table[column].where(table[column] != "", table["zone_id"])
    return table, notes


def _missing_column(file: Path, field: str, columns: list[str], synonyms: tuple[str, ...]) -> InputError:
    nearest = nearest_column(field, columns, synonyms)
    if nearest is not None:
        return InputError("aoi.missing_column_near", file=file, column=field, nearest=nearest)
    return InputError("aoi.missing_column", file=file, column=field, columns=", ".join(columns) or "-")


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value).strip()  # type: ignore[call-overload]


def _code(value: object) -> str | None:
    """A code as text; numbers that a table program stored as 430202.0 become 430202."""
    if isinstance(value, float | np.floating) and np.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return _text(value) or None


def _usable_crs(file: Path, frame: gpd.GeoDataFrame) -> CRS:
    """The horizontal CRS of a file; refused if missing or neither geographic nor projected."""
    if frame.crs is None:
        raise InputError("aoi.no_crs", file=file)
    crs = CRS.from_user_input(frame.crs).to_2d()
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    if not (crs.is_geographic or crs.is_projected):
        raise InputError("aoi.crs_kind", file=file, crs=crs.name)
    return crs


def _to_degrees(file: Path, geometries: Sequence[BaseGeometry], crs: CRS) -> list[BaseGeometry]:
    """Lon/lat in degrees. Edges that are straight in a projection are divided first, so that they keep their course."""
    series = gpd.GeoSeries(list(geometries), crs=crs)
    if crs.is_projected:
        unit_m = crs.axis_info[0].unit_conversion_factor
        if np.abs(series.total_bounds).max() * unit_m > FARTHEST_M:
            raise InputError("aoi.outside_crs", crs=crs.name)
        series = gpd.GeoSeries([densify(geometry, PROJECTED_EDGE_M / unit_m) for geometry in series], crs=crs)
    degrees = list(series.to_crs("EPSG:4326"))
    for row, geometry in enumerate(degrees):
        if not np.isfinite(shapely.get_coordinates(geometry)).all():
            raise InputError("aoi.outside_crs", crs=crs.name)
        degrees[row] = mended(geometry)
    bounds = shapely.total_bounds(np.asarray(degrees, dtype=object))
    if bounds[2] - bounds[0] > 180.0:
        raise InputError("aoi.antimeridian_zones", file=file)
    if np.abs(bounds[[0, 2]]).max() > 360.0 or np.abs(bounds[[1, 3]]).max() > 90.0:  # degrees that are another unit
        raise InputError("aoi.outside_crs", crs=crs.name)
    _check_shift(file, crs, AreaOfInterest(*(float(bound) for bound in bounds)))
    return degrees


def _check_shift(file: Path, crs: CRS, area: AreaOfInterest) -> None:
    """Refuse a datum whose shift to WGS84 is not known where the zones lie.

    Modern datums share the radius of GRS80 and lie within a metre or two of WGS84. Older ones (Xi'an 1980, Beijing
    1954) are a hundred metres off, and where no transformation is published PROJ passes them unchanged.
    """
    if crs.ellipsoid is not None and crs.ellipsoid.semi_major_metre == GRS80_RADIUS_M:
        return
    group = TransformerGroup(crs, "EPSG:4326", always_xy=True, area_of_interest=area)  # type: ignore[arg-type]
    accuracy_m = group.transformers[0].accuracy
    if not 0.0 <= accuracy_m <= COARSEST_SHIFT_M:
        raise InputError("aoi.local_datum", file=file, crs=crs.name)


def _check_datum(file: Path, degrees: Sequence[BaseGeometry], datum: str) -> None:
    evidence = detect_datum(degrees, reference_lines())
    if evidence.datum is None or evidence.datum == datum:
        return
    key = "aoi.is_gcj02" if evidence.datum == "gcj02" else "aoi.is_wgs84"
    raise InputError(key, file=file, as_given_m=evidence.as_given_m, converted_m=evidence.converted_m, n=evidence.n)
