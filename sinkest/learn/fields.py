"""What the field tables hold: every column with its kind, unit, range, and whether it must be there.

The schemas drive the readers, the messages of refusal and the empty templates alike, so the three cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from sinkest.messages import LANGUAGES, Message

Kind = Literal["id", "text", "number", "year", "date", "flag", "class", "lon", "lat", "choice"]
Shape = Literal["point", "area", "none"]

MAX_VOLUME_M3_HA = 2000.0
MAX_AGE_YEARS = 3000.0
AGE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "young": ("幼龄林", "幼龄", "幼", "1"),
        "middle": ("中龄林", "中龄", "中", "2"),
        "near": ("近熟林", "近熟", "近", "3"),
        "mature": ("成熟林", "成熟", "成", "4"),
        "over": ("过熟林", "过熟", "过", "5"),
    }
)
"""Age groups of arbor forest from the youngest on, with the spellings that crews use."""
COMMENT = "#"
"""A row whose first cell begins with this is an explanation and is not read."""

_EMPTY_DTYPE = {
    "number": "float64",
    "lon": "float64",
    "lat": "float64",
    "year": "Int64",
    "date": "datetime64[ms]",
    "flag": "bool",
}


@dataclass(frozen=True)
class Column:
    """One column of a field table.

    Attributes
    ----------
    name : str
        Name in the header.
    kind : str
        What its cells hold. ``class`` is a class id of the legend, ``flag`` is true or false.
    required : bool
        Whether the column must be there and every cell filled.
    unit : str
        Empty where there is none.
    low, high : float or None
        Range of a number, bounds included.
    above : float or None
        Bound that a number must exceed.
    choices : tuple of str
        Valid texts of a ``choice``.
    spellings : mapping
        Choice -> other texts that mean it.
    about : str
        Id in the message catalogue of the text that explains the column.
    """

    name: str
    kind: Kind
    required: bool = False
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: str = "learn.about_other"

    def expected(self) -> Message:
        """What a cell of the column may hold."""
        unit = Message.of("learn.unit", unit=self.unit) if self.unit else ""
        if self.kind == "choice":
            shown = ("/".join((choice, *self.spellings.get(choice, ())[:1])) for choice in self.choices)
            return Message.of("learn.expect_choice", choices=", ".join(shown))
        if self.kind not in {"number", "year"}:
            return Message.of(f"learn.expect_{self.kind}")
        what = Message.of(f"learn.expect_{self.kind}", unit=unit)
        if self.above is not None and self.high is not None:
            return Message.of("learn.range_above_to", what=what, above=self.above, high=self.high)
        if self.above is not None:
            return Message.of("learn.range_above", what=what, above=self.above)
        if self.low is not None and self.high is not None:
            return Message.of("learn.range_between", what=what, low=self.low, high=self.high)
        if self.low is not None:
            return Message.of("learn.range_from", what=what, low=self.low)
        return what

    def description(self) -> Message:
        """The column explained: meaning, kind, range, whether it must be filled."""
        need = Message.of("learn.required" if self.required else "learn.optional")
        return Message.of("learn.column", about=Message.of(self.about), expected=self.expected(), need=need)


@dataclass(frozen=True)
class TableSchema:
    """A field table.

    Attributes
    ----------
    name : str
        Such as ``"plots"``.
    columns : tuple of Column
        In the order of the template.
    shape : str
        Kind of geometry that its rows have: ``point`` (also as columns lon and lat), ``area`` (polygons), ``none``.
    key : tuple of str
        Columns that together name a row; no two rows may share them.
    """

    name: str
    columns: tuple[Column, ...]
    shape: Shape
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def adjusted(
        self, *, drop: Sequence[str] = (), add: Sequence[Column] = (), optional: Sequence[str] = ()
    ) -> TableSchema:
        """A variant: without the columns of ``drop``, those of ``add`` last, those of ``optional`` not required."""
        kept = [
            replace(column, required=False) if column.name in set(optional) else column
            for column in self.columns
            if column.name not in {*drop, *(column.name for column in add)}
        ]
        return replace(self, columns=(*kept, *add))


def _columns(table: str, *columns: Column) -> tuple[Column, ...]:
    return tuple(replace(column, about=f"learn.about_{table}_{column.name}") for column in columns)


def _number(
    name: str,
    unit: str,
    required: bool = False,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
) -> Column:
    return Column(name, "number", required, unit, low, high, above)


_WETLANDS = ("river", "lake", "reservoir", "pond", "marsh", "small_wetland")
_TREATMENTS = ("planted", "closure", "corridor")
_LON = Column("lon", "lon", True, "degree", -180, 180)
_LAT = Column("lat", "lat", True, "degree", -90, 90)

SCHEMAS: Mapping[str, TableSchema] = MappingProxyType(
    {
        "plots": TableSchema(
            "plots",
            _columns(
                "plots",
                Column("plot_id", "id", True),
                _LON,
                _LAT,
                Column("date", "date", True),
                _number("volume_m3_ha", "m3/ha", True, low=0, high=MAX_VOLUME_M3_HA),
                Column("forest_type", "class"),
                Column("age_group", "choice", choices=tuple(AGE_GROUPS), spellings=AGE_GROUPS),
                _number("age_years", "years", low=0, high=MAX_AGE_YEARS),
                _number("area_ha", "ha", above=0, high=100),
                Column("zone_id", "text"),
                Column("previous_date", "date"),
                _number("previous_volume_m3_ha", "m3/ha", low=0, high=MAX_VOLUME_M3_HA),
                Column("simulated", "flag"),
            ),
            "point",
            ("plot_id",),
        ),
        "labels": TableSchema(
            "labels",
            _columns(
                "labels", Column("label_id", "id"), Column("land_cover", "class", True), Column("simulated", "flag")
            ),
            "area",
            ("label_id",),
        ),
        "reference": TableSchema(
            "reference",
            _columns(
                "reference",
                Column("point_id", "id", True),
                _LON,
                _LAT,
                Column("stratum", "text", True),
                Column("reference_class", "class", True),
                Column("zone_id", "text"),
                Column("simulated", "flag"),
            ),
            "point",
            ("point_id",),
        ),
        "strata": TableSchema(
            "strata",
            _columns(
                "strata",
                Column("stratum", "text", True),
                Column("zone_id", "text"),
                _number("area_ha", "ha", True, above=0),
                Column("simulated", "flag"),
            ),
            "none",
            ("stratum", "zone_id"),
        ),
        "wetland_sites": TableSchema(
            "wetland_sites",
            _columns(
                "wetland_sites",
                Column("site_id", "id", True),
                Column("name_zh", "text"),
                Column("name_en", "text"),
                Column("kind", "choice", True, choices=_WETLANDS),
                _LON,
                _LAT,
                _number("area_ha", "ha", True, above=0),
                Column("in_corridor", "flag"),
                Column("impounded_year", "year", low=1000, high=2100),
                Column("simulated", "flag"),
            ),
            "point",
            ("site_id",),
        ),
        "treatments": TableSchema(
            "treatments",
            _columns(
                "treatments",
                Column("treatment_id", "id", True),
                Column("kind", "choice", True, choices=_TREATMENTS),
                Column("year", "year", True, low=1950, high=2100),
                Column("method", "text"),
                Column("simulated", "flag"),
            ),
            "area",
            ("treatment_id",),
        ),
        "outlines": TableSchema(
            "outlines",
            _columns("outlines", Column("site_id", "id", True), Column("simulated", "flag")),
            "area",
            ("site_id",),
        ),
        "land_use": TableSchema(
            "land_use",
            _columns(
                "land_use",
                Column("polygon_id", "id"),
                Column("land_use", "id", True),
                Column("simulated", "flag"),
            ),
            "area",
            ("polygon_id",),
        ),
    }
)
"""The documented field tables by name."""


def template_rows(schema: TableSchema, languages: Sequence[str] = LANGUAGES) -> list[list[str]]:
    """Rows of an empty table to fill in: the header, then one row of explanations a language.

    The explanations begin with ``#`` and are skipped when the filled table is read.

    Parameters
    ----------
    schema : TableSchema
    languages : sequence of str
        ``"zh"``, ``"en"``.

    Returns
    -------
    list of list of str
        Ready for ``csv.writer``; write it as UTF-8 with a byte order mark, so that spreadsheets show the Chinese.
    """
    rows = [list(schema.names)]
    for language in languages:
        texts = [column.description().text(language) for column in schema.columns]
        rows.append([f"{COMMENT} {texts[0]}", *texts[1:]])
    return rows


def template_frame(schema: TableSchema) -> gpd.GeoDataFrame:
    """An empty table with the schema's columns and geometry (EPSG:4326), for a GeoPackage to draw into."""
    empty = {
        column.name: pd.Series([], dtype=_EMPTY_DTYPE.get(column.kind, "object"))
        for column in schema.columns
        if column.kind not in {"lon", "lat"}
    }
    return gpd.GeoDataFrame(empty, geometry=gpd.GeoSeries(np.array([], dtype=object), crs="EPSG:4326"))
