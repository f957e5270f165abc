"""The configuration of a run: one specification for validation, templates and documentation.

A configuration is a TOML file. Unknown keys are errors; paths are relative to the file; ``shipped:`` names what comes
with the program.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from datetime import date as Date  # noqa: N812
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from sinkest.errors import ConfigError
from sinkest.messages import Message, catalogue
from sinkest.shipped import resolve

CONFIG_VERSION = 1
MAX_BYTES = 1_000_000
MONTH_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"

Text = Annotated[str, Field(min_length=1, max_length=300)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ClassId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Section(BaseModel):
    """Base of all sections: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
            raise _problem("one_grid")
        if self.path is None and self.grid_from is None:
            raise _problem("path_or_grid")
        return self


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
            raise _problem("qa_pair")
        if self.layout == "single_file" and self.date is None:
            raise _problem("single_date")
        if (self.layout == "list") != (self.scenes is not None):
            raise _problem("scene_list")
        if self.layout.endswith("per_date") and self.date_format is None:
            raise _problem("date_format")
        return self


class StaticSection(Section):
    """Ready predictor rasters without a date, each of any unit."""

    layers: dict[str, str] = Field(min_length=1, description="predictor name -> raster file")


class ImagerySection(Section):
    """Where imagery comes from, and the seasons it is composed for."""

    source: Literal["simulated", "stack", "static"]
    seasons: tuple[Season, ...] = ()
    years: int = Field(1, ge=1, le=60, description="years up to and with the run's year that a composite may use")
    simulated: SimulatedSection = SimulatedSection()
    stack: StackSection | None = None
    static: StaticSection | None = None

    @model_validator(mode="after")
    def _complete(self) -> ImagerySection:
        if self.source != "simulated" and getattr(self, self.source) is None:
            raise _problem("source_section", source=self.source)
        if self.source != "static" and not self.seasons:
            raise _problem("seasons")
        names = [season.name for season in self.seasons]
        if len(set(names)) != len(names):
            raise _problem("duplicate", what="imagery.seasons.name")
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

    @model_validator(mode="after")
    def _once(self) -> FeaturesSection:
        for name in ("bands", "radar_bands", "indices"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise _problem("duplicate", what=f"features.{name}")
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
                raise _problem("duplicate", what=f"land_cover.classes.{name}")
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


class ForestSection(Section):
    """Forest by its definition."""

    definition: Text = Field("forest_current_rule", description="definition id; it travels with every figure")
    forest_classes: tuple[ClassId, ...] = Field(min_length=1, description="classes that count as forest")
    arbor_classes: tuple[ClassId, ...] = Field((), description="classes that carry growing stock")
    tree_cover_classes: tuple[ClassId, ...] = Field((), description="all classes under trees, forest or not")
    min_area_ha: float = Field(0.0667, ge=0, le=100, description="smallest patch that is forest")


class WetlandSection(Section):
    """Wetlands."""

    classes: dict[ClassId, Literal["water", "marsh"]] = Field(default_factory=dict, description="map class -> kind")
    sites: Text | None = Field(None, description="list of wetland sites")
    gwp_set: Text = Field("AR5", description="warming potential of methane over 100 years: AR5 (28), AR6 (27.0), ...")


class CroplandSection(Section):
    """Soil of cropland, and the methane of paddies; left out unless a table is named."""

    table: Text | None = Field(None, description="fields whose use, tillage or input changed")


class RestorationSection(Section):
    """Treatment polygons of rocky desertification, corridors and greenways; left out unless a file is named."""

    treatments: Text | None = Field(None, description="polygons with treatment_id, kind, method, year")
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    season: ClassId | None = Field(None, description="season whose greenness is compared with account.previous_run")


class EstimateSection(Section):
    """Reference sample, field inference, intervals."""

    reference: Text | None = Field(None, description="interpreted reference points")
    strata: Text | None = Field(None, description="areas of the strata the points were drawn from")
    reference_datum: Literal["wgs84", "gcj02"] = "wgs84"
    labelled_under: Text | None = Field(None, description="definition id under which the points were interpreted")
    level: float = Field(0.95, gt=0.5, lt=1)
    min_plots: int = Field(10, ge=2, description="a zone with fewer plots gets no estimate of its own")


class AccountSection(Section):
    """From stock to carbon and sink."""

    conversion_set: Text = Field("LI2016", description="volume-to-biomass set")
    ensemble: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="conversion set -> weight in the draws; default: the verified sets"
    )
    accept_provisional: bool = Field(False, description="print what rests on coefficients not checked at their source")
    forest_types: dict[ClassId, str] = Field(default_factory=dict, description="map class -> factor type")
    bamboo_class: ClassId | None = None
    oil_tea_class: ClassId | None = None
    shrub_class: ClassId | None = None
    bamboo_culms_per_ha: float | None = Field(
        None, gt=0, le=30_000, description="culms a hectare, in place of a density"
    )
    removals_m3_yr: float | None = Field(None, ge=0, description="cut and dead volume a year, for the gain-loss check")
    removals_se_m3_yr: float = Field(0.0, ge=0, description="its standard error")
    stand_ages: dict[ClassId, Annotated[float, Field(ge=0, le=300)]] = Field(
        default_factory=dict, description="map class -> mean age in years, for the gain-loss check"
    )
    draws: int = Field(10_000, ge=10_000, le=200_000)
    previous_run: Text | None = Field(None, description="folder of an earlier year's run; change and sink since then")


class TargetsSection(Section):
    """What the estimates are held against."""

    path: Text = "shipped:configs/targets-zhuzhou.toml"
    coverage_band_pp: float | None = Field(None, gt=0, description="half width of 'about', in points")


class RateSection(Section):
    """A rate a year and its standard deviation."""

    mean: float
    sd: float = Field(0.0, ge=0)


class ScenarioSection(Section):
    """What is assumed of the years until the targets; one ``[[scenarios]]`` each, none by default."""

    id: ClassId
    zh: Text
    en: Text
    growth_percent: RateSection | None = Field(
        None, description="growth of the stock in percent a year before harvest; else the measured change goes on"
    )
    harvest_m3: RateSection = Field(RateSection(mean=0), description="volume cut a year, m3")
    planting_ha: RateSection = Field(RateSection(mean=0), description="land that becomes forest a year, ha")
    loss_ha: RateSection = Field(RateSection(mean=0), description="forest lost a year, ha")
    young_m3_ha: RateSection = Field(RateSection(mean=0), description="growth a year on planted land, m3/ha")

    @model_validator(mode="after")
    def _possible(self) -> ScenarioSection:
        for name in ("harvest_m3", "planting_ha", "loss_ha", "young_m3_ha"):
            if getattr(self, name).mean < 0:
                raise _problem("negative_rate", key=f"scenarios.{self.id}.{name}")
        return self


class ReportSection(Section):
    """The report."""

    title_zh: Text | None = None
    title_en: Text | None = None
    map_pixels: int = Field(900, ge=100, le=4000, description="longer side of the maps in the page")


class ExecutionSection(Section):
    """How the work is done; no result depends on it."""

    block_size: int = Field(512, ge=128, multiple_of=128)
    workers: int = Field(2, ge=1, le=256)


class RunConfig(Section):
    """A whole configuration."""

    version: int
    name: Slug
    year: int = Field(ge=1972, le=2100)
    seed: int = Field(0, ge=0)
    runs: Text = Field("runs", description="folder of the run folders")
    aoi: AoiSection
    imagery: ImagerySection
    features: FeaturesSection = FeaturesSection()
    land_cover: LandCoverSection | None = None
    stock: StockSection | None = None
    forest: ForestSection | None = None
    wetland: WetlandSection = WetlandSection()
    estimate: EstimateSection = EstimateSection()
    account: AccountSection = AccountSection()
    cropland: CroplandSection = CroplandSection()
    restoration: RestorationSection = RestorationSection()
    targets: TargetsSection | None = None
    scenarios: tuple[ScenarioSection, ...] = ()
    report: ReportSection = ReportSection()
    execution: ExecutionSection = ExecutionSection()

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        known = {item.id for item in self.land_cover.classes} if self.land_cover else set()
        for key, ids in self._named_classes():
            for unknown in sorted(set(ids) - known):
                raise _problem("unknown_class", key=key, given=unknown, expected=", ".join(sorted(known)))
        if self.land_cover is not None and self.forest is None:
            raise _problem("forest_missing")
        names = [scenario.id for scenario in self.scenarios]
        if len(set(names)) != len(names):
            raise _problem("duplicate", what="scenarios.id")
        return self

    def _named_classes(self) -> Iterator[tuple[str, list[str]]]:
        if self.forest is not None:
            yield "forest.forest_classes", list(self.forest.forest_classes)
            yield "forest.arbor_classes", list(self.forest.arbor_classes)
            yield "forest.tree_cover_classes", list(self.forest.tree_cover_classes)
        yield "wetland.classes", list(self.wetland.classes)
        yield "account.forest_types", list(self.account.forest_types)
        yield "account.stand_ages", list(self.account.stand_ages)
        account = self.account
        for key in ("bamboo_class", "oil_tea_class", "shrub_class"):
            value = getattr(account, key)
            yield f"account.{key}", [value] if value else []


class LoadedConfig:
    """A configuration and the file it came from.

    Attributes
    ----------
    path : Path
        The file.
    spec : RunConfig
        Its validated content.
    """

    def __init__(self, path: Path, spec: RunConfig) -> None:
        self.path = path
        self.spec = spec

    @cached_property
    def base(self) -> Path:
        """Folder that relative paths start from."""
        return self.path.resolve().parent

    def file(self, value: str) -> Path:
        """Path on disk of a path in the configuration."""
        return resolve(value, self.base)

    @property
    def run_folder(self) -> Path:
        """Folder of the run."""
        return self.file(self.spec.runs) / f"{self.spec.name}-{self.spec.year}"

    def accepting_provisional(self) -> LoadedConfig:
        """The same configuration with ``account.accept_provisional``."""
        account = self.spec.account.model_copy(update={"accept_provisional": True})
        return LoadedConfig(self.path, self.spec.model_copy(update={"account": account}))

    def codes(self, ids: tuple[str, ...] | list[str]) -> list[int]:
        """Codes of land-cover classes by their ids, ascending."""
        if self.spec.land_cover is None:
            return []
        return sorted(item.code for item in self.spec.land_cover.classes if item.id in set(ids))


def load_config(path: Path) -> LoadedConfig:
    """Read and validate a configuration.

    Parameters
    ----------
    path : Path
        A TOML file.

    Raises
    ------
    ConfigError
        If the file is missing, too large, no TOML, of another version, or has unknown keys or bad values; every
        problem of the file is named at once, with the key, what was expected, and the nearest valid key.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError("config.unreadable", file=path, reason=error.strerror or str(error)) from error
    if len(content) > MAX_BYTES:
        raise ConfigError("config.too_large", file=path, size=len(content), limit=MAX_BYTES)
    try:
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError("config.not_toml", file=path, reason=str(error)) from error
    if raw.get("version") != CONFIG_VERSION:
        raise ConfigError("config.version", file=path, given=raw.get("version", "-"), expected=CONFIG_VERSION)
    try:
        return LoadedConfig(path, RunConfig.model_validate(raw))
    except ValidationError as error:
        problems = tuple(_explain(item) for item in error.errors())
        raise ConfigError("config.invalid", file=path, problems=problems) from error


def _problem(name: str, **fields: str) -> PydanticCustomError:
    """A problem of ours, in the form that the validation carries along."""
    return PydanticCustomError(f"own_{name}", "see the catalogue", fields)


def _explain(problem: ErrorDetails) -> Message:
    location = [str(part) for part in problem["loc"]]
    context = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in problem.get("ctx", {}).items()
    }
    fields: dict[str, Any] = {"key": ".".join(location) or "(file)", **context}
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(location[-1], _fields_at(problem["loc"][:-1]), 1)
        if near:
            return Message.of("config.unknown_key_near", nearest=near[0], **fields)
        return Message.of("config.unknown_key", **fields)
    given = problem.get("input")
    fields["given"] = fields.get("given", repr(given) if isinstance(given, str | int | float | bool | Date) else "-")
    entry = f"config.{problem['type']}"
    if entry not in catalogue():
        return Message.of("config.other", message=problem["msg"], **fields)
    return Message.of(entry, **fields)


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    """Names of the valid keys of the section at a location."""
    section: type[BaseModel] | None = RunConfig
    for part in location:
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return []
        section = _section_of(section.model_fields[part].annotation)
    return list(section.model_fields) if section else []


def _section_of(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_of(inner)
        if found is not None:
            return found
    return None
