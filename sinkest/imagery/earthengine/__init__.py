"""Earth Engine: composites, single passes, terrain, maps of others and GEDI shots, over earthengine-api."""

from sinkest.imagery.earthengine.auth import Account
from sinkest.imagery.earthengine.pace import Pace
from sinkest.imagery.earthengine.source import Choices, EarthEngineSource

__all__ = ["Account", "Choices", "EarthEngineSource", "Pace"]
