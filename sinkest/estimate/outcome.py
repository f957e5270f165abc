"""Results of the estimators of change, of combinations and of mapped totals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from sinkest.errors import InputError
from sinkest.estimate.result import Estimate
from sinkest.messages import text


@dataclass(frozen=True, kw_only=True, repr=False)
class Outcome(Estimate):
    """An estimate of change, of a combination, or of a mapped total."""

    def method_label(self, language: str | None = None) -> str:
        """Name of the estimator for readers."""
        return text(f"smallarea.method_{self.method}", language)


@dataclass(frozen=True, kw_only=True, repr=False)
class ChangeEstimate(Outcome):
    """Change from the first date to the second, per unit or in total.

    Attributes
    ----------
    before, after : float
        Level at both dates.
    variance_independent : float
        Variance that the same numbers of plots would give if none were shared.
    years : float
        Time between the dates.
    """

    before: float
    after: float
    variance_independent: float
    years: float = 1.0

    @property
    def correlation(self) -> float:
        """Correlation between the two dates' levels that the sharing of plots brings; NaN where it is not defined."""
        spread = self.variance_independent
        return (spread - self.variance) / spread if spread > 0 else math.nan

    def per_year(self) -> Self:
        """Return the mean change a year."""
        return self.scaled(1.0 / self.years)


def check_years(years: float) -> float:
    """Refuse spans of time that are not positive.

    Raises
    ------
    InputError
        Naming the value.
    """
    if not (years > 0 and math.isfinite(years)):
        raise InputError("smallarea.years", years=years)
    return float(years)
