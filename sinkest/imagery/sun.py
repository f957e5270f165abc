"""Where the sun stood over a pass that is made of several tiles: the same for every source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def mean_sun(suns: Iterable[tuple[float, float] | None]) -> dict[str, float]:
    """Mean over the tiles of a pass, where all of them tell, as a scene carries it in ``extra``.

    Parameters
    ----------
    suns : iterable of (float, float) or None
        Zenith angle and azimuth of each tile in degrees.

    Returns
    -------
    dict of str to float
        ``sun_zenith_deg``, and ``sun_azimuth_deg`` in 0..360, the direction of the mean of unit vectors; empty where a
        tile does not tell. The order of the tiles changes no bit.
    """
    told = list(suns)
    known = [sun for sun in told if sun is not None]
    if not known or len(known) < len(told):
        return {}
    azimuths = [math.radians(azimuth) for _, azimuth in known]
    azimuth = math.atan2(math.fsum(map(math.sin, azimuths)), math.fsum(map(math.cos, azimuths)))
    return {
        "sun_zenith_deg": math.fsum(zenith for zenith, _ in known) / len(known),
        "sun_azimuth_deg": math.degrees(azimuth) % 360.0,
    }


def sun_of(told: Mapping[str, Any]) -> tuple[float, float] | None:
    """Zenith angle and azimuth in degrees out of ``extra`` of a scene; None unless both are told."""
    zenith, azimuth = told.get("sun_zenith_deg"), told.get("sun_azimuth_deg")
    return None if zenith is None or azimuth is None else (float(zenith), float(azimuth))
