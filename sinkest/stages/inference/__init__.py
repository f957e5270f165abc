"""From samples and map sums to the tidy table: areas, coverage, growing stock and its change, by zone and whole.

Pure tables in, pure tables out: no raster, no file, no configuration, so that sampling experiments call the same code
as a run.
"""

from sinkest.stages.inference.areas import Areas, areas
from sinkest.stages.inference.frame import Frame
from sinkest.stages.inference.raking import rake
from sinkest.stages.inference.stock import Design, Stock, stock, stock_per_ha
from sinkest.tidy import CITY

__all__ = ["CITY", "Areas", "Design", "Frame", "Stock", "areas", "rake", "stock", "stock_per_ha"]
