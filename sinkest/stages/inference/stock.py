"""From field plots and the map to growing stock and its change, by zone, type and whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.estimate.domains import CountyTable, county_totals
from sinkest.estimate.total import horvitz_thompson
from sinkest.messages import Message
from sinkest.stages.inference.ages import age_rows
from sinkest.stages.inference.frame import Frame, positive_interval, spread_table
from sinkest.stages.inference.raking import LEAST_SHARE, rake
from sinkest.tidy import CITY

COMPONENTS = ("remaining", "converted", "lost")

Design = Literal["systematic", "random"]


@dataclass(frozen=True)
class Stock:
    """Growing stock and its change from field plots and the map.

    Attributes
    ----------
    rows : list of dict
        Tidy rows.
    by_type : DataFrame
        ``zone``, ``type``, ``stock_m3``, ``se`` and ``half`` (half-width of the interval); zones add up to the whole,
        types to each zone's stock.
    change : DataFrame or None
        ``zone``, ``type``, ``component``, ``change_m3_yr``, ``se``.
    relative_efficiency : float
        Variance of the plots alone over the variance with the map.
    total : CountyTable
    notes : tuple of Message
        Volume of the plots that is no growing stock.
    """

    rows: list[dict[str, Any]]
    by_type: pd.DataFrame
    change: pd.DataFrame | None
    relative_efficiency: float
    total: CountyTable
    notes: tuple[Message, ...] = ()


def stock(
    frame: Frame,
    plots: pd.DataFrame,
    predicted: pd.DataFrame,
    map_mean: pd.DataFrame,
    types: Sequence[str],
    design: Design,
    minimum: int,
    arbor: CountyTable | None = None,
) -> Stock:
    """Growing stock by zone and type, and its yearly change where plots were measured twice.

    Plots carry the estimate, the map assists: its predictions at the plots come from models that did not see the plot.
    All quantities use the same auxiliaries, so at the level of the whole types add up to the total exactly. Volume on
    plots outside arbor forest is no growing stock and counts as zero (see :func:`arbor_only`).

    Parameters
    ----------
    frame : Frame
    plots : DataFrame
        ``volume_m3_ha``, ``forest_type``, ``zone_id``, ``x_m``, ``y_m``; optional ``previous_volume_m3_ha`` and
        ``years`` between the measurements, ``stand_age`` (group of age, "" outside arbor forest).
    predicted : DataFrame (plots x types)
        Out-of-fold prediction at each plot in the column of its mapped type, 0 elsewhere (m3/ha of all land).
    map_mean : DataFrame (zones x types)
        Mean of the map over all land of the zone, m3/ha.
    types : sequence of str
        Class ids that carry growing stock.
    design : {"systematic", "random"}
    minimum : int
        Plots a zone needs for a correction of its own.
    arbor : CountyTable, optional
        Area of arbor forest by reference points, for the area by age.
    """
    usable = [name for name in types if predicted[name].to_numpy().any()]

    def total(y: NDArray[np.float64], *, composite: bool = False) -> CountyTable:
        return county_totals(
            y,
            predicted[usable],
            plots["zone_id"].to_numpy(),
            map_mean[usable],
            frame.zone_area_ha,
            coordinates=plots[["x_m", "y_m"]].to_numpy(dtype=float),
            design=design,
            minimum=minimum,
            composite=composite,
            level=frame.level,
        )

    measured, plots = plots["volume_m3_ha"].to_numpy(dtype=float), arbor_only(plots, types)
    volume = plots["volume_m3_ha"].to_numpy(dtype=float)
    whole = total(volume)
    rows = frame.county_rows("growing_stock", "m3", whole)
    alone = horvitz_thompson(volume, coordinates=plots[["x_m", "y_m"]].to_numpy(dtype=float), design=design)
    efficiency = alone.variance * frame.total_ha**2 / whole.city.variance
    expected = map_mean.mul(pd.Series(frame.zone_area_ha), axis=0)
    by_type = _type_table(frame, plots, volume, expected, whole, total, types)
    for line in by_type.to_dict("records"):
        low, high = positive_interval(line["stock_m3"], line["half"])
        name = f"stock_by_type:{line['type']}"
        rows.append(
            frame.row(
                name,
                line["zone"],
                "m3",
                line["stock_m3"],
                line["se"],
                low,
                high,
                n=len(plots),
                method=whole.city.method,
            )
        )
    if "stand_age" in plots:
        rows += age_rows(frame, plots["stand_age"].to_numpy(dtype=object), volume, whole, total, arbor)
    change = _change(frame, plots, total, rows)
    return Stock(rows, by_type, change, float(efficiency), whole, _left_out(measured - volume, frame.total_ha))


def arbor_only(plots: pd.DataFrame, types: Sequence[str]) -> pd.DataFrame:
    """Plots without the volume of trees outside arbor forest.

    ``forest_type`` is that of the last measurement. Where trees still stand under another type, both measurements
    become 0; where none is left, the earlier volume stays, since a felled or flooded stand has no arbor type any more
    and its loss must not vanish.

    Parameters
    ----------
    plots : DataFrame
        ``volume_m3_ha``, ``forest_type``; optional ``previous_volume_m3_ha``.
    types : sequence of str
        Class ids of arbor forest.
    """
    other = ~plots["forest_type"].isin(list(types)) & (plots["volume_m3_ha"] > 0)
    columns = [name for name in ("volume_m3_ha", "previous_volume_m3_ha") if name in plots]
    return plots.assign(**{name: plots[name].mask(other, 0.0) for name in columns})


def _left_out(volume_m3_ha: NDArray[np.float64], area_ha: float) -> tuple[Message, ...]:
    """What the plots hold outside arbor forest, if anything."""
    if not volume_m3_ha.any():
        return ()
    fields = {"plots": int(np.count_nonzero(volume_m3_ha)), "volume": f"{volume_m3_ha.mean() * area_ha:,.0f}"}
    return (Message.of("stages.not_arbor", **fields),)


def _type_table(
    frame: Frame,
    plots: pd.DataFrame,
    volume: NDArray[np.float64],
    expected: pd.DataFrame,
    whole: CountyTable,
    total: Any,
    types: Sequence[str],
) -> pd.DataFrame:
    """Stock by zone and type that adds up to the zones' totals and the types' totals; ``expected`` is the map's, m3."""
    kinds = plots["forest_type"].fillna("").to_numpy()
    tables = {
        name: total(np.where(kinds == name, volume, 0.0), composite=True)
        for name in types
        if (volume[kinds == name] > 0).any()
    }
    zones = list(frame.zone_area_ha)
    totals = np.array([found.city.estimate for found in tables.values()])
    start = np.column_stack([found.table.loc[zones, "estimate"].to_numpy(dtype=float) for found in tables.values()])
    least = LEAST_SHARE * expected.loc[zones, list(tables)].to_numpy(dtype=float)
    raked = rake(np.maximum(start, least), whole.table.loc[zones, "estimate"].to_numpy(dtype=float), totals)
    pieces = []
    for j, (name, found) in enumerate(tables.items()):
        spread = spread_table(found, zones, frame.level)
        pieces.append(spread.assign(type=name, stock_m3=[*raked[:, j], totals[j]]))
    return pd.concat(pieces, ignore_index=True)


def _change(frame: Frame, plots: pd.DataFrame, total: Any, rows: list[dict[str, Any]]) -> pd.DataFrame | None:
    """Change of stock a year from plots measured twice, split by what happened to the stand."""
    if "previous_volume_m3_ha" not in plots or plots["previous_volume_m3_ha"].isna().any():
        return None
    now = plots["volume_m3_ha"].to_numpy(dtype=float)
    before = plots["previous_volume_m3_ha"].to_numpy(dtype=float)
    yearly = (now - before) / plots["years"].to_numpy(dtype=float)
    what = np.select([(before > 0) & (now > 0), (before == 0) & (now > 0)], ["remaining", "converted"], "lost")
    whole = total(yearly)
    rows += frame.county_rows("stock_change", "m3/yr", whole)
    zones = [CITY, *frame.zone_area_ha]
    found = {name: _by_zone(total(np.where(what == name, yearly, 0.0)), zones) for name in COMPONENTS}
    values, _ = _by_zone(whole, zones)
    # Zones are adjusted to the whole one component at a time; the rest of that goes to the largest component.
    lost = _losses(found["lost"][0])
    rest = values - found["converted"][0] - lost
    # A zone has few lost plots: their hectares a m3 are those of the whole.
    lost_ha = total(np.where((what == "lost") & (before > 0), -1.0, 0.0) / plots["years"].to_numpy(dtype=float))
    ha_per_m3 = max(lost_ha.city.estimate / lost[0], 0.0) if lost[0] < 0 else 0.0
    pieces = []
    for name in COMPONENTS:
        change = {"remaining": rest, "lost": lost}.get(name, found[name][0])
        area = lost * ha_per_m3 if name == "lost" else np.zeros_like(lost)
        columns = {"change_m3_yr": change, "se": found[name][1], "area_ha_yr": area}
        pieces.append(pd.DataFrame({"zone": zones, "type": "arbor", "component": name, **columns}))
    return pd.concat(pieces, ignore_index=True)


def _losses(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Losses, the whole first: none above zero, and those of the zones brought to that of the whole."""
    lost = np.minimum(change, 0.0)
    parts = float(lost[1:].sum())
    if parts < 0:
        lost[1:] *= lost[0] / parts
    else:
        lost[0] = 0.0
    return lost


def _by_zone(found: CountyTable, zones: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = {CITY: found.city.estimate} | found.table["estimate"].to_dict()
    errors = {CITY: found.city.se} | found.table["se"].to_dict()
    return np.array([values[zone] for zone in zones]), np.array([errors[zone] for zone in zones])


def stock_per_ha(frame: Frame, stocks: CountyTable, arbor: CountyTable) -> list[dict[str, Any]]:
    """Growing stock per hectare of arbor forest; plots and reference points are independent samples."""
    rows = []
    zones = list(frame.zone_area_ha)
    spread = [spread_table(found, zones, frame.level).set_index("zone") for found in (stocks, arbor)]
    errors = {name: [table[name].to_dict() for table in spread] for name in ("se", "half")}
    for zone in [CITY, *zones]:
        (volume, n), (area, _) = (_line(found, zone) for found in (stocks, arbor))
        if not area > 0:
            continue
        value = volume / area
        # each part keeps its own degrees of freedom: half-widths join as standard errors do
        se, half = (
            value * math.hypot(errors[name][0][zone] / volume, errors[name][1][zone] / area) if volume > 0 else math.nan
            for name in ("se", "half")
        )
        enough = zone == CITY or all(_status(found, zone) == "ok" for found in (stocks, arbor))
        rows.append(
            frame.row(
                "growing_stock_per_ha",
                zone,
                "m3/ha",
                value,
                se,
                max(value - half, 0.0),
                value + half,
                method="ratio_of_estimates",
                n=n,
                status="ok" if enough else "insufficient",
            )
        )
    return rows


def _line(found: CountyTable, zone: str) -> tuple[float, int]:
    if zone == CITY:
        return found.city.estimate, found.city.n
    values, n = (found.table[name].to_dict() for name in ("estimate", "n"))
    return float(values[zone]), int(n[zone])


def _status(found: CountyTable, zone: str) -> str:
    return str(found.table["status"].to_dict()[zone])
