"""What is known of one product on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sinkest.imagery.tiled import Tile


@dataclass(frozen=True)
class Product:
    """One product: a tile of a scene.

    Attributes
    ----------
    path : Path
        Folder, archive or file.
    kind : str
        What it is, for people, e.g. ``"Sentinel-2 L2A"``.
    sensor : str
        Sensor id.
    time : datetime
        Of the pass that it belongs to; all tiles of a pass have the same.
    overpass : str
        Name of the pass; products that share it make one scene.
    tile : Tile
    version : tuple of int
        Processing version; of two products of one place and pass the newer one counts.
    name : str
        Product and version, for provenance.
    offset_policy : str
        How stored numbers become reflectance.
    cloud : float or None
        Percent.
    sun_deg : (float, float) or None
        Mean zenith angle and azimuth of the sun, where the metadata tell them.
    """

    path: Path
    kind: str
    sensor: str
    time: datetime
    overpass: str
    tile: Tile
    version: tuple[int, ...]
    name: str
    offset_policy: str
    cloud: float | None = None
    sun_deg: tuple[float, float] | None = None
