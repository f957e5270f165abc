"""Draw the reference sample: points, stratified by the run's map, for interpreters to look at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from sinkest.account.definitions import definition
from sinkest.errors import InputError
from sinkest.estimate.design import Allocation, allocate, draw_stratified, proportion_sd, sample_size
from sinkest.estimate.result import quantile
from sinkest.messages import Message
from sinkest.sample.frame import folder_name, located, open_run, zone_names
from sinkest.sample.kml import Placemark, kml
from sinkest.sample.output import Drawn, both, csv_bytes, empty, geopackage, path_in_config, quoted, write_new
from sinkest.sample.strata import Kind, MapStrata, map_strata
from sinkest.stages import train
from sinkest.stages.context import Run

LAYER = "reference_sample"
STRATA = "strata.csv"
README = "README_reference.md"
FOLDER = "sample"
STREAM = 1
"""Number of the random stream, so that plots drawn with the same seed lie elsewhere."""
DEFAULT_SE = 1.0
LARGEST = 100_000
"""Points; more than anybody interprets or measures."""


@dataclass(frozen=True)
class ReferenceOptions:
    """What a reference sample should be.

    Attributes
    ----------
    count : int or None
        Points in all.
    se : float or None
        Wanted standard error of forest coverage, percentage points; 1.0 where neither it nor ``count`` is given.
    strata : {"classes", "groups"}
    allocation : {"equal", "proportional", "neyman", "power"}
    minimum : int
        Fewest points of a stratum.
    seed : int or None
        The configuration's where left out.
    """

    count: int | None = None
    se: float | None = None
    strata: Kind = "classes"
    allocation: Literal["equal", "proportional", "neyman", "power"] = "neyman"
    minimum: int = 30
    seed: int | None = None


def draw_reference(config: Path, out: Path | None = None, options: ReferenceOptions | None = None) -> Drawn:
    """Draw a stratified random sample of pixel centres and write what interpreters need.

    Parameters
    ----------
    config : Path
        Configuration of a run whose maps are made.
    out : Path, optional
        Folder; ``sample`` beside the configuration where left out.
    options : ReferenceOptions, optional

    Returns
    -------
    Drawn
        ``reference_sample.gpkg`` and ``.kml``, ``strata.csv``, ``README_reference.md``.

    Raises
    ------
    ConfigError, InputError, RunError
        If there is no map, the plan cannot be met, or a file is there already.
    """
    options = options or ReferenceOptions()
    if options.count is not None and options.se is not None:
        raise InputError("sample.count_or_se")
    run = open_run(config)
    seed = run.spec.seed if options.seed is None else options.seed
    rng = np.random.default_rng([seed, STREAM])
    strata = map_strata(run, options.strata)
    plan = plan_points(strata, options)
    number = {name: position + 1 for position, name in enumerate(strata.names)}
    drawn = draw_stratified(strata.pixels, {number[name]: n for name, n in plan.by_stratum.items()}, rng)
    # A random order lets a sample that is cut short still be one, and keeps neighbours from being looked at in a row.
    drawn = drawn.iloc[rng.permutation(len(drawn))]
    labels = _neutral(strata.names, rng)
    names = [strata.names[code - 1] for code in drawn["stratum"]]
    points = located(run, drawn["row"], drawn["col"]).assign(mapped_as=names, stratum=[labels[name] for name in names])
    simulated = bool(run.source.simulated or train.learned_from_simulated(run))
    folder = run.config.base / FOLDER if out is None else out
    files = {
        folder / f"{LAYER}.gpkg": geopackage(
            _columns(points, simulated), points["lon"].to_numpy(), points["lat"].to_numpy(), LAYER, run.spec.year
        ),
        folder / f"{LAYER}.kml": _kml(run, points),
        folder / STRATA: csv_bytes(_strata_table(strata, points, labels, simulated)),
    }
    planned = _planned(run, strata, plan, options)
    files[folder / README] = _readme(run, folder, len(points), seed, planned[0]).encode()
    told = (*_strata_lines(run, strata, plan, labels), *planned, *strata.notes, *plan.notes)
    return Drawn(write_new(files), (*told, Message.of("sample.next_reference", readme=folder / README)))


# -- plan -----------------------------------------------------------------------------------------------------------


def plan_points(strata: MapStrata, options: ReferenceOptions) -> Allocation:
    """How many points each stratum gets.

    Spreads are those of a 0/1 variable with the expected share of forest. The standard error is without correction for
    finite populations, as the estimate's own: points stand for land, of which pixels are only the listing.

    Raises
    ------
    InputError
        If the count does not reach the floors, the standard error cannot be had, or takes more points than anybody
        interprets.
    """
    sd = {name: proportion_sd(share) for name, share in strata.forest_share.items()}
    given: dict[str, Any] = {
        "stratum_weight": strata.area_ha.sum(axis=0).to_dict(),
        "sd": sd,
        "rule": options.allocation,
        "floor": options.minimum,
        "mean": strata.forest_share,
    }
    pixels = sum(strata.counts.values())
    if options.count is None:
        se = DEFAULT_SE if options.se is None else options.se
        if not (math.isfinite(se) and se > 0):
            raise InputError("sample.wanted_se", se=f"{se:g}")
        plan = _within(strata, lambda **limits: sample_size(se / 100.0, **given, **limits))
        if plan.n > pixels / 2:
            raise InputError("sample.se_out_of_reach", se=f"{se:g}", pixels=pixels)
    else:
        count = options.count
        least = sum(min(options.minimum, size) for size in strata.counts.values())
        if not least <= count <= pixels:
            limits = {"least": least, "most": pixels, "strata": len(strata.names), "minimum": options.minimum}
            raise InputError("sample.count_out_of_range", count=count, **limits)
        plan = _within(strata, lambda **limits: allocate(count, **given, **limits))
    if plan.n > LARGEST:
        raise InputError("sample.too_many", n=plan.n, limit=LARGEST)
    weight = strata.area_ha.sum(axis=0) / strata.area_ha.to_numpy().sum()
    variance = sum(float(weight[name]) ** 2 * sd[name] ** 2 / n for name, n in plan.by_stratum.items() if n > 0)
    return replace(plan, se=math.sqrt(variance))


def _within(strata: MapStrata, make: Callable[..., Allocation]) -> Allocation:
    """A plan that no stratum is too small for."""
    try:
        plan = make()
        if all(n <= strata.counts[name] for name, n in plan.by_stratum.items()):
            return plan
    except InputError as error:
        # floors above the size of a stratum, which the limits lower
        if error.key != "smallarea.cannot_allocate":
            raise
    return make(stratum_size=strata.counts)


def _neutral(names: tuple[str, ...], rng: np.random.Generator) -> dict[str, str]:
    """Codes for strata that say nothing of the map, in an order that says nothing either."""
    order = rng.permutation(len(names))
    return {name: f"S{int(order[i]) + 1:02d}" for i, name in enumerate(names)}


# -- files ----------------------------------------------------------------------------------------------------------


def point_ids(count: int, prefix: str) -> list[str]:
    """Names of points, of one length."""
    width = max(4, len(str(count)))
    return [f"{prefix}{number:0{width}d}" for number in range(1, count + 1)]


def _columns(points: gpd.GeoDataFrame, simulated: bool) -> dict[str, Any]:
    n = len(points)
    return {
        "point_id": np.array(point_ids(n, "R"), dtype=object),
        "lon": points["lon"].to_numpy(),
        "lat": points["lat"].to_numpy(),
        "zone_id": points["zone_id"].to_numpy(dtype=object),
        "stratum": points["stratum"].to_numpy(dtype=object),
        "reference_class": empty("text", n),
        "interpreter": empty("text", n),
        "date": empty("date", n),
        "confidence": empty("text", n),
        "note": empty("text", n),
        "simulated": np.full(n, simulated),
    }


def _kml(run: Run, points: gpd.GeoDataFrame) -> bytes:
    names = zone_names(run)
    year = run.spec.year
    placemarks = []
    for name, lon, lat, zone in zip(
        point_ids(len(points), "R"), points["lon"], points["lat"], points["zone_id"], strict=True
    ):
        about = both("sample.kml_point", point=name, year=year, place=names[zone])
        placemarks.append(Placemark(name, folder_name(names[zone]), about, lon, lat))
    aoi = run.spec.aoi
    title = both("sample.kml_title_reference", " ", place={"zh": aoi.name_zh, "en": aoi.name_en}, year=year)
    return kml(title, both("sample.kml_about_reference", count=len(points), year=year), placemarks)


def _strata_table(strata: MapStrata, points: gpd.GeoDataFrame, labels: dict[str, str], simulated: bool) -> pd.DataFrame:
    """Rows of every stratum in every zone where it has land, by neutral code."""
    found = points.groupby(["mapped_as", "zone_id"]).size().to_dict()
    rows = [
        {
            "stratum": labels[name],
            "zone_id": zone,
            "area_ha": float(strata.area_ha.loc[zone, name]),
            "mapped_as": name,
            "points": int(found.get((name, zone), 0)),
            "forest_expected": round(strata.forest_share[name], 3),
            "simulated": simulated,
        }
        for name in sorted(strata.names, key=labels.__getitem__)
        for zone in strata.area_ha.index
        if strata.area_ha.loc[zone, name] > 0
    ]
    return pd.DataFrame(rows)


def _readme(run: Run, folder: Path, count: int, seed: int, planned: Message) -> str:
    cover, forest = run.spec.land_cover, run.spec.forest
    rule = definition(forest.definition) if forest else None
    classes = cover.classes if cover else ()
    legend = "\n".join(f"| {item.code} | {item.id} | {item.zh} | {item.en} |" for item in classes)
    fields = {
        "count": count,
        "year": run.spec.year,
        "seed": seed,
        "legend": legend,
        "planned": planned,
        "min_area": f"{forest.min_area_ha:g}" if forest else "0",
        "reference": quoted(path_in_config(folder / f"{LAYER}.gpkg", run.config.base)),
        "strata": quoted(path_in_config(folder / STRATA, run.config.base)),
        "definition": quoted(forest.definition if forest else ""),
        "rule": {"zh": rule.text_zh, "en": rule.text_en} if rule else "",
    }
    return both("sample.readme_reference", "\n\n---\n\n", **fields) + "\n"


# -- what is told ---------------------------------------------------------------------------------------------------


def _planned(run: Run, strata: MapStrata, plan: Allocation, options: ReferenceOptions) -> tuple[Message, ...]:
    level = run.spec.estimate.level
    planned = Message.of(
        "sample.planned",
        n=plan.n,
        strata=len(strata.names),
        rule=Message.of(f"sample.rule_{plan.rule}"),
        minimum=options.minimum,
        se=f"{100 * plan.se:.2f}",
        half=f"{100 * plan.se * quantile(level):.1f}",
        level=f"{100 * level:g}",
    )
    return planned, strata.evidence


def _strata_lines(run: Run, strata: MapStrata, plan: Allocation, labels: dict[str, str]) -> list[Message]:
    """The key to the neutral codes, for whoever leads the work."""
    classes = run.spec.land_cover.classes if run.spec.land_cover else ()
    title: dict[str, Any] = {item.id: f"{item.id} {item.zh}" for item in classes}
    return [
        Message.of(
            "sample.stratum",
            stratum=labels[name],
            name=title.get(name, Message.of(f"sample.group_{name}")),
            area=f"{strata.area_ha[name].sum():,.0f}",
            share=f"{100 * strata.forest_share[name]:.0f}",
            points=plan.by_stratum[name],
        )
        for name in strata.names
    ]
