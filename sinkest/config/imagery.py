"""Sections on imagery: where it comes from, and what is made of it."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sinkest.config.base import ClassId, Section, Text, problem
from sinkest.config.earthengine import CompositeSection, EarthEngineSection
from sinkest.config.products import ProductsSection
from sinkest.config.stac import StacSection

MONTH_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


class Season(Section):
    """A part of the year that gets a composite of its own; it may wrap the year's end."""

    name: ClassId
    start: str = Field(pattern=MONTH_DAY, description="first day, MM-DD")
    end: str = Field(pattern=MONTH_DAY, description="last day, MM-DD")


class SimulatedSection(Section):
    """The virtual Zhuzhou as imagery."""

    seed: int = Field(20250101, ge=0, description="seed of the virtual landscape")
    scenes_per_season: int = Field(3, ge=1, le=24, description="Sentinel-2 dates a season")
    cloudiness: float = Field(0.45, ge=0, le=0.95, description="mean cloud cover of a date")
    radar: bool = Field(True, description="also Sentinel-1 VV and VH")


class StackSection(Section):
    """GeoTIFF or COG files on disk: a folder or file a date, or one multiband file."""

    path: Text = Field(description="folder, or one file")
    layout: Literal["folder_per_date", "file_per_date", "single_file", "list"] = Field(description="how dates lie")
    date_format: Text | None = Field(None, description="where the date stands in the name, as strptime writes it")
    date: Date | None = Field(None, description="date of a single file")
    scenes: dict[Date, list[Text]] | None = Field(None, description="files of each date, for the layout 'list'")
    sensor: Text = Field("optical", description="sensor, for the record")
    bands: dict[str, int | str] = Field(min_length=1, description="common band name -> band number, or file pattern")
    scale: float | None = Field(None, gt=0, description="stored value times scale plus offset is reflectance")
    offset: float | None = Field(None, description="see scale; without both, the sensor's standard numbers or 1 and 0")
    nodata: float | None = Field(None, description="stored value that means no data; default: what the file declares")
    qa: int | str | None = Field(None, description="quality band: band number, or file pattern")
    qa_kind: Literal["scl", "qa_pixel", "fmask", "clear"] | None = Field(None, description="its kind")
    elevation: Text | None = Field(None, description="elevation model in metres")
    resampling: Literal["bilinear", "cubic", "nearest"] = Field("bilinear", description="where grids differ")

    @model_validator(mode="after")
    def _complete(self) -> StackSection:
        if (self.qa is None) != (self.qa_kind is None):
            raise problem("qa_pair")
        if self.layout == "single_file" and self.date is None:
            raise problem("single_date")
        if (self.layout == "list") != (self.scenes is not None):
            raise problem("scene_list")
        if self.layout.endswith("per_date") and self.date_format is None:
            raise problem("date_format")
        return self


class StaticSection(Section):
    """Ready predictor rasters without a date, each of any unit."""

    layers: dict[str, str] = Field(min_length=1, description="predictor name -> raster file")


class ImagerySection(Section):
    """Where imagery comes from, and the seasons it is composed for."""

    source: Literal["simulated", "stack", "static", "earthengine", "composite", "stac", "products"]
    seasons: tuple[Season, ...] = ()
    years: int = Field(1, ge=1, le=60, description="years up to and with the run's year that a composite may use")
    simulated: SimulatedSection = SimulatedSection()
    stack: StackSection | None = None
    static: StaticSection | None = None
    earthengine: EarthEngineSection | None = None
    composite: CompositeSection | None = None
    stac: StacSection | None = None
    products: ProductsSection | None = None

    @model_validator(mode="after")
    def _complete(self) -> ImagerySection:
        if self.source != "simulated" and getattr(self, self.source) is None:
            raise problem("source_section", source=self.source)
        if self.source != "static" and not self.seasons:
            raise problem("seasons")
        names = [season.name for season in self.seasons]
        if len(set(names)) != len(names):
            raise problem("duplicate", what="imagery.seasons.name")
        return self


class FeaturesSection(Section):
    """What is computed from the composites and handed to the models, in this order."""

    bands: tuple[str, ...] = Field((), description="reflectance bands of every season")
    radar_bands: tuple[str, ...] = Field((), description="radar bands of every season")
    indices: tuple[str, ...] = Field((), description="spectral indices by their spyndex names")
    phenology_index: str | None = Field(None, description="index of which yearly percentiles are used")
    terrain: bool = Field(True, description="elevation, slope and aspect")
    composite: Literal["median", "medoid", "geomedian"] = "median"
    dilate_px: int = Field(1, ge=0, le=20, description="pixels by which clouds and shadows are widened")
    gap_fill: Literal["none", "year"] = Field("year", description="'year': a blind season takes the year's")
    radar_statistics: tuple[Literal["median", "mean", "sd", "cv", "ratio"], ...] = Field(
        ("median",),
        min_length=1,
        description="of the radar dates, in linear power; 'ratio' of the first band to the second",
    )
    radar_by_orbit: tuple[Literal["ascending", "descending"], ...] = Field(
        (), description="radar layers of their own for each of these passes; else all passes are one series"
    )
    radar_distortion: Literal["none", "mask", "flag"] = Field(
        "none", description="layover and shadow: 'mask' leaves out such dates, 'flag' adds a layer a pass"
    )
    topographic_correction: Literal["none", "scs+c"] = Field(
        "none", description="of every optical date, for scenes that tell where the sun stood"
    )

    @model_validator(mode="after")
    def _once(self) -> FeaturesSection:
        for name in ("bands", "radar_bands", "indices", "radar_statistics", "radar_by_orbit"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise problem("duplicate", what=f"features.{name}")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out at its default what came later, so that models learned before it still fit."""
        values: dict[str, Any] = dump(self)
        later = ("radar_statistics", "radar_by_orbit", "radar_distortion", "topographic_correction")
        unset = {name for name in later if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in values.items() if name not in unset}
