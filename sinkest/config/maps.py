"""Sections on place and maps: the area, land cover, growing stock, forest and wetlands."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sinkest.config.base import ClassId, Section, Text, problem

ALL_TYPES = "all"
"""In ``age_limits``: every forest type that has no limits of its own."""
Age = Annotated[float, Field(ge=1, le=1000)]
ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=300)]


class AoiSection(Section):
    """Area of interest, its zones, and the grid."""

    path: Text | None = Field(None, description="vector file with the zones; else the raster of grid_from is one zone")
    layer: Text | None = Field(None, description="layer of the file, where it has several")
    id_field: Text = Field("adcode", description="column with the zone's code")
    name_zh_field: Text = Field("name", description="column with the Chinese name")
    name_en_field: Text = Field("name_en", description="column with the English name")
    datum: Literal["wgs84", "gcj02"] = Field("wgs84", description="datum of the coordinates in the file")
    name_zh: Text = Field("全域", description="Chinese name of the whole area")
    name_en: Text = Field("whole area", description="English name of the whole area")
    resolution_m: float | None = Field(None, ge=1, le=1000, description="pixel size in metres")
    crs: Text = Field("auto", description="'auto' (UTM zone of the centre) or an EPSG code")
    grid_from: Text | None = Field(None, description="raster whose own grid is used instead of resolution_m and crs")

    @model_validator(mode="after")
    def _one_grid(self) -> AoiSection:
        if (self.resolution_m is None) == (self.grid_from is None):
            raise problem("one_grid")
        if self.path is None and self.grid_from is None:
            raise problem("path_or_grid")
        return self


class LandCoverClass(Section):
    """A class of the land-cover map."""

    code: int = Field(ge=1, le=254)
    id: ClassId
    zh: Text
    en: Text
    colour: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$")


class LandCoverSection(Section):
    """The land-cover map: classes, training labels and model."""

    classes: tuple[LandCoverClass, ...] = Field(min_length=2)
    labels: Text = Field(description="training polygons or points with their class")
    model: Text = Field("shipped:models/land_cover", description="folder of a recipe, or of a trained model")
    class_field: Text = Field("land_cover", description="column of labels with the class id")
    folds: int = Field(5, ge=2, le=20)
    fold_block_m: float = Field(10_000, gt=0, description="side of the blocks that are held out together")

    @model_validator(mode="after")
    def _unique(self) -> LandCoverSection:
        for name in ("code", "id"):
            values = [getattr(item, name) for item in self.classes]
            if len(set(values)) != len(values):
                raise problem("duplicate", what=f"land_cover.classes.{name}")
        return self


class StockSection(Section):
    """The map of a response measured on field plots: growing stock, or any other density."""

    plots: Text = Field(description="field plots")
    model: Text = Field("shipped:models/stock", description="folder of a recipe, or of a trained model")
    response: Text = Field("volume_m3_ha", description="column of plots that is mapped")
    unit: Text = Field("m3/ha", description="its unit")
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    design: Literal["systematic", "random", "purposive"] = Field(description="how the plots were placed")
    features_in_table: bool = Field(False, description="the table carries the features itself, without coordinates")
    folds: int = Field(5, ge=2, le=20)
    fold_block_m: float = Field(10_000, gt=0, description="side of the blocks that are held out together")
    clusters: int = Field(10, ge=2, description="environment clusters, for plots without coordinates")
    bootstrap: int = Field(200, ge=20, le=5000, description="refits behind a model-based interval (purposive plots)")
    age_limits: dict[ClassId, tuple[Age, Age, Age, Age]] = Field(
        default_factory=dict,
        description="forest type, or 'all' for those not named -> first year of the middle-aged, near-mature, mature "
        "and over-mature group (LY/T 2908), for plots with age_years and no age_group",
    )

    @model_validator(mode="after")
    def _growing_ages(self) -> StockSection:
        for name, limits in self.age_limits.items():
            if any(late <= early for early, late in pairwise(limits)):
                raise problem("age_limits", what=f"stock.age_limits.{name}")
        return self


class ModelsSection(Section):
    """What recipes and saved models may import beyond scikit-learn and this program."""

    allow: tuple[ImportPath, ...] = Field(
        (), description="estimator classes of your own, package.module.Class; what they import is run"
    )


class ForestSection(Section):
    """Forest by its definition."""

    definition: Text = Field("forest_current_rule", description="definition id; it travels with every figure")
    forest_classes: tuple[ClassId, ...] = Field(min_length=1, description="classes that count as forest")
    arbor_classes: tuple[ClassId, ...] = Field((), description="classes that carry growing stock")
    tree_cover_classes: tuple[ClassId, ...] = Field((), description="all classes under trees, forest or not")
    min_area_ha: float = Field(0.0667, ge=0, le=100, description="smallest patch that is forest")


class LandUseSection(Section):
    """Polygons of the land survey (三调), for coverage under a rule that names their codes; left out unless given."""

    polygons: Text = Field(description="polygons with a column of land-use codes, over whole zones")
    class_field: Text = Field("land_use", description="the column of codes")
    layer: Text | None = None
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    definition: Text = Field(
        "forest_current_rule_land_use", description="definition id that names the codes that count"
    )
    codes: dict[str, str] = Field(default_factory=dict, description="value of the column -> code, where it holds none")
    year: int | None = Field(None, ge=1980, le=2100, description="year the polygons describe")


class WetlandSection(Section):
    """Wetlands."""

    classes: dict[ClassId, Literal["water", "marsh"]] = Field(default_factory=dict, description="map class -> kind")
    sites: Text | None = Field(None, description="list of wetland sites")
    outlines: Text | None = Field(None, description="polygons of the sites with site_id, for their monitoring")
    outlines_datum: Literal["wgs84", "gcj02"] = "wgs84"
    least_pixels: int = Field(50, ge=4, description="sites of fewer pixels are too small to be monitored")
    gwp_set: Text = Field("AR5", description="warming potential of methane over 100 years: AR5 (28), AR6 (27.0), ...")
