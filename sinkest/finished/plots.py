"""Pictures of an opened run, with matplotlib: English labels, the run's own colours, simulated data marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from sinkest.errors import InputError
from sinkest.mapping.style import COLORMAPS, TOP_PERCENTILE
from sinkest.report.book import Book, Entry
from sinkest.report.names import quantity_name, zone_name
from sinkest.report.svg import INK, TARGET, WARNING
from sinkest.report.units import unit_label, unit_of

if TYPE_CHECKING:
    from sinkest.finished.opened import OpenRun

LARGEST = 1200
"""Longest side of a drawn map in pixels; a larger one is thinned."""
_BAND = "#8db5a0"


def draw_map(run: OpenRun, name: str, ax: Axes | None) -> Axes:
    """A map with county lines; the axes are in the map's own coordinates."""
    layer = run.maps[name]
    step = max(1, -(-max(layer.shape) // LARGEST))
    values = layer[::step, ::step].compute()
    ax = plt.subplots(figsize=(6.4, 7.2), layout="constrained")[1] if ax is None else ax
    left, bottom, right, top = layer.rio.bounds()
    frame = (left, right, bottom, top)
    if "flag_values" in layer.attrs:
        codes, colours = layer.attrs["flag_values"], layer.attrs["flag_colours"]
        place = np.searchsorted(codes, values.fillna(codes[0]).to_numpy())
        shown = np.where(values.isnull(), np.nan, place)
        kind = ListedColormap(colours)
        ax.imshow(shown, cmap=kind, vmin=-0.5, vmax=len(codes) - 0.5, extent=frame, interpolation="nearest")
        present = {int(code) for code in np.unique(values.to_numpy()[~values.isnull().to_numpy()])}
        named = zip(codes, layer.attrs["flag_meanings"], colours, strict=True)
        handles = [Patch(color=colour, label=text.split(" | ")[0]) for code, text, colour in named if code in present]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    else:
        known = values.to_numpy()[np.isfinite(values.to_numpy())]
        high = float(np.percentile(known, TOP_PERCENTILE)) if known.size else 1.0
        image = ax.imshow(values, cmap=COLORMAPS.get(name, COLORMAPS["stock"]), vmin=0, vmax=high, extent=frame)
        ax.figure.colorbar(image, ax=ax, shrink=0.6, label=layer.attrs.get("units", ""))
    run.counties.to_crs(layer.rio.crs).boundary.plot(ax=ax, color=INK, linewidth=0.6)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_axis_off()
    ax.set_title(f"{layer.attrs['long_name']}, {run.data.city_en} {run.data.year}")
    _mark(run, ax)
    return ax


def draw_counties(run: OpenRun, quantity: str, ax: Axes | None) -> Axes:
    """Zones one below another, the whole as a dashed line where it is of their size.

    Raises
    ------
    InputError
        If no zone has an estimate of the quantity.
    """
    book = Book(run.data)
    rows = [(zone, book.entry(quantity, zone)) for zone in book.zones]
    found = [(zone, entry) for zone, entry in rows if entry is not None and entry.value is not None]
    if not found:
        known = ", ".join(q for q in book.quantities if book.has(q, zones=True))
        raise InputError("opened.no_number", quantity=quantity, zone="*", known=known, folder=run.folder)
    ax = plt.subplots(figsize=(6.4, 0.8 + 0.32 * len(found)), layout="constrained")[1] if ax is None else ax
    unit = book.unit(quantity)
    for place, (_, entry) in enumerate(found):
        value, low, high = _ends(entry)
        if low is not None and high is not None:
            ax.plot((low, high), (place, place), color=_BAND, lw=7, solid_capstyle="round")
        ax.plot([value or 0.0], [place], marker="o", color=INK)
    whole = book.entry(quantity)
    if whole is not None and whole.value is not None and not unit_of(unit).additive:
        ax.axvline(_ends(whole)[0] or 0.0, color=TARGET, ls="--", lw=1)
    ax.set_yticks(range(len(found)), [zone_name(run.data, zone).en for zone, _ in found])
    ax.invert_yaxis()
    ax.set_xlabel(unit_label(unit, "en"))
    ax.set_title(f"{quantity_name(run.data, quantity).en}, {run.data.year}", loc="left")
    ax.grid(axis="x", color="#e3e9e5")
    ax.spines[["top", "right", "left"]].set_visible(False)
    _mark(run, ax)
    return ax


def _ends(entry: Entry) -> tuple[float | None, float | None, float | None]:
    """Value and ends in the shown unit."""
    power = 10.0 ** unit_of(entry.unit).power("en")
    value, low, high = (None if end is None else float(end) / power for end in (entry.value, entry.low, entry.high))
    return value, low, high


def _mark(run: OpenRun, ax: Axes) -> None:
    if run.data.simulated:
        style: Any = {"ha": "center", "va": "center", "fontsize": 22, "fontweight": "bold", "rotation": 15}
        ax.text(0.5, 0.5, "SIMULATED", transform=ax.transAxes, color=WARNING, alpha=0.3, zorder=9, **style)
