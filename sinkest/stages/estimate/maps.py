"""The run's maps at single points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from sinkest.learn.places import grid_position
from sinkest.stages import mapping
from sinkest.stages.context import Run


def classes_at(run: Run, points: pd.DataFrame, name: str = "land_cover") -> NDArray[np.uint8]:
    """Codes of a class map at points, uint8 (n,); 0 where there is no data."""
    row, col, _ = grid_position(run.grid, points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    with rasterio.open(run.store.folder(mapping.NAME) / f"{name}.tif") as source:
        values = source.read(1)
    inside = (row >= 0) & (col >= 0)
    codes = np.zeros(len(points), dtype=np.uint8)
    codes[inside] = values[row[inside], col[inside]]
    return codes
