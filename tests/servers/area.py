"""A rectangle as the area of a small project: its file, and the part of a configuration that names it."""

from __future__ import annotations

import json
from pathlib import Path

from pyproj import Transformer

SECTION = """[aoi]
path = "zones.geojson"
name_zh = "试验区"
name_en = "test area"
crs = "EPSG:32649"
resolution_m = 10
id_field = "zone_id"
name_zh_field = "name_zh"
name_en_field = "name_en"
"""


def write_area(folder: Path, crs: str, left: float, top: float, right: float, bottom: float) -> None:
    """One zone with the corners given in ``crs``, as ``zones.geojson``."""
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    zone = {
        "type": "Feature",
        "properties": {"zone_id": "1", "name_zh": "试验区", "name_en": "test area"},
        "geometry": {"type": "Polygon", "coordinates": [[list(to_degrees.transform(*corner)) for corner in corners]]},
    }
    collection = {"type": "FeatureCollection", "features": [zone]}
    (folder / "zones.geojson").write_text(json.dumps(collection), encoding="utf-8")
