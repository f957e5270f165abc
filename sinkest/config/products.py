"""Sections on folders of standard products."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinkest.config.base import Section, Text


class DeclaredSection(Section):
    """Multiband GeoTIFFs that metadata do not tell, e.g. of GF-1 and GF-6: one date a file name."""

    path: Text = Field(description="folder, relative to the folder of products")
    date_format: Text = Field(description="where the date stands in the file names, as strptime writes it")
    sensor: Text = Field(description="sensor, for the record, e.g. 'gf-6'")
    bands: dict[str, int | str] = Field(min_length=1, description="common band name -> band number, or file pattern")
    scale: float = Field(gt=0, description="stored value times scale plus offset is reflectance")
    offset: float = Field(0.0, description="see scale")
    nodata: float | None = Field(None, description="stored value that means no data; default: what the file declares")


class ProductsSection(Section):
    """A folder of products as they were delivered; what is what is told by their metadata."""

    path: Text = Field(description="folder; its subfolders are looked into")
    bands: tuple[str, ...] = Field((), description="bands that optical products must have; default: all of the sensor")
    sensors: tuple[str, ...] = Field((), description="optical sensors to use; default: all that are found")
    radar: Literal["linear", "db"] | None = Field(None, description="what Sentinel-1 mosaics hold; default: their unit")
    palsar_year: int | None = Field(None, ge=2006, le=2100, description="year of the PALSAR mosaics; default: latest")
    elevation: Text | None = Field(None, description="elevation model in metres; default: the tiles in the folder")
    resampling: Literal["bilinear", "cubic", "nearest"] = Field("bilinear", description="where grids differ")
    declared: tuple[DeclaredSection, ...] = ()
