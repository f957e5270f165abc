"""From samples and map sums to the tidy table: areas, coverage, growing stock and its change, by zone and whole.

Pure tables in, pure tables out: no raster, no file, no configuration, so that sampling experiments call the same code
as a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.account.rows import COLUMNS
from sinkest.errors import InputError
from sinkest.estimate.accuracy import AreaEstimate
from sinkest.estimate.area import stratified_area_from_sample
from sinkest.estimate.domains import CountyTable, county_areas, county_totals
from sinkest.estimate.result import quantile
from sinkest.estimate.total import horvitz_thompson

CITY = "all"
COMPONENTS = ("remaining", "converted", "lost")
LEAST_SHARE = 0.1
"""Of what the map gives a zone of a class: no estimate of a few points goes below it, nor below zero."""
RAKING_STEPS = 1000
RAKING_TOLERANCE = 1e-12

Design = Literal["systematic", "random"]


@dataclass(frozen=True)
class Frame:
    """What all rows of a run share.

    Attributes
    ----------
    year : int
    level : float
        Confidence level.
    definition_id : str
    simulated : bool
    zone_area_ha : mapping
        True area of each zone; their sum is the whole.
    """

    year: int
    level: float
    definition_id: str
    simulated: bool
    zone_area_ha: Mapping[str, float]

    @property
    def total_ha(self) -> float:
        """Area of the whole."""
        return math.fsum(self.zone_area_ha.values())

    def row(
        self,
        quantity: str,
        zone: str,
        unit: str,
        value: float,
        se: float = math.nan,
        low: float = math.nan,
        high: float = math.nan,
        **more: Any,
    ) -> dict[str, Any]:
        """One row of the tidy table."""
        defaults = {"method": "", "n": 0, "definition_id": self.definition_id, "status": "ok", "note": ""}
        return {
            "quantity": quantity,
            "zone": zone,
            "year": self.year,
            "value": value,
            "unit": unit,
            "se": se,
            "low": low,
            "high": high,
            "level": self.level,
            "provisional": False,
            "simulated": self.simulated,
            **defaults,
            **more,
        }

    def county_rows(
        self, quantity: str, unit: str, found: CountyTable, scale: Mapping[str, float] | float = 1.0, **more: Any
    ) -> list[dict[str, Any]]:
        """Rows of a county table and of the whole, times ``scale`` (one number, or one by zone)."""
        by_zone = scale if isinstance(scale, Mapping) else dict.fromkeys([CITY, *found.table.index], scale)
        low, high = found.city.interval(self.level)
        k = by_zone[CITY]
        city = found.city
        shared = {"n": city.n, "method": city.method, **more}
        rows = [self.row(quantity, CITY, unit, city.estimate * k, city.se * k, low * k, high * k, **shared)]
        for zone, line in found.table.iterrows():
            k = by_zone[str(zone)]
            about = {"n": int(line["n"]), "method": line["method"], "status": line["status"], "note": line["note"]}
            numbers = (line[name] * k for name in ("estimate", "se", "low", "high"))
            rows.append(self.row(quantity, str(zone), unit, *numbers, **{**about, **more}))
        return rows


def tidy(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the tidy table, columns in their order."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


# -- areas ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Areas:
    """Areas from the reference sample.

    Attributes
    ----------
    rows : list of dict
        Tidy rows.
    by_class : DataFrame
        ``zone``, ``class``, ``area_ha``, ``se``: land-cover classes, of which zones add up to the whole.
    accuracy : AreaEstimate
        Of the run's map, by class.
    counts : int array (k, k)
        Points by map class (rows) and reference class (columns), in the order of ``accuracy.classes``.
    groups : mapping
        The county tables behind groups of classes (``forest``, ``arbor``).
    """

    rows: list[dict[str, Any]]
    by_class: pd.DataFrame
    accuracy: AreaEstimate
    counts: NDArray[np.int64]
    groups: Mapping[str, CountyTable] = field(default_factory=dict)


def areas(
    frame: Frame,
    reference: pd.DataFrame,
    strata: pd.DataFrame,
    classes: Sequence[str],
    forest: Sequence[str],
    arbor: Sequence[str],
    tree_cover: Sequence[str],
    minimum: int,
    also: Sequence[tuple[str, Sequence[str], str]] = (),
) -> Areas:
    """Coverage and class areas from a stratified reference sample.

    Parameters
    ----------
    frame : Frame
    reference : DataFrame
        ``stratum``, ``zone_id``, ``reference_class`` and ``map_class`` (class ids) of each point.
    strata : DataFrame
        ``stratum``, ``zone_id``, ``area_ha``.
    classes, forest, arbor, tree_cover : sequence of str
        Class ids: all, those that are forest, arbor forest, under trees.
    minimum : int
        Points a zone needs for a correction of its own.
    also : sequence of (quantity, class ids, definition id)
        Further coverages, under rules of their own.

    Raises
    ------
    InputError
        If strata and points do not fit together, or strata do not add up to the zones.
    """
    sizes = _stratum_sizes(frame, strata)
    stratum, zone = reference["stratum"].to_numpy(), reference["zone_id"].to_numpy()
    truth = reference["reference_class"].to_numpy()

    def group(ids: Sequence[str], *, composite: bool = False) -> CountyTable:
        hit = np.isin(truth, list(ids)).astype(float)
        return county_areas(hit, stratum, zone, sizes, minimum=minimum, composite=composite, level=frame.level)

    groups = {"forest": group(forest)}
    percent = {CITY: 100.0 / frame.total_ha} | {name: 100.0 / area for name, area in frame.zone_area_ha.items()}
    rows = frame.county_rows("forest_coverage", "%", groups["forest"], percent)
    rows += frame.county_rows("forest_area", "ha", groups["forest"])
    if tree_cover:
        rows += frame.county_rows("tree_cover", "%", group(tree_cover), percent, definition_id="tree_cover")
    for quantity, ids, definition_id in also:
        rows += frame.county_rows(quantity, "%", group(ids), percent, definition_id=definition_id)
    if arbor:
        groups["arbor"] = group(arbor)
        rows += frame.county_rows("arbor_area", "ha", groups["arbor"])
    shares = pd.crosstab(stratum, truth, normalize="index").reindex(
        sizes.columns, columns=list(classes), fill_value=0.0
    )
    expected = sizes @ shares
    tables = {name: group([name], composite=True) for name in classes}
    by_class = _class_table(frame, tables, expected, groups["forest"], set(forest))
    rows += _class_rows(frame, by_class, len(reference))
    accuracy = stratified_area_from_sample(
        stratum,
        reference["map_class"].to_numpy(),
        truth,
        sizes.sum(axis=0).to_dict(),
        finite_population=False,
    )
    labels = list(accuracy.classes)
    table = pd.crosstab(reference["map_class"], reference["reference_class"])
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy(dtype=np.int64)
    return Areas(rows, by_class, accuracy, counts, groups)


def _stratum_sizes(frame: Frame, strata: pd.DataFrame) -> pd.DataFrame:
    """Zones x strata in ha, brought to the true areas of the zones where they agree within half a percent."""
    table = strata.pivot_table(index="zone_id", columns="stratum", values="area_ha", aggfunc="sum", fill_value=0.0)
    for zone, area in frame.zone_area_ha.items():
        given = math.fsum(table.loc[[zone]].to_numpy().ravel()) if zone in table.index else 0.0
        if abs(given - area) > 0.005 * area:
            raise InputError("inference.strata_area", zone=zone, given=f"{given:.1f}", expected=f"{area:.1f}")
        table.loc[zone] *= area / given
    return table.loc[list(frame.zone_area_ha)]


def _class_table(
    frame: Frame, tables: Mapping[str, CountyTable], expected: pd.DataFrame, whole: CountyTable, forest: set[str]
) -> pd.DataFrame:
    """Class areas by zone that add up both over zones and, within a zone, to its forest and its other land.

    A zone's estimate of a class leans on its own points by what these are worth, and does not go below a share of
    ``expected`` (zones x classes, ha), which is what the whole's shares of each stratum give the zone. Then the table
    is brought to its two margins.
    """
    zones = list(frame.zone_area_ha)
    forest_ha = whole.table.loc[zones, "estimate"].to_numpy(dtype=float)
    other_ha = np.array([frame.zone_area_ha[zone] for zone in zones]) - forest_ha
    pieces = []
    for names, margin in (
        ([name for name in tables if name in forest], forest_ha),
        ([name for name in tables if name not in forest], other_ha),
    ):
        if not names:
            continue
        totals = np.array([tables[name].city.estimate for name in names])
        start = np.column_stack([tables[name].table.loc[zones, "estimate"].to_numpy(dtype=float) for name in names])
        least = LEAST_SHARE * expected.loc[zones, names].to_numpy(dtype=float)
        raked = rake(np.maximum(start, least), margin, totals)
        for j, name in enumerate(names):
            se = tables[name].table.loc[zones, "se"].to_numpy(dtype=float)
            pieces.append(pd.DataFrame({"zone": zones, "class": name, "area_ha": raked[:, j], "se": se}))
            city = {"zone": [CITY], "class": name, "area_ha": [totals[j]], "se": [tables[name].city.se]}
            pieces.append(pd.DataFrame(city))
    return pd.concat(pieces, ignore_index=True)


def _class_rows(frame: Frame, by_class: pd.DataFrame, n: int) -> list[dict[str, Any]]:
    q = quantile(frame.level)
    return [
        frame.row(
            f"class_area:{line['class']}",
            line["zone"],
            "ha",
            line["area_ha"],
            line["se"],
            max(line["area_ha"] - q * line["se"], 0.0),
            line["area_ha"] + q * line["se"],
            method="county_areas",
            n=n,
        )
        for line in by_class.to_dict("records")
    ]


def rake(table: NDArray[np.float64], row_totals: NDArray[np.float64], column_totals: NDArray[np.float64]) -> NDArray:
    """Fit a table to given margins by iterative proportional fitting (Deming & Stephan 1940).

    Parameters
    ----------
    table : array (r, c)
        Start; what is not positive counts as a trace of the margins, so that the margins can always be met.
    row_totals, column_totals : arrays (r,), (c,)
        Not negative, of one sum.

    Returns
    -------
    array (r, c)
        Of which columns add up to ``column_totals`` exactly up to rounding, rows within 1e-9 of the sum.
    """
    total = float(column_totals.sum())
    if total <= 0:
        return np.zeros_like(table)
    trace = 1e-9 * np.outer(row_totals, column_totals) / total
    fitted = np.where(table > 0, table, 0.0) + trace
    for _ in range(RAKING_STEPS):
        rows = fitted.sum(axis=1)
        fitted *= np.divide(row_totals, rows, out=np.zeros_like(rows), where=rows > 0)[:, None]
        columns = fitted.sum(axis=0)
        fitted *= np.divide(column_totals, columns, out=np.zeros_like(columns), where=columns > 0)
        if np.abs(fitted.sum(axis=1) - row_totals).max() <= RAKING_TOLERANCE * total:
            break
    return fitted


# -- growing stock --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stock:
    """Growing stock and its change from field plots and the map.

    Attributes
    ----------
    rows : list of dict
        Tidy rows.
    by_type : DataFrame
        ``zone``, ``type``, ``stock_m3``, ``se``; zones add up to the whole, types to each zone's stock.
    change : DataFrame or None
        ``zone``, ``type``, ``component``, ``change_m3_yr``, ``se``.
    relative_efficiency : float
        Variance of the plots alone over the variance with the map.
    total : CountyTable
    """

    rows: list[dict[str, Any]]
    by_type: pd.DataFrame
    change: pd.DataFrame | None
    relative_efficiency: float
    total: CountyTable


def stock(
    frame: Frame,
    plots: pd.DataFrame,
    predicted: pd.DataFrame,
    map_mean: pd.DataFrame,
    types: Sequence[str],
    design: Design,
    minimum: int,
) -> Stock:
    """Growing stock by zone and type, and its yearly change where plots were measured twice.

    Plots carry the estimate, the map assists: its predictions at the plots come from models that did not see the plot.
    All quantities use the same auxiliaries, so at the level of the whole types add up to the total exactly.

    Parameters
    ----------
    frame : Frame
    plots : DataFrame
        ``volume_m3_ha``, ``forest_type``, ``zone_id``, ``x_m``, ``y_m``; optional ``previous_volume_m3_ha`` and
        ``years`` between the measurements.
    predicted : DataFrame (plots x types)
        Out-of-fold prediction at each plot in the column of its mapped type, 0 elsewhere (m3/ha of all land).
    map_mean : DataFrame (zones x types)
        Mean of the map over all land of the zone, m3/ha.
    types : sequence of str
        Class ids that carry growing stock.
    design : {"systematic", "random"}
    minimum : int
        Plots a zone needs for a correction of its own.
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

    volume = plots["volume_m3_ha"].to_numpy(dtype=float)
    whole = total(volume)
    rows = frame.county_rows("growing_stock", "m3", whole)
    alone = horvitz_thompson(volume, coordinates=plots[["x_m", "y_m"]].to_numpy(dtype=float), design=design)
    efficiency = alone.variance * frame.total_ha**2 / whole.city.variance
    expected = map_mean.mul(pd.Series(frame.zone_area_ha), axis=0)
    by_type = _type_table(frame, plots, volume, expected, whole, total, types)
    q = quantile(frame.level)
    for line in by_type.to_dict("records"):
        span = q * line["se"]
        low, high = max(line["stock_m3"] - span, 0.0), line["stock_m3"] + span
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
    change = _change(frame, plots, total, rows)
    return Stock(rows, by_type, change, float(efficiency), whole)


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
        se = found.table.loc[zones, "se"].to_numpy(dtype=float)
        pieces.append(pd.DataFrame({"zone": zones, "type": name, "stock_m3": raked[:, j], "se": se}))
        pieces.append(pd.DataFrame({"zone": [CITY], "type": name, "stock_m3": [totals[j]], "se": [found.city.se]}))
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
    q = quantile(frame.level)
    for zone in [CITY, *frame.zone_area_ha]:
        (volume, volume_se, n), (area, area_se, _) = (_line(found, zone) for found in (stocks, arbor))
        if not area > 0:
            continue
        value = volume / area
        se = value * math.hypot(volume_se / volume, area_se / area) if volume > 0 else math.nan
        enough = zone == CITY or all(_status(found, zone) == "ok" for found in (stocks, arbor))
        rows.append(
            frame.row(
                "growing_stock_per_ha",
                zone,
                "m3/ha",
                value,
                se,
                max(value - q * se, 0.0),
                value + q * se,
                method="ratio_of_estimates",
                n=n,
                status="ok" if enough else "insufficient",
            )
        )
    return rows


def _line(found: CountyTable, zone: str) -> tuple[float, float, int]:
    if zone == CITY:
        return found.city.estimate, found.city.se, found.city.n
    values, errors, n = (found.table[name].to_dict() for name in ("estimate", "se", "n"))
    return float(values[zone]), float(errors[zone]), int(n[zone])


def _status(found: CountyTable, zone: str) -> str:
    return str(found.table["status"].to_dict()[zone])
