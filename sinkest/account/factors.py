"""Coefficients with their unit, source and status.

A table is a CSV file with one coefficient a row. ``status`` says how far a value can be trusted: ``SRC`` read in the
source that states it, ``SRC2`` read second-hand, ``DER`` derived by arithmetic from others, ``MEM`` not yet checked
against its source. Whatever rests on a ``MEM`` row is provisional.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from sinkest.account.reading import Row, nearest, number, read_csv
from sinkest.errors import InputError
from sinkest.messages import LANGUAGES, catalogue, text

STATUSES = ("SRC", "SRC2", "DER", "MEM")
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "slope": "t/m3",
        "intercept": "t/ha",
        "wood_density": "t/m3",
        "expansion": "1",
        "root_ratio": "1",
        "bcef_stock": "t/m3",
        "bcef_increment": "t/m3",
        "carbon_fraction": "t C/t",
        "carbon_density": "t C/ha",
        "biomass_density": "t/ha",
        "culm_biomass": "kg/culm",
        "relative_sd": "1",
        "allometry_sd": "1",
        "burial": "g C/m2/yr",
        "methane": "kg CH4/ha/yr",
        "downstream_ratio": "1",
        "flooding_co2": "t C/ha/yr",
        "gwp100": "t CO2e/t",
        "trophic_multiplier": "1",
        "understorey": "t C/ha",
        "dead_wood": "t C/ha",
        "litter": "t C/ha",
        "soil": "t C/ha",
        "curve_asymptote": "t C/ha",
        "curve_rate": "1/yr",
        "curve_shape": "1",
        "mean_age": "yr",
        "increment": "t C/ha/yr",
        "soil_reference": "t C/ha",
        "land_use_factor": "1",
        "tillage_factor": "1",
        "input_factor": "1",
        "transition_years": "yr",
        "paddy_methane": "kg CH4/ha/d",
        "amendment_exponent": "1",
    }
)
SHIPPED = ("conversion", "pools", "layers", "wetland", "gwp", "growth", "cropland")
REQUIRED = ("set", "parameter", "type", "value", "unit", "status", "source")
OPTIONAL = ("sd", "low", "high", "from_level", "below_level", "note")
ANY = "any"
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Factor:
    """A coefficient.

    Attributes
    ----------
    table, set_id, parameter, type_id : str
        Where it stands: table, set within it, what it is, and the forest or wetland type it is for (``"any"``: all).
    value : float
        In ``unit``.
    unit, source, status : str
    sd : float or None
        Standard deviation of the value, in ``unit``.
    low, high : float or None
        Range stated by the source, in ``unit``.
    from_level, below_level : float or None
        Where the value depends on a level (growing stock, biomass): it holds for from_level <= level < below_level.
    note : str
    """

    table: str
    set_id: str
    parameter: str
    type_id: str
    value: float
    unit: str
    status: str
    source: str
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    from_level: float | None = None
    below_level: float | None = None
    note: str = ""

    @property
    def provisional(self) -> bool:
        """Whether the value has not been checked against its source."""
        return self.status == "MEM"

    @property
    def sigma(self) -> float:
        """Standard deviation in ``unit``: ``sd``, else the range read as a 95 % interval, else 0."""
        if self.sd is not None:
            return self.sd
        if self.low is not None and self.high is not None:
            return (self.high - self.low) / (2 * _Z95)
        return 0.0

    @property
    def relative_sigma(self) -> float:
        """Standard deviation as a share of the value; 0 for a value of 0."""
        return self.sigma / abs(self.value) if self.value else 0.0

    def holds_at(self, level: float | None) -> bool:
        """Whether the value applies at a level; a value without bounds applies everywhere."""
        if self.from_level is None:
            return True
        if level is None:
            return False
        return self.from_level <= level < (math.inf if self.below_level is None else self.below_level)


@dataclass(frozen=True)
class FactorTable:
    """A table of coefficients, checked when it was loaded."""

    name: str
    path: str
    factors: tuple[Factor, ...]

    def sets(self) -> tuple[str, ...]:
        """Ids of the sets, in the table's order."""
        return tuple(dict.fromkeys(factor.set_id for factor in self.factors))

    def types(self, set_id: str, parameter: str | None = None) -> tuple[str, ...]:
        """Types of a set, of one parameter or of all."""
        return tuple(
            dict.fromkeys(
                factor.type_id
                for factor in self.factors
                if factor.set_id == set_id and parameter in (None, factor.parameter)
            )
        )

    def find(self, set_id: str, parameter: str, type_id: str, level: float | None = None) -> Factor | None:
        """The coefficient, that of type ``any`` where the type has none of its own, or None."""
        for wanted in (type_id, ANY):
            for factor in self.factors:
                if (factor.set_id, factor.parameter, factor.type_id) == (set_id, parameter, wanted) and factor.holds_at(
                    level
                ):
                    return factor
        return None

    def get(self, set_id: str, parameter: str, type_id: str, level: float | None = None) -> Factor:
        """The coefficient.

        Raises
        ------
        InputError
            If the table has no such row; the message names the sets and types it has.
        """
        factor = self.find(set_id, parameter, type_id, level)
        if factor is not None:
            return factor
        if set_id not in self.sets():
            raise InputError("account.unknown_set", file=self.path, given=set_id, nearest=nearest(set_id, self.sets()))
        raise InputError(
            "account.missing_types",
            file=self.path,
            set=set_id,
            parameter=parameter,
            types=type_id,
            known=", ".join(self.types(set_id, parameter)) or "-",
        )

    def require(self, set_id: str, parameter: str, types: Iterable[str]) -> None:
        """Refuse a table that lacks a parameter for any of the types.

        Raises
        ------
        InputError
            Naming every missing type at once.
        """
        have = set(self.types(set_id, parameter))
        missing = [] if ANY in have else [name for name in types if name not in have]
        if missing:
            raise InputError(
                "account.missing_types",
                file=self.path,
                set=set_id,
                parameter=parameter,
                types=", ".join(missing),
                known=", ".join(sorted(have)) or "-",
            )

    def frame(self) -> pd.DataFrame:
        """The table as a data frame, one coefficient a row."""
        return used_frame(self.factors)


def load(path: str | Path, name: str | None = None) -> FactorTable:
    """Read a table of coefficients.

    Parameters
    ----------
    path : path-like
        CSV file in UTF-8 with the columns ``set, parameter, type, value, unit, status, source`` and, where wanted,
        ``sd, low, high, from_level, below_level, note``.
    name : str, optional
        Name of the table; the file's name without its ending where not given.

    Raises
    ------
    InputError
        For unknown columns, parameters, units or statuses, text in numbers, negative or contradictory values,
        repeated rows, and levels that overlap or leave a gap. The message names file, row and column.
    """
    file = str(path)
    table = name or Path(file).stem
    seen: dict[tuple[str, ...], int] = {}
    factors = []
    for row in read_csv(path, REQUIRED, OPTIONAL):
        factor = _factor(file, table, row)
        key = (factor.set_id, factor.parameter, factor.type_id, row.cells["from_level"])
        if key in seen:
            raise InputError(
                "account.duplicate_row", file=file, row=row.line, first=seen[key], name=" / ".join(filter(None, key))
            )
        seen[key] = row.line
        factors.append(factor)
    _check_levels(file, factors)
    return FactorTable(table, file, tuple(factors))


@lru_cache(maxsize=len(SHIPPED))
def shipped_table(name: str) -> FactorTable:
    """A table that comes with the program, by its name in :data:`SHIPPED`."""
    return load(Path(str(files("sinkest.account").joinpath("factors", f"{name}.csv"))), name)


def used_frame(factors: Iterable[Factor]) -> pd.DataFrame:
    """Coefficients as a data frame without repeats, in order of table, set, parameter, type and level.

    Beside the attributes of :class:`Factor` it has ``provisional`` and the names ``name``, ``name_zh``, ``name_en``.
    """
    columns = [*Factor.__dataclass_fields__, "provisional", "name", "name_zh", "name_en"]
    records = [
        asdict(factor)
        | {"provisional": factor.provisional, "name": " / ".join((factor.set_id, factor.parameter, factor.type_id))}
        | {f"name_{language}": _name(factor, language) for language in LANGUAGES}
        for factor in dict.fromkeys(factors)
    ]
    frame = pd.DataFrame.from_records(records, columns=columns)
    order = ["table", "set_id", "parameter", "type_id", "from_level"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _name(factor: Factor, language: str) -> str:
    parts = [factor.set_id]
    for kind, identifier in (("parameter", factor.parameter), ("type", factor.type_id)):
        key = f"account.{kind}_{identifier}"
        parts.append(text(key, language) if key in catalogue() else identifier)
    if factor.from_level is not None:
        end = "" if factor.below_level is None else f"{factor.below_level:g}"
        parts.append(f"{factor.from_level:g}-{end}")
    return " · ".join(parts)


def _factor(file: str, table: str, row: Row) -> Factor:
    cells = row.cells
    for column in REQUIRED:
        if not cells[column]:
            raise InputError("account.empty_cell", file=file, row=row.line, column=column)
    parameter, unit, status = cells["parameter"], cells["unit"], cells["status"]
    if parameter not in UNITS:
        raise InputError(
            "account.unknown_parameter", file=file, row=row.line, given=parameter, nearest=nearest(parameter, UNITS)
        )
    if unit != UNITS[parameter]:
        raise InputError(
            "account.wrong_unit", file=file, row=row.line, parameter=parameter, given=unit, expected=UNITS[parameter]
        )
    if status not in STATUSES:
        raise InputError("account.unknown_status", file=file, row=row.line, given=status, expected=", ".join(STATUSES))
    value = _number(file, row, "value")
    bounds = {column: _number(file, row, column) for column in OPTIONAL[:-1]}
    factor = Factor(
        table=table,
        set_id=cells["set"],
        parameter=parameter,
        type_id=cells["type"],
        value=math.nan if value is None else value,
        unit=unit,
        status=status,
        source=cells["source"],
        note=cells["note"],
        **bounds,
    )
    _check_range(file, row, factor)
    return factor


def _number(file: str, row: Row, column: str) -> float | None:
    cell = row.cells[column]
    if not cell:
        return None
    value = number(cell)
    if value is None:
        raise InputError("account.not_number", file=file, row=row.line, column=column, given=cell)
    if value < 0:
        raise InputError("account.negative", file=file, row=row.line, column=column, given=cell)
    return value


def _check_range(file: str, row: Row, factor: Factor) -> None:
    low = factor.value if factor.low is None else factor.low
    high = factor.value if factor.high is None else factor.high
    if not low <= factor.value <= high:
        raise InputError("account.outside_range", file=file, row=row.line, value=factor.value, low=low, high=high)
    start, end = factor.from_level, factor.below_level
    if (start is None and end is not None) or (start is not None and end is not None and start >= end):
        raise InputError(
            "account.bad_levels",
            file=file,
            row=row.line,
            name=f"{factor.set_id} / {factor.parameter} / {factor.type_id}",
        )


def _check_levels(file: str, factors: list[Factor]) -> None:
    groups: dict[tuple[str, str, str], list[Factor]] = {}
    for factor in factors:
        groups.setdefault((factor.set_id, factor.parameter, factor.type_id), []).append(factor)
    for key, members in groups.items():
        if len(members) == 1 and members[0].from_level is None:
            continue
        starts = [factor.from_level for factor in members]
        ordered = sorted(members, key=lambda factor: -1.0 if factor.from_level is None else factor.from_level)
        joined = all(a.below_level == b.from_level for a, b in pairwise(ordered))
        if None in starts or not joined or ordered[0].from_level != 0 or ordered[-1].below_level is not None:
            raise InputError("account.bad_levels", file=file, row="-", name=" / ".join(key))
