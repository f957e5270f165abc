"""Section on STAC catalogues."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_serializer

from sinkest.addresses import plain
from sinkest.config.base import Section, Text


class StacSection(Section):
    """A STAC catalogue, online or saved.

    How long is waited, how often asked, and who hands out tokens, changes no pixel: these keys are left out of every
    record of a run, so that a change of them keeps finished blocks. So is what an address holds besides its place:
    names and keys of an account are used, but not written.
    """

    preset: Literal["earth-search", "planetary-computer"] | None = Field(None, description="a catalogue known by name")
    url: Text | None = Field(None, description="address of any other catalogue")
    items: Text | None = Field(None, description="saved ItemCollection, used instead of a catalogue online")
    collection: Text | None = Field(None, description="optical collection; default: the preset's")
    sensor: Text | None = Field(None, description="sensor of the collection; default: the preset's")
    assets: dict[str, str] | None = Field(None, description="common band name -> asset; default: the preset's")
    qa: Text | None = Field(None, description="asset of the quality band; default: the preset's")
    qa_kind: Literal["scl", "qa_pixel"] | None = Field(None, description="its kind")
    offsets: Literal["auto", "baseline", "flag", "declared", "none"] | None = Field(
        None, description="what tells the offset of Sentinel-2 reflectance; default: the preset's"
    )
    radar_collection: str | None = Field(None, description="Sentinel-1 collection; '' for none; default: the preset's")
    elevation: Text | None = Field(
        None, description="elevation model on disk, 'catalogue' for the preset's, or 'collection:<id>'"
    )
    max_cloud: float | None = Field(None, ge=0, le=100, description="items with more clouds (percent) are not used")
    allowed_failures: int = Field(0, ge=0, description="reads that may fail for good; what they miss is reported")
    token_url: Text | None = Field(None, exclude=True, description="service of access tokens, instead of the preset's")
    timeout_s: float = Field(60.0, ge=1, le=3600, exclude=True, description="longest wait for one request")
    retries: int = Field(5, ge=0, le=20, exclude=True, description="times that a failing request is made again")
    retry_delay_s: float = Field(1.0, ge=0, le=60, exclude=True, description="first wait between two tries; it doubles")
    resampling: Literal["bilinear", "cubic", "nearest"] = Field("bilinear", description="where grids differ")

    @field_serializer("url")
    def _place(self, url: str | None) -> str | None:
        return None if url is None else plain(url)
