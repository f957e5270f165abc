"""Granules of GEDI L4A made for tests: the layout of the product, with what each shot is to say given."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

FLAGS = ("l4_quality_flag", "l2_quality_flag", "degrade_flag", "surface_flag")
LAND = ("leaf_off_flag", "pft_class", "landsat_water_persistence", "urban_proportion")


def write_granule(path: Path, beams: dict[str, dict[str, object]]) -> Path:
    """A granule; per beam at least ``lon`` and ``lat``, the rest defaults to good shots of 100 t/ha."""
    with h5py.File(path, "w") as content:
        content.attrs["short_name"] = "GEDI_L4A"
        for position, (name, given) in enumerate(sorted(beams.items())):
            _write_beam(content.create_group(name), dict(given), position)
    return path


def _write_beam(group: h5py.Group, given: dict[str, object], position: int) -> None:
    lon = np.asarray(given.pop("lon"), dtype=np.float64)
    count = len(lon)
    number = np.uint64(65150000200000001) + np.arange(count, dtype=np.uint64)
    columns: dict[str, tuple[type, object]] = {
        "shot_number": (np.uint64, number + np.uint64(position * 100_000_000_000)),
        "lon_lowestmode": (np.float64, lon),
        "lat_lowestmode": (np.float64, given.pop("lat")),
        "delta_time": (np.float64, 66154252.688),
        "agbd": (np.float32, 100.0),
        "agbd_se": (np.float32, 12.0),
        "agbd_pi_lower": (np.float32, 60.0),
        "agbd_pi_upper": (np.float32, 150.0),
        "sensitivity": (np.float32, 0.97),
        "solar_elevation": (np.float32, -20.0),
        "elev_lowestmode": (np.float32, 80.0),
        "l4_quality_flag": (np.uint8, 1),
        "l2_quality_flag": (np.uint8, 1),
        "degrade_flag": (np.uint8, 0),
        "surface_flag": (np.uint8, 1),
        "land_cover_data/leaf_off_flag": (np.uint8, 0),
        "land_cover_data/pft_class": (np.uint8, 1),
        "land_cover_data/landsat_water_persistence": (np.uint8, 0),
        "land_cover_data/urban_proportion": (np.uint8, 0),
    }
    for name, (kind, default) in columns.items():
        values = np.broadcast_to(np.asarray(given.pop(name, default), dtype=kind), (count,))
        group.create_dataset(name, data=values, compression="gzip", maxshape=(None,))
    group.create_dataset("predict_stratum", data=["ENT_NAs"] * count, dtype=h5py.string_dtype())
    assert not given, f"no such columns: {given}"
