"""The map of wetlands: the classes of the land-cover map that count as wetland, over everything else."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sinkest.messages import Message, text
from sinkest.report.data import LegendClass, MapLayer

OTHER = 254
"""Code of land that is no wetland."""
_PALE = "#e8e4d8"


def wetland_layer(land_cover: MapLayer, class_ids: Collection[str]) -> MapLayer | None:
    """The wetland classes of a land-cover layer; None where the run declares none, or no code is left for other land.

    Parameters
    ----------
    land_cover : MapLayer
        With the legend of the run.
    class_ids : collection of str
        Classes that count as wetland.
    """
    kept = tuple(item for item in land_cover.legend if item.id in class_ids)
    if not kept or any(item.code == OTHER for item in land_cover.legend):
        return None
    codes = [item.code for item in kept]
    array = np.where(np.isin(land_cover.array, (0, *codes)), land_cover.array, OTHER).astype(np.uint8)
    rest = LegendClass(OTHER, "other_land", text("maps.other_land", "zh"), text("maps.other_land", "en"), _PALE)
    title, caption = Message.of("maps.wetland"), Message.of("maps.wetland_caption")
    return MapLayer("wetland", title, "classes", array, legend=(*kept, rest), caption=caption)
