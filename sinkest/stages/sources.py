"""From a configuration to the imagery source that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sinkest.config import LoadedConfig
from sinkest.errors import ConfigError
from sinkest.imagery.source import Source


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


def _no_section(source: str) -> ConfigError:
    return ConfigError("config.own_source_section", key="imagery", source=source)


_MAKERS: Mapping[str, Callable[[LoadedConfig], Source]] = {
    "simulated": _simulated,
    "static": _static,
    "stack": _stack,
}
