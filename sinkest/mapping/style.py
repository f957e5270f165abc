"""QGIS styles of the maps: a file beside each raster, which QGIS takes up by itself when it opens the raster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import matplotlib
import numpy as np
import rasterio
from matplotlib.colors import to_hex

from sinkest.mapping.cog import RasterClass, RasterSpec

COLORMAPS = {"stock": "viridis", "stock_sd": "magma", "looks": "cividis"}
"""Colour scales of the maps of a measure, by the name of the map."""
TOP_PERCENTILE = 99.0
"""Share of the pixels below the upper end of a colour scale, percent."""
STEPS = 9
LARGEST = 1000
"""Longest side, in pixels, of the reduced map that the ends of a scale are taken from."""


def qgis_style(path: Path, spec: RasterSpec, name: str) -> bytes:
    """The style of a map: its classes with their names, or a colour scale over the values that occur.

    Parameters
    ----------
    path : Path
        The map as written.
    spec : RasterSpec
    name : str
        Of the map; a measure without a colour scale of its own is drawn in that of the stock.

    Returns
    -------
    bytes
        The same for the same pixels.
    """
    renderer = _paletted(spec.classes) if spec.classes else _scaled(path, COLORMAPS.get(name, COLORMAPS["stock"]))
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22.0" styleCategories="Symbology">\n <pipe>\n'
        f"{renderer}"
        '  <brightnesscontrast brightness="0" contrast="0" gamma="1"/>\n'
        '  <huesaturation saturation="0" grayscaleMode="0"/>\n'
        '  <rasterresampler maxOversampling="2"/>\n </pipe>\n</qgis>\n'
    ).encode()


def _paletted(classes: Sequence[RasterClass]) -> str:
    entries = "".join(
        f'    <paletteEntry value="{item.code}" label={quoteattr(f"{item.name_zh} {item.name_en}")} '
        f'color="{item.colour}" alpha="255"/>\n'
        for item in classes
    )
    head = '  <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">\n'
    return f"{head}   <colorPalette>\n{entries}   </colorPalette>\n  </rasterrenderer>\n"


def _scaled(path: Path, colormap: str) -> str:
    low, high = 0.0, _top(path)
    shades = matplotlib.colormaps[colormap]
    values = np.linspace(low, high, STEPS)
    items = "".join(
        f'     <item value="{value:.6g}" label="{value:.4g}" color="{to_hex(shades(place / (STEPS - 1)))}" '
        'alpha="255"/>\n'
        for place, value in enumerate(values)
    )
    return (
        f'  <rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" nodataColor="" '
        f'classificationMin="{low:g}" classificationMax="{high:.6g}">\n   <rastershader>\n'
        f'    <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" labelPrecision="4" '
        f'minimumValue="{low:g}" maximumValue="{high:.6g}">\n{items}'
        "    </colorrampshader>\n   </rastershader>\n  </rasterrenderer>\n"
    )


def _top(path: Path) -> float:
    """Upper end of the scale."""
    with rasterio.open(path) as source:
        factor = max(1.0, max(source.shape) / LARGEST)
        shape = (max(1, round(source.height / factor)), max(1, round(source.width / factor)))
        known = source.read(1, out_shape=shape, masked=True).compressed()
    known = known[np.isfinite(known)]
    return max(float(np.percentile(known, TOP_PERCENTILE)) if known.size else 1.0, 1.0)
