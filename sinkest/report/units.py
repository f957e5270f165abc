"""Units as people read them: 万m³ and 公顷 in Chinese, million m³ and ha in English; and numbers in them.

A printed number is a :class:`~decimal.Decimal` in the base unit (m3, ha, t, ...), rounded once to a power of ten. The
languages differ only in where the decimal point stands, so they cannot show different numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import pandas as pd

from sinkest.messages import catalogue, text

MISSING = "—"


@dataclass(frozen=True)
class Unit:
    """How a base unit is shown.

    Parameters
    ----------
    id : str
        Name in the catalogue: ``quantities.unit_<id>`` is the label, ``quantities.sheet_unit_<id>`` the workbook's.
    zh, en : int
        Powers of ten of the shown units, e.g. 4 and 6 for 万m³ and million m³.
    finest, coarsest : int
        Powers of ten, in the base unit, between which the last printed digit lies.
    additive : bool
        Whether the zones of a whole add up in this unit.
    """

    id: str
    zh: int
    en: int
    finest: int
    coarsest: int
    additive: bool = True

    def power(self, language: str) -> int:
        """Power of ten of the shown unit in a language."""
        return self.zh if language == "zh" else self.en


UNITS: dict[str, Unit] = {
    "%": Unit("percent", 0, 0, -2, -1, additive=False),
    "ha": Unit("ha", 0, 0, -2, 0),
    "ha/yr": Unit("ha_yr", 0, 0, -2, 0),
    "m3": Unit("m3", 4, 6, 2, 3),
    "m3/ha": Unit("m3_ha", 0, 0, -2, -1, additive=False),
    "m3/yr": Unit("m3_yr", 4, 3, 2, 3),
    "t": Unit("t", 4, 6, 2, 3),
    "t/ha": Unit("t_ha", 0, 0, -2, -1, additive=False),
    "t C": Unit("t_c", 4, 6, 2, 3),
    "t C/ha": Unit("t_c_ha", 0, 0, -2, -1, additive=False),
    "t C/yr": Unit("t_c_yr", 4, 3, 1, 3),
    "t CO2": Unit("t_co2", 4, 6, 2, 3),
    "t CO2/yr": Unit("t_co2_yr", 4, 3, 1, 3),
    "t CO2e/yr": Unit("t_co2e_yr", 4, 3, 1, 3),
    "t CH4/yr": Unit("t_ch4_yr", 0, 0, 0, 2),
    "NDVI/yr": Unit("ndvi_yr", 0, 0, -6, -4, additive=False),
    "count": Unit("count", 0, 0, 0, 0),
}

_SPELLINGS = {
    "percent": "%",
    "m³": "m3",
    "m3/a": "m3/yr",
    "m3 ha-1": "m3/ha",
    "m³/ha": "m3/ha",
    "tC": "t C",
    "t_C": "t C",
    "tCO2": "t CO2",
    "t_CO2": "t CO2",
    "tCO2/yr": "t CO2/yr",
    "t CO2/a": "t CO2/yr",
    "t CO2e/a": "t CO2e/yr",
    "公顷": "ha",
    "处": "count",
    "sites": "count",
}
_MULTIPLES = {
    "万m3": ("m3", 4),
    "万m³": ("m3", 4),
    "万吨": ("t", 4),
    "万吨C": ("t C", 4),
    "万吨CO2": ("t CO2", 4),
    "kha": ("ha", 3),
}
_PLAIN = str.maketrans({"³": "3", "₂": "2", "₄": "4", "⁴": "4", "\u202f": " ", "\u00a0": " ", "–": "-"})


def base_unit(unit: str) -> tuple[str, int]:
    """The base unit that a unit is a multiple of, and the power of ten between them (``"万m3"``: ``("m3", 4)``)."""
    if unit in _MULTIPLES:
        return _MULTIPLES[unit]
    return _SPELLINGS.get(unit, unit), 0


def unit_of(unit: str) -> Unit:
    """The display of a base unit; one that is not in the list is shown as it is written."""
    name = base_unit(unit)[0]
    return UNITS.get(name, Unit(name, 0, 0, -2, 0, additive=False))


def unit_label(unit: str, language: str, *, sheet: bool = False) -> str:
    """Label of the shown unit; ``sheet`` gives the Chinese unit in either language, as the workbook uses it."""
    shown = unit_of(unit)
    if shown.id in ("", "1"):
        return ""
    for prefix in ("sheet_unit", "unit") if sheet else ("unit",):
        key = f"quantities.{prefix}_{shown.id}"
        if key in catalogue():
            return text(key, language)
    return shown.id


def rate_label(unit: str, language: str) -> str:
    """Label of "this unit per year"."""
    if base_unit(unit)[0] == "%":
        return text("quantities.unit_points_per_year", language)
    return text("quantities.unit_per_year", language, unit=unit_label(unit, language))


def plain(string: str) -> str:
    """The same text without superscripts and special spaces, for terminals with a small character set."""
    return string.translate(_PLAIN)


def absent(value: object) -> bool:
    """Whether a cell of a table is empty: nothing, NaN or NA."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def finite(value: object) -> float | None:
    """A number, or ``None`` for whatever is not a finite one."""
    if absent(value) or isinstance(value, str):
        return None
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def step_of(unit: str, errors: Sequence[float], whole: float | None = None) -> int:
    """Power of ten of the last printed digit of a quantity.

    It is the second significant digit of the smallest standard error, but no more than one digit finer than the second
    significant digit of the whole's; and it lies within the bounds of the unit.

    Parameters
    ----------
    unit : str
        A base unit.
    errors : sequence of float
        Standard errors in the base unit; values that are not finite and positive are passed over.
    whole : float, optional
        Standard error of the whole; default: the largest of ``errors``.
    """
    shown = unit_of(unit)
    usable = [error for error in errors if math.isfinite(error) and error > 0]
    if not usable:
        return max(shown.finest, shown.coarsest - 1)
    if whole is None or not (math.isfinite(whole) and whole > 0):
        whole = max(usable)
    wanted = max(_second_digit(min(usable)), _second_digit(whole) - 1)
    return max(shown.finest, min(shown.coarsest, wanted))


def _second_digit(error: float) -> int:
    return math.floor(math.log10(error)) - 1


def rounded(value: float, step: int) -> Decimal:
    """The value rounded to a multiple of ``10**step``, ties to the even digit; never minus zero."""
    quantum = Decimal(1).scaleb(step)
    units = (Decimal(repr(float(value))) / quantum).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    result = units * quantum
    return abs(result) if result == 0 else result


def number(value: Decimal, unit: str, language: str, step: int) -> str:
    """A rounded value in the shown unit, with thousands separators and the digits that ``step`` leaves.

    >>> number(Decimal(34461000), "m3", "zh", 3)
    '3,446.1'
    >>> number(Decimal(34461000), "m3", "en", 3)
    '34.461'
    """
    power = unit_of(unit).power(language)
    shown = value.scaleb(-power)
    shown = abs(shown) if shown == 0 else shown
    return f"{shown:,.{max(0, power - step)}f}"


def exact(value: float, unit: str, language: str) -> str:
    """A given number (a target, a coefficient) with all its digits, in the shown unit.

    ``unit`` may be a multiple such as ``"万m3"``.
    """
    name, factor = base_unit(unit)
    shown = Decimal(repr(float(value))).scaleb(factor - unit_of(name).power(language)).normalize()
    places = max(0, -int(shown.as_tuple().exponent))
    return f"{abs(shown) if shown == 0 else shown:,.{places}f}"


def significant(value: float, digits: int = 3) -> str:
    """A bare number with so many significant digits, without exponent."""
    if value == 0:
        return "0"
    step = math.floor(math.log10(abs(value))) - digits + 1
    shown = rounded(value, step)
    return f"{shown:,.{max(0, -step)}f}"


def trimmed(value: float, digits: int = 3) -> str:
    """Like :func:`significant`, without zeros at the end of the decimals."""
    shown = significant(value, digits)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def percent(share: float, digits: int = 1) -> str:
    """A share 0..1 as a percentage without the sign."""
    return f"{rounded(share * 100, -digits):,.{digits}f}"


def probability(value: float | None) -> str:
    """A probability as a whole percentage; the ends are shown as bounds, since neither 0 nor 100 % is known."""
    if value is None:
        return MISSING
    if value < 0.01:
        return "< 1 %"
    if value > 0.99:
        return "> 99 %"
    return f"{rounded(value * 100, 0):.0f} %"


def interval(low: str, high: str, language: str) -> str:
    """Two printed ends as one text."""
    return text("report.interval", language, low=low, high=high)
