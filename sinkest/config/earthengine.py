"""Sections on composites that are made elsewhere: by Earth Engine, or by another run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinkest.config.base import Section, Text

PROJECT = r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$"

CrossCheck = Literal["palsar_hh", "palsar_hv", "worldcover", "dynamic_world", "jrc_water"]


class EarthEngineSection(Section):
    """Sentinel-2, Sentinel-1 and terrain from Earth Engine, composed there.

    Who asks, and how fast, changes no pixel. These keys are left out of every record of a run, so that a change of
    account keeps finished blocks, and no name of an account or a file travels with the results. Whoever repeats a run
    from its record names a project of his own: in the environment, as SINKEST_EE_PROJECT.
    """

    project: str | None = Field(
        None, pattern=PROJECT, exclude=True, description="Cloud project registered for Earth Engine"
    )
    credentials: Text | None = Field(None, exclude=True, description="JSON key file; default: where the tools look")
    url: Text = Field("https://earthengine-highvolume.googleapis.com", exclude=True, description="address of the API")
    concurrency: int = Field(16, ge=1, le=40, exclude=True, description="requests at a time; fewer when told to slow")
    deadline_s: float = Field(300.0, gt=0, le=3600, exclude=True, description="longest time of one request")
    attempts: int = Field(8, ge=1, le=20, exclude=True, description="tries of one request before the run stops")
    tile_px: int = Field(512, ge=32, le=32768, exclude=True, description="longest side of a request in pixels")
    cloud_band: Literal["cs_cdf", "cs"] = Field(
        "cs_cdf", description="band of Cloud Score+ that tells clear from cloud"
    )
    cloud_threshold: float = Field(0.6, gt=0, lt=1, description="least score of a clear pixel")
    max_scene_cloud: float = Field(90.0, ge=0, le=100, description="granules with more cloud, in percent, are left out")
    orbit: Literal["both", "ascending", "descending"] = Field("both", description="Sentinel-1 passes")
    resampling: Literal["nearest", "bilinear", "bicubic"] = Field("bilinear", description="where grids differ")
    elevation: Literal["glo30", "nasadem"] = Field("glo30", description="elevation model")
    layers: tuple[CrossCheck, ...] = Field((), description="maps of others to hold the results against")


class CompositeSection(Section):
    """Composites that another run made of the same area, on the same grid."""

    path: Text = Field(description="folder `compose` of that run, or its composite.tif with scenes.json beside it")
