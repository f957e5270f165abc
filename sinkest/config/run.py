"""A whole configuration, and how it is read from its file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sinkest.config.base import Section, Slug, Text, problem
from sinkest.config.imagery import FeaturesSection, ImagerySection
from sinkest.config.maps import (
    ALL_TYPES,
    AoiSection,
    ForestSection,
    LandCoverSection,
    LandUseSection,
    ModelsSection,
    StockSection,
    WetlandSection,
)
from sinkest.config.numbers import (
    AccountSection,
    CroplandSection,
    EstimateSection,
    RestorationSection,
    ScenarioSection,
    TargetsSection,
)
from sinkest.errors import ConfigError
from sinkest.limits import CONFIG_BYTES
from sinkest.messages import Message, catalogue
from sinkest.shipped import resolve

CONFIG_VERSION = 1
MAX_BYTES = CONFIG_BYTES


class ReportSection(Section):
    """The report."""

    title_zh: Text | None = None
    title_en: Text | None = None
    map_pixels: int = Field(900, ge=100, le=4000, description="longer side of the maps in the page")


class ExecutionSection(Section):
    """How the work is done; no number depends on it, but for what is looked up in a composite that is kept."""

    block_size: int = Field(512, ge=128, multiple_of=128)
    workers: int = Field(2, ge=1, le=256)
    scheduler: Text | None = Field(
        None, pattern=r"^(local:[1-9]\d{0,2}|(tcp|tls|ws|wss)://.+)$", description="processes of a Dask cluster"
    )
    memory_gib: float | None = Field(None, gt=0, le=100_000, description="most memory that threads may take")
    keep_composite: bool = Field(True, description="write the composite to a file; without, maps are made in one pass")


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
    models: ModelsSection = ModelsSection()
    land_cover: LandCoverSection | None = None
    stock: StockSection | None = None
    forest: ForestSection | None = None
    land_use: LandUseSection | None = None
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
                raise problem("unknown_class", key=key, given=unknown, expected=", ".join(sorted(known)))
        if self.land_cover is not None and self.forest is None:
            raise problem("forest_missing")
        names = [scenario.id for scenario in self.scenarios]
        if len(set(names)) != len(names):
            raise problem("duplicate", what="scenarios.id")
        return self

    def _named_classes(self) -> Iterator[tuple[str, list[str]]]:
        if self.forest is not None:
            yield "forest.forest_classes", list(self.forest.forest_classes)
            yield "forest.arbor_classes", list(self.forest.arbor_classes)
            yield "forest.tree_cover_classes", list(self.forest.tree_cover_classes)
        if self.stock is not None:
            yield "stock.age_limits", [name for name in self.stock.age_limits if name != ALL_TYPES]
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

    def executing(self, **given: Any) -> LoadedConfig:
        """The same configuration with other settings of ``execution``; None leaves one as it is.

        Raises
        ------
        ConfigError
            If a value is not one that the file could hold.
        """
        settings = self.spec.execution.model_dump() | {key: one for key, one in given.items() if one is not None}
        try:
            execution = ExecutionSection.model_validate(settings)
        except ValidationError as error:
            problems = tuple(_explain({**item, "loc": ("execution", *item["loc"])}) for item in error.errors())
            raise ConfigError("config.invalid", file=self.path, problems=problems) from error
        return LoadedConfig(self.path, self.spec.model_copy(update={"execution": execution}))

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
    fields["given"] = fields.get("given", repr(given) if isinstance(given, str | int | float | bool | date) else "-")
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
