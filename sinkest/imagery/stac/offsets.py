"""From stored numbers to reflectance, as the metadata of an item tell it; never by date.

Catalogues disagree. The Planetary Computer keeps the products as they were made, so the processing baseline tells the
offset. Earth Search's collection ``sentinel-2-l2a`` took it off most scenes and says so by a flag, while its asset
metadata (``raster:bands``) list the offset for all of them: there the flag counts, not the list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinkest.errors import SourceError
from sinkest.imagery import sentinel2
from sinkest.imagery.sensors import DEFAULT_SCALE, NumberScale
from sinkest.imagery.stac.presets import OffsetRule

FLAG = "earthsearch:boa_offset_applied"

_BASELINE_KEYS = ("s2:processing_baseline", "processing:version", "sentinel2:processing_baseline")

DARK_REFLECTANCE = 0.06
"""Of any scene with forest or water some clear pixels are darker in the red."""

RAISED_SHARE = 0.002
SUNK_SHARE = 0.2
GUARD_PIXELS = 2_000
"""Clear pixels below which the guard does not judge a scene."""


def baseline_of(properties: Mapping[str, Any], *names: str) -> tuple[int, int] | None:
    """Processing baseline of an item: its property, else the ``N0511`` of one of its names."""
    for key in _BASELINE_KEYS:
        found = sentinel2.baseline_of(properties.get(key))
        if found is not None:
            return found
    for name in (str(properties.get("s2:product_uri", "")), *names):
        for piece in name.split("_"):
            if piece[:1] == "N" and (found := sentinel2.baseline_of(piece)) is not None:
                return found
    return None


def declared_scale(asset: Mapping[str, Any]) -> NumberScale | None:
    """Scale and offset of the first band as an asset's metadata list them; None where they do not."""
    bands = asset.get("raster:bands") or asset.get("bands") or [{}]
    first = {**asset, **(bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], dict) else {})}
    scale, offset = (first.get(key, first.get(f"raster:{key}")) for key in ("scale", "offset"))
    if scale is None and offset is None:
        return None
    return NumberScale(float(scale if scale is not None else 1), float(offset if offset is not None else 0), None)


def scale_of(
    item: str, properties: Mapping[str, Any], asset: Mapping[str, Any], sensor: str, rule: OffsetRule
) -> tuple[NumberScale, str]:
    """How the numbers of an asset become reflectance or backscatter, and what told it.

    Parameters
    ----------
    item : str
        Id, for messages and the baseline that it may hold.
    properties : mapping
        Of the item.
    asset : mapping
        Fields of the asset.
    sensor : str
    rule : {"auto", "baseline", "flag", "declared", "none"}
        For Sentinel-2: by processing baseline; by Earth Search's flag; as the asset lists it; or nothing is to be
        added. ``auto`` takes the flag where there is one, else the baseline and what is listed, which must agree.

    Raises
    ------
    SourceError
        If the metadata do not tell, or contradict each other.
    """
    listed = declared_scale(asset)
    if sensor.startswith("sentinel-1"):
        return listed or NumberScale(1.0, 0.0, None), "linear gamma0"
    if sensor != "sentinel-2":
        scale = listed or DEFAULT_SCALE.get(sensor)
        if scale is None:
            raise SourceError("stac.no_scale", kind="mismatch", item=item, sensor=sensor)
        return scale, f"scale {scale.scale:g}, offset {scale.offset:g}, " + ("listed" if listed else "standard")
    if rule == "declared":
        if listed is None:
            raise SourceError("stac.no_scale", kind="mismatch", item=item, sensor=sensor)
        return listed, sentinel2.policy(listed.offset * sentinel2.QUANTIFICATION, "listed by the catalogue")
    offset, reason = _sentinel2_offset(item, properties, listed, rule)
    quantification = sentinel2.QUANTIFICATION
    return NumberScale(1 / quantification, offset / quantification, None), sentinel2.policy(offset, reason)


def _sentinel2_offset(
    item: str, properties: Mapping[str, Any], listed: NumberScale | None, rule: OffsetRule
) -> tuple[int, str]:
    if rule == "none":
        return 0, "as configured"
    baseline, flag = baseline_of(properties, item), properties.get(FLAG)
    if rule == "flag" or (rule == "auto" and isinstance(flag, bool)):
        if flag is True:
            return 0, f"{FLAG} is true"
        if not isinstance(flag, bool) and (baseline is None or sentinel2.has_offset(baseline)):
            raise SourceError("stac.no_flag", kind="mismatch", item=item, flag=FLAG)
    if baseline is None:
        if rule == "auto" and listed is not None:
            return round(listed.offset * sentinel2.QUANTIFICATION), "listed by the catalogue"
        raise SourceError("stac.no_baseline", kind="mismatch", item=item, keys=", ".join(_BASELINE_KEYS[:2]))
    offset = sentinel2.OFFSET_DN if sentinel2.has_offset(baseline) else 0
    told = f"baseline {baseline[0]:02d}.{baseline[1]:02d}"
    if rule == "auto" and listed is not None and not isinstance(flag, bool):
        given = listed.offset * sentinel2.QUANTIFICATION
        if not math.isclose(given, offset, abs_tol=0.5):
            raise SourceError("stac.contradiction", kind="mismatch", item=item, baseline=told, listed=f"{given:g}")
    return offset, told


def darkness(red: NDArray[np.float32], clear: NDArray[np.bool_]) -> tuple[int, int, int]:
    """What tells a wrong offset: numbers of clear pixels, of dark ones among them, and of those below zero."""
    known = red[clear & np.isfinite(red)]
    return known.size, int((known < DARK_REFLECTANCE).sum()), int((known < -0.02).sum())


def suspicion(clear: int, dark: int, negative: int) -> str | None:
    """Judge a whole scene: ``"raised"`` if the offset seems still in, ``"sunk"`` if it seems taken off twice.

    A guess that bright or hazy scenes can fool: it warns, and decides nothing.
    """
    if clear < GUARD_PIXELS:
        return None
    if negative > SUNK_SHARE * clear:
        return "sunk"
    return "raised" if dark < RAISED_SHARE * clear else None
