"""What every estimator hands back: a number, its variance, and what had to be done to get there."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import special

from sinkest.errors import InputError
from sinkest.messages import Message, text


class Interval(NamedTuple):
    """A confidence interval in the unit of its estimate."""

    low: float
    high: float


def quantile(level: float, df: float | None = None) -> float:
    """Two-sided quantile that turns a standard error into the half-width of an interval.

    Parameters
    ----------
    level : float
        Confidence level, between 0 and 1, e.g. 0.95.
    df : float, optional
        Degrees of freedom of the variance; Student's t is used where it is given and finite, else the normal.

    Raises
    ------
    InputError
        If the level is not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError("estimate.level", level=level)
    tail = 0.5 + level / 2.0
    if df is None or math.isinf(df):
        return float(special.ndtri(tail))
    if not df > 0:
        return math.nan
    return float(special.stdtrit(df, tail))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with its sampling variance.

    Attributes
    ----------
    estimate : float
        The estimate, in the unit of the observations (or that times an area, for totals).
    variance : float
        Estimated variance, in that unit squared; NaN where the sample cannot tell it (a note then says why).
    n : int
        Number of sampled units that carry the estimate (clusters, where clusters were sampled).
    method : str
        Id of the estimator, e.g. ``"greg"``; ``method_label`` gives its name in a language.
    df : float or None
        Degrees of freedom of the variance; None where the normal quantile applies.
    notes : tuple of Message
        What the reader must know: fallbacks taken, auxiliaries dropped, strata merged.

    Examples
    --------
    >>> Estimate(estimate=10.0, variance=4.0, n=100, method="mean").se
    2.0
    """

    estimate: float
    variance: float
    n: int
    method: str
    df: float | None = None
    notes: tuple[Message, ...] = ()

    @property
    def se(self) -> float:
        """Standard error; NaN where the variance is not known."""
        return math.sqrt(self.variance) if self.variance >= 0 else math.nan

    @property
    def relative_se(self) -> float:
        """Standard error as a share of the estimate's size; NaN for an estimate of zero."""
        return self.se / abs(self.estimate) if self.estimate != 0 else math.nan

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence interval: the t quantile where ``df`` is known, else the normal one.

        Raises
        ------
        InputError
            If the level is not strictly between 0 and 1.
        """
        half = quantile(level, self.df) * self.se
        return Interval(self.estimate - half, self.estimate + half)

    def scaled(self, factor: float) -> Self:
        """Return the same estimate times a known constant, e.g. a mean per hectare times the hectares.

        Every field whose name is ``estimate`` or starts with ``variance`` is scaled; others, tables among them, stay.
        """
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "estimate":
                changes[field.name] = value * factor
            elif field.name.startswith("variance") and isinstance(value, float):
                changes[field.name] = value * factor**2
        return replace(self, **changes)

    def method_label(self, language: str | None = None) -> str:
        """Name of the estimator for readers."""
        return text(f"estimate.method_{self.method}", language)

    def __repr__(self) -> str:
        low, high = self.interval()
        parts = [
            f"{self.estimate:.7g}",
            f"se={self.se:.4g}",
            f"95%=[{low:.6g}, {high:.6g}]",
            f"n={self.n}",
            f"method={self.method!r}",
        ]
        parts += [f"{name}={_short(value)}" for name, value in self._extra()]
        parts += [f"note={note.key!r}" for note in self.notes]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _extra(self) -> list[tuple[str, Any]]:
        shown = {field.name for field in fields(Estimate)}
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.name not in shown]


@dataclass(frozen=True, kw_only=True, repr=False)
class MeanEstimate(Estimate):
    """A mean per unit, with the variances for random and for systematic samples side by side.

    Attributes
    ----------
    variance : float
        The one of the two that fits how the sample was laid out.
    variance_random : float
        As if the units had been drawn at random.
    variance_local : float or None
        From local differences, for systematic grids; None where no positions were given.
    population_size : float or None
        Number of units in the population, or its area in units of the plots' reference area.
    """

    variance_random: float
    variance_local: float | None = None
    population_size: float | None = None

    def total(self) -> Self:
        """Return the total over the population; tables and weights of the result stay as they are.

        Raises
        ------
        InputError
            If the population size is not known.
        """
        if self.population_size is None:
            raise InputError("estimate.population_size_missing")
        return replace(self.scaled(self.population_size), population_size=None)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, pd.DataFrame):
        return f"<table {value.shape[0]} x {value.shape[1]}>"
    if isinstance(value, pd.Series):
        return "{" + ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=5, threshold=8)
    return repr(value)
