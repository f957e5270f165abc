"""Everything a run folder knows about one of its numbers, in words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sinkest.errors import InputError
from sinkest.explain.chain import Chain, chain
from sinkest.explain.evidence import Evidence
from sinkest.messages import catalogue
from sinkest.report.data import CITY, WITHHELD
from sinkest.report.names import (
    Words,
    factor_status_name,
    method_name,
    quantity_name,
    said,
    status_name,
    zone_name,
)
from sinkest.report.units import finite, trimmed
from sinkest.stages import estimate, mapping, train

AGREES = 1e-9
"""Relative difference within which the steps give the number of the table."""
SHARES_OF = {"co2_total": "carbon:total"}
"""Quantities that are a fixed multiple of the one whose variance was split."""
DRAWN = ("bamboo_culms", "biomass", "carbon", "carbon_checked", "carbon_pool", "co2_total", "sink", "wetland_burial",
         "wetland_methane", "wetland_methane_co2e", "wetland_flooding", "wetland_net")  # fmt: skip
_TREES = ("carbon:arbor", "carbon_pool:above_ground", "carbon_pool:below_ground", "sink")


@dataclass(frozen=True)
class Part:
    """A section of an explanation: a heading and its lines."""

    id: str
    head: Words
    lines: tuple[Words, ...]


@dataclass(frozen=True)
class Explanation:
    """The chain of one number.

    Attributes
    ----------
    quantity, zone : str
    title : Words
    parts : tuple of Part
    agrees : bool or None
        Whether the steps give the table's number; None where the run folder does not hold all of them.
    """

    quantity: str
    zone: str
    title: Words
    parts: tuple[Part, ...]
    agrees: bool | None

    def lines(self, language: str) -> list[str]:
        """The explanation as text, a line each."""
        found = [self.title[language]]
        for part in self.parts:
            found += ["", part.head[language], *(f"  {line[language]}" for line in part.lines)]
        return found


def explain(run: Path, quantity: str, zone: str = CITY) -> Explanation:
    """Explain a number of a finished run.

    Parameters
    ----------
    run : Path
        The run's folder; nothing else is read.
    quantity : str
        Id of the tidy table, e.g. ``"growing_stock"`` or ``"carbon:arbor"``.
    zone : str
        Code or name of a zone, or ``"all"``.

    Raises
    ------
    RunError
        If the folder holds no finished run, or a file of it was changed.
    InputError
        If the run has no such quantity, zone, or no such quantity in that zone; the nearest names are given.
    """
    return explained(Evidence(run), quantity, zone)


def explained(evidence: Evidence, quantity: str, zone: str = CITY) -> Explanation:
    """As :func:`explain`, of a run that is open; its files are read once for all numbers.

    Raises
    ------
    RunError, InputError
        As :func:`explain`.
    """
    table = evidence.estimates
    _known_quantity(quantity, table)
    zone = _known_zone(evidence, zone)
    rows = table[(table["quantity"] == quantity) & (table["zone"] == zone)]
    if rows.empty:
        have = sorted(set(table.loc[table["quantity"] == quantity, "zone"]))
        raise InputError("explain.not_in_zone", quantity=quantity, zone=zone, zones=", ".join(have))
    row = {str(name): value for name, value in rows.iloc[0].items()}
    steps = chain(evidence, quantity, zone)
    agrees = _agrees(steps, row)
    parts = (
        Part("result", Words.of("explain.head_result"), _result(row)),
        Part("formula", Words.of("explain.head_formula"), (_formula(quantity),)),
        Part("steps", Words.of("explain.head_steps"), _steps(steps, row, agrees)),
        Part("coefficients", Words.of("explain.head_coefficients"), _coefficients(evidence, quantity)),
        Part("sample", Words.of("explain.head_sample"), _sample(evidence, row)),
        Part("interval", Words.of("explain.head_interval"), _interval(evidence, quantity, zone, row)),
        Part("shares", Words.of("explain.head_shares"), _shares(evidence, quantity, zone)),
        Part("files", Words.of("explain.head_files"), _files(evidence, quantity)),
    )
    where = zone_name(evidence.data, zone)
    name, year = quantity_name(evidence.data, quantity), evidence.data.year
    title = Words.of("explain.title", name=name, zone=where, year=year, quantity=quantity, code=zone)
    return Explanation(quantity, zone, title, tuple(part for part in parts if part.lines), agrees)


# -- what is asked for ------------------------------------------------------------------------------------------------


def _known_quantity(quantity: str, table: pd.DataFrame) -> None:
    known = list(dict.fromkeys(table["quantity"].astype(str)))
    if quantity not in known:
        raise InputError("explain.unknown_quantity", given=quantity, nearest=_nearest(quantity, known))


def _known_zone(evidence: Evidence, given: str) -> str:
    """The code of a zone given by code or name."""
    names = {CITY: CITY, evidence.data.city_zh: CITY, evidence.data.city_en: CITY}
    for line in evidence.data.zones.to_dict("records"):
        for key in ("zone_id", "name_zh", "name_en"):
            names.setdefault(str(line[key]), str(line["zone_id"]))
    folded = {name.casefold(): code for name, code in names.items()}
    if given.casefold() not in folded:
        raise InputError("explain.unknown_zone", given=given, nearest=_nearest(given, list(names)))
    return folded[given.casefold()]


def _nearest(given: str, known: list[str]) -> str:
    found = difflib.get_close_matches(given, known, 4, 0.4)
    found += [name for name in known if given and given.casefold() in name.casefold() and name not in found]
    return ", ".join((found or known)[:6])


# -- parts ------------------------------------------------------------------------------------------------------------


def number(value: object) -> str:
    """A number to seven digits, in full: an explanation is for reckoning again."""
    shown = finite(value)
    if shown is None:
        return "—"
    if shown == int(shown) and abs(shown) < 1e15:
        return f"{int(shown):,}"
    return f"{shown:,.2f}" if abs(shown) >= 1e5 else trimmed(shown, 7)


def _result(row: Mapping[str, Any]) -> tuple[Words, ...]:
    unit = row["unit"]
    lines = [Words.of("explain.value", value=number(row["value"]), unit=unit)]
    if finite(row["low"]) is not None and finite(row["high"]) is not None:
        level = f"{100 * float(row['level']):g}"
        ends = {"low": number(row["low"]), "high": number(row["high"])}
        lines.append(Words.of("explain.ends", level=level, unit=unit, **ends))
    if finite(row["se"]) is not None:
        lines.append(Words.of("explain.se", se=number(row["se"]), unit=unit))
    lines.append(Words.of("explain.status", status=status_name(str(row["status"]))))
    if row["definition_id"]:
        lines.append(Words.of("explain.definition", definition=row["definition_id"]))
    flags = [key for key in ("provisional", "simulated") if bool(row[key])]
    lines += [Words.of(f"explain.{key}") for key in flags]
    if row["status"] == WITHHELD:
        lines.append(Words.of("explain.withheld"))
    note = said(row["note"])
    return (*lines, note) if note.en and row["note"] else tuple(lines)


def formula_key(quantity: str) -> str:
    """Id of the text that gives a quantity's formula."""
    head, _, part = quantity.partition(":")
    for name in (f"{head}_{part}", head):
        if f"explain.formula_{name}" in catalogue():
            return f"explain.formula_{name}"
    return "explain.formula_unknown"


def _formula(quantity: str) -> Words:
    return Words.of(formula_key(quantity))


def _agrees(steps: Chain, row: Mapping[str, Any]) -> bool | None:
    value = finite(row["value"])
    if math.isnan(steps.result) or value is None:
        return None
    return math.isclose(steps.result, value, rel_tol=AGREES, abs_tol=1e-6)


def _steps(steps: Chain, row: Mapping[str, Any], agrees: bool | None) -> tuple[Words, ...]:
    if not steps.terms:
        return (Words.of("explain.no_steps"),)
    lines = [
        Words.of("explain.term", name=term.name, value=number(term.value), unit=term.unit, file=term.source)
        for term in steps.terms
    ]
    if agrees is None:
        return (*lines, Words.of("explain.not_reckoned"))
    key = "explain.reckoned" if agrees else "explain.disagrees"
    return (*lines, Words.of(key, value=number(steps.result), unit=row["unit"], table=number(row["value"])))


def _coefficients(evidence: Evidence, quantity: str) -> tuple[Words, ...]:
    table = evidence.table("factors")
    if table is None:
        return ()
    chosen = evidence.parts.get("account", {}).get("conversion_set", "")
    lines = []
    for line in table[_wanted(table, quantity, evidence)].to_dict("records"):
        interval_only = line["table"] == "conversion" and line["set_id"] != chosen
        spread = _spread(line)
        lines.append(
            Words.of(
                "explain.coefficient",
                name=Words(str(line["name_zh"]), str(line["name_en"])),
                value=number(line["value"]),
                unit=line["unit"],
                spread=spread,
                status=factor_status_name(str(line["status"])),
                source=line["source"],
                role=Words.of("explain.role_interval" if interval_only else "explain.role_value"),
            )
        )
    return tuple(lines)


def _spread(line: Mapping[Any, Any]) -> str:
    sd, low, high = (finite(line.get(name)) for name in ("sd", "low", "high"))
    shown = "" if sd is None else f" ± {number(sd)}"
    return shown if low is None or high is None else f"{shown} [{number(low)}, {number(high)}]"


def _wanted(table: pd.DataFrame, quantity: str, evidence: Evidence) -> pd.Series:
    """The coefficients that a quantity or its interval rests on."""
    head, _, part = quantity.partition(":")
    nothing = pd.Series(False, index=table.index)
    in_table = {name: table["table"] == name for name in ("conversion", "pools", "layers", "wetland", "gwp")}
    if head == "biomass" or (head == "carbon" and part not in ("arbor", "total")):
        pool = in_table["pools"] & (table["type_id"] == part)
        if pool.any():
            return pool
    if head == "biomass":
        detail = evidence.table("stock_detail")
        kinds = set() if detail is None else set(detail.loc[detail["type"] == part, "factor_type"].astype(str))
        general = ~table["set_id"].isin(table.loc[table["parameter"] == "slope", "set_id"])
        return in_table["conversion"] & (table["type_id"].isin([*kinds, "any"]) | general)
    if quantity in _TREES or head == "sink":
        roots = in_table["layers"] & (table["parameter"] == "root_ratio") & (head == "carbon_pool")
        return in_table["conversion"] | roots
    if head == "carbon_pool":
        return in_table["layers"] & (table["parameter"] == part)
    if head in ("carbon", "co2_total", "carbon_checked"):
        found = in_table["conversion"] | in_table["pools"]
        return found & (table["status"].str.upper() != "MEM") if head == "carbon_checked" else found
    if head.startswith("wetland_") and head != "wetland_area":
        wanted = {
            "wetland_burial": ["burial"],
            "wetland_flooding": ["flooding_co2"],
            "wetland_methane": ["methane", "downstream_ratio", "trophic_multiplier"],
        }.get(head)
        own = in_table["wetland"] if wanted is None else in_table["wetland"] & table["parameter"].isin(wanted)
        with_gwp = head in ("wetland_methane_co2e", "wetland_net")
        return own | (in_table["gwp"] | (table["parameter"] == "gwp100") if with_gwp else nothing)
    return nothing


def _sample(evidence: Evidence, row: Mapping[str, Any]) -> tuple[Words, ...]:
    lines = []
    if row["method"]:
        lines.append(Words.of("explain.method", method=method_name(row["method"]), id=row["method"]))
    n = finite(row["n"])
    if n:
        lines.append(Words.of("explain.n", n=f"{n:,.0f}"))
    efficiency = finite(evidence.json("run").get("relative_efficiency"))
    if row["quantity"] == "growing_stock" and row["zone"] == CITY and efficiency is not None:
        lines.append(Words.of("explain.efficiency", value=trimmed(efficiency, 3)))
    return tuple(lines)


def _interval(evidence: Evidence, quantity: str, zone: str, row: Mapping[str, Any]) -> tuple[Words, ...]:
    if finite(row["low"]) is None:
        return (Words.of("explain.no_interval"),)
    drawn = quantity.partition(":")[0] in DRAWN
    if not drawn:
        return (Words.of("explain.from_sample"),)
    draws = evidence.parts.get("account", {}).get("draws")
    lines = [Words.of("explain.draws", draws=f"{int(draws or 0):,}", seed=evidence.parts.get("seed"))]
    table = evidence.table("uncertainty")
    if table is None:
        return tuple(lines)
    rows = table[(table["quantity"] == quantity) & (table["zone"] == zone)]
    for line in rows.to_dict("records"):
        first, second = (number(line[f"se_approach_{which}"]) for which in (1, 2))
        lines.append(Words.of("explain.approaches", first=first, second=second, unit=row["unit"]))
    return tuple(lines)


def _shares(evidence: Evidence, quantity: str, zone: str) -> tuple[Words, ...]:
    if quantity.partition(":")[0] not in DRAWN:
        return ()
    table = evidence.table("shares")
    asked = SHARES_OF.get(quantity, quantity)
    rows = [] if table is None else table[(table["quantity"] == asked) & (table["zone"] == zone)].to_dict("records")
    if not rows:
        return (Words.of("explain.not_split"),)
    found = sorted(rows, key=lambda line: -float(line["share"]))
    return tuple(
        Words.of("explain.share", source=said(line["source"]), share=f"{100 * float(line['share']):.1f}")
        for line in found
        if abs(float(line["share"])) >= 5e-4
    )


# -- files ------------------------------------------------------------------------------------------------------------


def _files(evidence: Evidence, quantity: str) -> tuple[Words, ...]:
    """Inputs with the hashes that the stages were sealed with, and the files of the run that were read here."""
    inputs = {name: digest for name, digest in _inputs(evidence, quantity) if digest}
    lines = [Words.of("explain.input", name=_input_name(name), sha256=digest) for name, digest in inputs.items()]
    lines += [Words.of("explain.file", name=name, sha256=digest) for name, digest in sorted(evidence.read.items())]
    code = evidence.parts.get("code", {})
    return (*lines, Words.of("explain.code", version=code.get("version"), sha256=code.get("code_sha256")))


def _input_name(name: str) -> Words:
    key = f"explain.input_{name}"
    return Words.of(key) if key in catalogue() else Words.same(name)


def _inputs(evidence: Evidence, quantity: str) -> Iterable[tuple[str, str | None]]:
    """Names and hashes of what a quantity rests on."""
    head = quantity.partition(":")[0]
    files: Mapping[str, str | None] = evidence.parts.get("files", {})
    trained = evidence.sealed(train.NAME)
    compose = evidence.sealed("compose")
    yield "zones", compose.get("aoi_file")
    if head.startswith("small_wetland"):
        yield "sites", files.get("sites")
        return
    if head == "greenness_gain":
        yield "treatments", files.get("treatments")
        yield "previous_run", evidence.parts.get("previous_run")
    if head.startswith("karst_") or head == "corridor_treated_area":
        yield "treatments", files.get("treatments")
        return
    if head.startswith("land_use_"):
        yield "land_use", files.get("land_use")
        return
    if head in ("cropland_soil", "paddy_methane_co2e", "cropland_net"):
        yield "cropland", files.get("cropland")
        return
    for name, digest in compose.get("files", {}).items():
        yield name, digest
    yield "labels", trained.get("labels")
    for name, digest in trained.get("models", {}).items():
        yield name, digest
    yield mapping.NAME, evidence.parts.get("map")
    if not head.startswith("pixel_"):
        yield "reference", files.get("reference")
        yield "strata", files.get("strata")
    if head not in ("forest_coverage", "forest_area", "tree_cover", "class_area", "arbor_area", "forest_area_change"):
        yield "plots", trained.get("plots")
    if head.startswith("wetland_"):
        yield "sites", files.get("sites")
    if head in ("stock_change", "sink", "forest_area_change"):
        yield "previous_run", evidence.parts.get("previous_run")
    yield estimate.NAME, (evidence.store.seal(estimate.NAME) or {}).get("key")
