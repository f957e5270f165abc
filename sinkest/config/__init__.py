"""The configuration of a run: one specification for validation, templates and documentation.

A configuration is a TOML file. Unknown keys are errors; paths are relative to the file; ``shipped:`` names what comes
with the program.
"""

from sinkest.config.imagery import Season
from sinkest.config.maps import ForestSection, LandCoverClass, LandCoverSection, StockSection
from sinkest.config.run import MAX_BYTES, LoadedConfig, ReportSection, RunConfig, load_config

__all__ = [
    "MAX_BYTES",
    "ForestSection",
    "LandCoverClass",
    "LandCoverSection",
    "LoadedConfig",
    "ReportSection",
    "RunConfig",
    "Season",
    "StockSection",
    "load_config",
]
