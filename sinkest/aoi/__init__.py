"""Areas of interest: zones read from any vector file, their datum and true areas, and the grid laid over them."""

from sinkest.aoi.datum import DatumEvidence, detect_datum, gcj02_to_wgs84, wgs84_to_gcj02
from sinkest.aoi.geodesy import geodesic_area_m2
from sinkest.aoi.grid import build_grid, pixel_area_m2
from sinkest.aoi.points import check_points, zone_of_points
from sinkest.aoi.vector import read_vector
from sinkest.aoi.zones import Zones, read_zones

__all__ = [
    "DatumEvidence",
    "Zones",
    "build_grid",
    "check_points",
    "detect_datum",
    "gcj02_to_wgs84",
    "geodesic_area_m2",
    "pixel_area_m2",
    "read_vector",
    "read_zones",
    "wgs84_to_gcj02",
    "zone_of_points",
]
