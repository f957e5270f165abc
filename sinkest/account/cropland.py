"""Cropland soil: change of soil carbon by IPCC equation 2.25, and beside it the methane of paddies.

All factors come from one edition (the 2019 Refinement); a reference stock of one edition with factors of another gives
a change that no soil makes. Off unless a table of fields is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sinkest.account.conversion import Coefficients
from sinkest.account.factors import Factor
from sinkest.account.forest import co2_t
from sinkest.account.reading import Row, nearest, number, read_csv
from sinkest.account.wetland import gwp
from sinkest.errors import InputError

EDITION = "2019"
PADDY = "paddy"
REQUIRED = (
    "field_id",
    "area_ha",
    "soil",
    "use_before",
    "tillage_before",
    "input_before",
    "use_after",
    "tillage_after",
    "input_after",
    "changed_year",
)
OPTIONAL = ("zone", "paddy_days", "amendment_t_ha", "amendment_factor", "note")
COLUMNS = (
    "field_id",
    "zone",
    "area_ha",
    "soil_before_t_c_ha",
    "soil_after_t_c_ha",
    "soil_change_t_co2_yr",
    "paddy_methane_t_yr",
    "paddy_methane_t_co2e_yr",
    "net_t_co2e_yr",
    "edition",
    "gwp_set",
    "provisional",
)


def cropland_balance(
    coefficients: Coefficients, path: str | Path, year: int, gwp_set: str = "AR5"
) -> tuple[pd.DataFrame, tuple[Factor, ...]]:
    """Yearly balance of cropland whose management changed; positive = sink.

    Parameters
    ----------
    coefficients : Coefficients
    path : path-like
        CSV with the columns of :data:`REQUIRED`. ``soil``, ``use_*``, ``tillage_*`` and ``input_*`` name rows of the
        table of factors. ``paddy_days`` (flooded days a year) is needed wherever rice grows after the change;
        ``amendment_t_ha`` (t/ha of organic matter, dry) goes with its conversion factor ``amendment_factor``.
    year : int
        Year of the account. The change of soil carbon is spread over 20 years from ``changed_year`` and is zero after.
    gwp_set : str

    Returns
    -------
    table : DataFrame
        A row for each field: soil carbon before and at the new level (t C/ha, 0-30 cm), its yearly change (t CO2), the
        methane of the paddy after the change (t CH4) and its CO2 equivalent (negative), and the net.
    factors : tuple of Factor

    Raises
    ------
    InputError
        For unreadable tables, unknown soils or practices, impossible numbers, and paddies without flooded days: a gain
        of soil carbon under rice is not reported without its methane.
    """
    file = str(path)
    potential = gwp(coefficients, gwp_set)
    used: list[Factor] = [potential]
    records, seen = [], set[str]()
    for row in read_csv(path, REQUIRED, OPTIONAL):
        for column in REQUIRED:
            if not row.cells[column]:
                raise InputError("account.empty_cell", file=file, row=row.line, column=column)
        field = row.cells["field_id"]
        if field in seen:
            raise InputError("account.field_repeated", file=file, row=row.line, field=field)
        seen.add(field)
        records.append(_record(coefficients, file, row, year, potential, used))
    return pd.DataFrame.from_records(records, columns=list(COLUMNS)), tuple(dict.fromkeys(used))


def _record(
    coefficients: Coefficients, file: str, row: Row, year: int, potential: Factor, used: list[Factor]
) -> dict[str, object]:
    cells = row.cells
    area = _number(file, row, "area_ha", 0.0, 1e6)
    changed = _number(file, row, "changed_year", 1000, year)
    before, after = (_soil(coefficients, file, row, when, used) for when in ("before", "after"))
    span = _factor(coefficients, file, row, "transition_years", "any", used).value
    running = year - changed < span
    soil = co2_t((after - before) / span * area) if running else 0.0
    methane = _paddy_methane(coefficients, file, row, used) * area if cells["use_after"] == PADDY else 0.0
    equivalent = -methane * potential.value
    return {
        "field_id": cells["field_id"],
        "zone": cells["zone"],
        "area_ha": area,
        "soil_before_t_c_ha": before,
        "soil_after_t_c_ha": after,
        "soil_change_t_co2_yr": soil,
        "paddy_methane_t_yr": methane,
        "paddy_methane_t_co2e_yr": equivalent,
        "net_t_co2e_yr": soil + equivalent,
        "edition": EDITION,
        "gwp_set": potential.set_id,
        "provisional": any(factor.provisional for factor in used),
    }


def _soil(coefficients: Coefficients, file: str, row: Row, when: str, used: list[Factor]) -> float:
    """SOCref x FLU x FMG x FI, t C/ha."""
    names = {
        "soil_reference": row.cells["soil"],
        "land_use_factor": row.cells[f"use_{when}"],
        "tillage_factor": row.cells[f"tillage_{when}"],
        "input_factor": row.cells[f"input_{when}"],
    }
    return math.prod(_factor(coefficients, file, row, *item, used).value for item in names.items())


def _paddy_methane(coefficients: Coefficients, file: str, row: Row, used: list[Factor]) -> float:
    """Methane of a hectare of paddy, t CH4/yr: baseline x days x (1 + ROA x CFOA)^0.59."""
    if not row.cells["paddy_days"]:
        raise InputError("account.paddy_days", file=file, row=row.line, field=row.cells["field_id"])
    days = _number(file, row, "paddy_days", 0, 366)
    given = [bool(row.cells[name]) for name in ("amendment_t_ha", "amendment_factor")]
    if any(given) != all(given):
        raise InputError("account.amendment_pair", file=file, row=row.line, field=row.cells["field_id"])
    scale = 1.0
    if all(given):
        exponent = _factor(coefficients, file, row, "amendment_exponent", "any", used).value
        amount = _number(file, row, "amendment_t_ha", 0, 100) * _number(file, row, "amendment_factor", 0, 10)
        scale = (1 + amount) ** exponent
    return _factor(coefficients, file, row, "paddy_methane", "any", used).value * days * scale / 1000


def _factor(coefficients: Coefficients, file: str, row: Row, parameter: str, name: str, used: list[Factor]) -> Factor:
    table = coefficients.cropland
    found = table.find(EDITION, parameter, name)
    if found is None:
        known = table.types(EDITION, parameter)
        raise InputError(
            "account.cropland_class",
            file=file,
            row=row.line,
            parameter=parameter,
            given=name,
            nearest=nearest(name, known),
        )
    used.append(found)
    return found


def _number(file: str, row: Row, column: str, least: float, most: float) -> float:
    value = number(row.cells[column])
    if value is None:
        raise InputError("account.not_number", file=file, row=row.line, column=column, given=row.cells[column])
    if not least <= value <= most:
        raise InputError("account.outside", file=file, row=row.line, column=column, given=value, least=least, most=most)
    return value


def cropland_totals(table: pd.DataFrame) -> Mapping[str, tuple[float, str]]:
    """Sums over all fields by quantity id, each with its unit; positive = sink."""
    sums = {name: float(table[name].sum()) for name in COLUMNS[5:9]}
    return {
        "cropland_soil": (sums["soil_change_t_co2_yr"], "t CO2/yr"),
        "paddy_methane_co2e": (sums["paddy_methane_t_co2e_yr"], "t CO2e/yr"),
        "cropland_net": (sums["net_t_co2e_yr"], "t CO2e/yr"),
    }
