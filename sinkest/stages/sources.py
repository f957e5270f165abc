"""From a configuration to the imagery source that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sinkest.config import LoadedConfig
from sinkest.errors import ConfigError
from sinkest.imagery.source import Source

if TYPE_CHECKING:
    from sinkest.imagery.earthengine import Account


def make_source(config: LoadedConfig) -> Source:
    """The imagery source that a configuration names."""
    return _MAKERS[config.spec.imagery.source](config)


def _simulated(config: LoadedConfig) -> Source:
    from sinkest.imagery.simulated import SimulatedSource

    options = config.spec.imagery.simulated
    return SimulatedSource(
        seed=options.seed,
        year=config.spec.year,
        scenes_per_season=options.scenes_per_season,
        cloudiness=options.cloudiness,
        radar=options.radar,
    )


def _static(config: LoadedConfig) -> Source:
    from sinkest.imagery.static import StaticSource

    static = config.spec.imagery.static
    if static is None:
        raise _no_section("static")
    return StaticSource({name: config.file(path) for name, path in static.layers.items()})


def _stack(config: LoadedConfig) -> Source:
    from sinkest.imagery.local import StackSource

    stack = config.spec.imagery.stack
    if stack is None:
        raise _no_section("stack")
    declared = stack.model_dump(exclude={"path", "elevation", "layout", "bands"})
    elevation = None if stack.elevation is None else config.file(stack.elevation)
    return StackSource(config.file(stack.path), stack.layout, stack.bands, elevation=elevation, **declared)


def _composite(config: LoadedConfig) -> Source:
    from sinkest.imagery.composite import CompositeSource

    composite = config.spec.imagery.composite
    if composite is None:
        raise _no_section("composite")
    return CompositeSource(config.file(composite.path), config.spec.year)


def _earthengine(config: LoadedConfig) -> Source:
    from sinkest.imagery.earthengine import Choices, EarthEngineSource, Pace
    from sinkest.stages.context import make_cube

    section = config.spec.imagery.earthengine
    if section is None:
        raise _no_section("earthengine")
    told = section.model_dump()  # without what is left out of records
    choices = Choices(config.spec.year, **told)
    pace = Pace(section.concurrency, section.attempts, tile_px=section.tile_px)
    cube = make_cube(config)
    composes = cube.method == "median" and cube.radar.is_plain and cube.topographic_correction == "none"
    return EarthEngineSource(earthengine_account(config), choices, pace, composes=composes)


def earthengine_account(config: LoadedConfig) -> Account:
    """Who asks Earth Engine under a configuration."""
    from sinkest.imagery.earthengine.auth import Account, project_of_environment

    section = config.spec.imagery.earthengine
    if section is None:
        raise _no_section("earthengine")
    key = None if section.credentials is None else config.file(section.credentials)
    project = section.project or project_of_environment() or ""
    return Account(project, key, section.url.rstrip("/"), section.deadline_s)


def _stac(config: LoadedConfig) -> Source:
    from sinkest.imagery.stac.make import make_source as stac_source
    from sinkest.imagery.stac.patience import Patience

    section = config.spec.imagery.stac
    if section is None:
        raise _no_section("stac")
    told = section.elevation
    on_disk = told is not None and told != "catalogue" and not told.startswith("collection:")
    return stac_source(
        section.preset,
        url=section.url,
        items=None if section.items is None else config.file(section.items),
        collection=section.collection,
        layout=section.model_dump(include={"sensor", "assets", "qa", "qa_kind", "offsets"}),
        radar_collection=section.radar_collection,
        elevation=config.file(told) if on_disk and told is not None else told,
        token_url=section.token_url,
        patience=Patience(section.timeout_s, section.retries, section.retry_delay_s),
        max_cloud=section.max_cloud,
        allowed_failures=section.allowed_failures,
        resampling=section.resampling,
    )


def _products(config: LoadedConfig) -> Source:
    from sinkest.imagery.products.source import Declared, ProductsSource

    section = config.spec.imagery.products
    if section is None:
        raise _no_section("products")
    told = section.model_dump(exclude={"path", "elevation", "declared"})
    elevation = None if section.elevation is None else config.file(section.elevation)
    declared = [Declared(**one.model_dump()) for one in section.declared]
    return ProductsSource(config.file(section.path), elevation=elevation, declared=declared, **told)


def _no_section(source: str) -> ConfigError:
    return ConfigError("config.own_source_section", key="imagery", source=source)


_MAKERS: Mapping[str, Callable[[LoadedConfig], Source]] = {
    "simulated": _simulated,
    "static": _static,
    "stack": _stack,
    "earthengine": _earthengine,
    "composite": _composite,
    "stac": _stac,
    "products": _products,
}
