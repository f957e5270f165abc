"""Expressions that the service evaluates: passes, composites, terrain, maps of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ee

from sinkest.imagery.earthengine import assets
from sinkest.imagery.earthengine.formula import index_image
from sinkest.imagery.sensors import PALSAR_OFFSET_DB

SCORE = "score"
INDEX = "system:index"
Groups = Sequence[Sequence[str]]
"""Granules of each pass, by their ids within the collection."""


@dataclass(frozen=True)
class Looking:
    """How a pass becomes what it saw of the ground.

    Attributes
    ----------
    cloud_band : str
        Band of Cloud Score+.
    threshold : float
        Least score of a clear pixel.
    resampling : {"nearest", "bilinear", "bicubic"}
        For bands whose grid is not the one asked for.
    """

    cloud_band: str
    threshold: float
    resampling: str

    def resampled(self, image: ee.Image) -> ee.Image:
        """The image, read between its pixels if that is wanted."""
        return image if self.resampling == "nearest" else image.resample(self.resampling)


def region(bounds: tuple[float, float, float, float]) -> ee.Geometry:
    """A rectangle from west, south, east, north in degrees."""
    return ee.Geometry.Rectangle(list(bounds), "EPSG:4326", False)


# -- optical --------------------------------------------------------------------------------------------------------


def optical_passes(groups: Groups, bands: Sequence[str], looking: Looking) -> ee.ImageCollection:
    """One image a pass: stored reflectance of ``bands`` and the score; of overlapping granules the first by name.

    Where a granule has no Cloud Score+ partner it is masked: nothing tells then what is cloud.
    """
    stored = [assets.OPTICAL[band] for band in bands]

    def granule(image: ee.Image) -> ee.Image:
        score = image.select([looking.cloud_band], [SCORE])
        return looking.resampled(image.select(stored, list(bands))).addBands(score).updateMask(score.mask())

    names = [name for group in groups for name in group]
    linked = (
        ee.ImageCollection(assets.SENTINEL2)
        .filter(ee.Filter.inList(INDEX, names))
        .linkCollection(ee.ImageCollection(assets.CLOUD_SCORE), [looking.cloud_band])
        .map(granule)
    )
    return _mosaics(linked, groups)


def seen(passes: ee.ImageCollection, bands: Sequence[str], looking: Looking, dilate_px: int) -> ee.ImageCollection:
    """Passes, masked to the ground that they saw in all bands, clouds widened by a disk of pixels of the output."""

    def look(image: ee.Image) -> ee.Image:
        score, values = image.select(SCORE), image.select(list(bands))
        clear = score.gte(looking.threshold).And(values.mask().reduce(ee.Reducer.min()).gt(0))
        if dilate_px > 0:
            # Outside the pass there is no score, and no cloud that could spread.
            cloud = score.lt(looking.threshold).unmask(0, False)
            clear = clear.And(cloud.focalMax(dilate_px, "circle", "pixels").Not())
        return values.updateMask(clear)

    return passes.map(look)


def season_parts(
    season: str, looks: ee.ImageCollection, bands: Sequence[str], counted: str | None = None
) -> list[ee.Image]:
    """Median of each band over the looks, and how many there were at each pixel."""
    median = looks.select(list(bands)).median().rename([f"{season}_{band}" for band in bands])
    count = looks.select([counted or bands[0]]).count().unmask(0, False).rename([f"count_{season}"])
    return [median, count]


def percentiles(looks: ee.ImageCollection, index: str, wanted: Sequence[float]) -> ee.Image:
    """Percentiles of an index over the looks, bands ``<index>_p10``, ..."""

    def value(image: ee.Image) -> ee.Image:
        # float32, as reflectance is everywhere else, so that the same numbers give the same index
        return index_image(index, image.toDouble().multiply(assets.REFLECTANCE_SCALE).toFloat())

    names = [f"p{percent:.0f}" for percent in wanted]
    return looks.map(value).reduce(ee.Reducer.percentile(list(wanted), names))


# -- radar ----------------------------------------------------------------------------------------------------------


def radar_passes(groups: Groups, bands: Sequence[str]) -> ee.ImageCollection:
    """One image a pass: linear gamma nought of ``bands`` on the ellipsoid."""
    stored = [assets.RADAR[band] for band in bands]

    def granule(image: ee.Image) -> ee.Image:
        incidence = image.select(assets.INCIDENCE).resample("bilinear").multiply(math.pi / 180.0)
        return image.select(stored, list(bands)).divide(incidence.cos()).toFloat()

    names = [name for group in groups for name in group]
    found = ee.ImageCollection(assets.SENTINEL1).filter(ee.Filter.inList(INDEX, names)).map(granule)
    return _mosaics(found, groups)


def _mosaics(granules: ee.ImageCollection, groups: Groups) -> ee.ImageCollection:
    # In a mosaic the last image lies on top.
    return ee.ImageCollection.fromImages(
        [
            ee.ImageCollection(granules.filter(ee.Filter.inList(INDEX, list(group)))).sort(INDEX, False).mosaic()
            for group in groups
        ]
    )


# -- without a date -------------------------------------------------------------------------------------------------


def elevation(model: assets.ElevationModel) -> ee.Image:
    """Elevation in metres, read by cubic convolution: bilinear leaves facets in the slope."""
    if model.transform is None:
        image = ee.Image(model.asset).select([model.band], ["elevation"])
    else:
        mosaic = ee.ImageCollection(model.asset).select([model.band], ["elevation"]).mosaic()
        # A mosaic has no grid of its own to read between the pixels of.
        image = mosaic.setDefaultProjection("EPSG:4326", list(model.transform))
    return image.resample("bicubic")


def yearly(name: str, year: int) -> ee.ImageCollection | None:
    """Images of a year that a map of others is made of; None where the map is not a yearly one."""
    asset = assets.YEARLY.get(name)
    return None if asset is None else ee.ImageCollection(asset).filterDate(f"{year}-01-01", f"{year + 1}-01-01")


def layer(name: str, year: int) -> ee.Image:
    """A map of others: one band of that name."""
    images = yearly(name, year)
    if images is not None and name != "dynamic_world":
        mosaic = images.mosaic()
        decibel = mosaic.select(name[-2:].upper()).toDouble().pow(2).log10().multiply(10).add(PALSAR_OFFSET_DB)
        quality = mosaic.select("qa")
        for code in assets.PALSAR_UNUSABLE:
            decibel = decibel.updateMask(quality.neq(code))
        return decibel.rename([name])
    if name == "worldcover":
        return ee.ImageCollection(assets.WORLDCOVER).mosaic().select(["Map"], [name])
    if images is not None:
        return images.select(["label"]).reduce(ee.Reducer.mode()).rename([name])
    return ee.Image(assets.JRC_WATER).select(["occurrence"], [name])


# -- lists ----------------------------------------------------------------------------------------------------------


def granules(
    collection: ee.ImageCollection,
    bounds: tuple[float, float, float, float],
    start: str,
    end: str,
    wanted: Mapping[str, str],
) -> ee.FeatureCollection:
    """One feature a granule that touches the bounds from ``start`` up to, not with, ``end``: its box and properties."""

    def described(image: ee.Image) -> ee.Feature:
        told = {ours: image.get(theirs) for ours, theirs in wanted.items()}
        return ee.Feature(image.geometry().bounds(1), told)

    found = collection.filterBounds(region(bounds)).filterDate(start, end)
    return ee.FeatureCollection(found.map(described))
