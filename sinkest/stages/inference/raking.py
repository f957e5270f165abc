"""Tables brought to given margins, so that zones and classes add up both ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.1
"""Of what the map gives a zone of a class: no estimate of a few points goes below it, nor below zero."""
RAKING_STEPS = 1000
RAKING_TOLERANCE = 1e-12
MARGIN_TOLERANCE = 1e-9
SHARES_OF_MARGINS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
"""Of the table of the margins' products, mixed in one after the other where a start nearly empty in the wrong places
does not reach its margins; the last is the products alone, which meet them as they are."""


def rake(table: NDArray[np.float64], row_totals: NDArray[np.float64], column_totals: NDArray[np.float64]) -> NDArray:
    """Fit a table to given margins by iterative proportional fitting (Deming & Stephan 1940).

    Parameters
    ----------
    table : array (r, c)
        Start; what is not positive counts as a trace of the margins, so that the margins can always be met.
    row_totals, column_totals : arrays (r,), (c,)
        Of one sum; columns not negative. A negative row, the estimate of a zone with few plots, is shared out as the
        column totals are, and the other rows take up what it leaves.

    Returns
    -------
    array (r, c)
        Of which columns add up to ``column_totals`` exactly up to rounding, rows within 1e-9 of the sum.
    """
    total = float(column_totals.sum())
    if total <= 0:
        return np.zeros_like(table)
    if (row_totals < 0).any():
        below = np.outer(np.minimum(row_totals, 0.0), column_totals) / total
        return below + rake(table, np.maximum(row_totals, 0.0), column_totals - below.sum(axis=0))
    trace = 1e-9 * np.outer(row_totals, column_totals) / total
    start = np.where(table > 0, table, 0.0) + trace
    start *= total / start.sum()
    fitted = _fit(start, row_totals, column_totals)
    for share in SHARES_OF_MARGINS:
        if _row_error(fitted, row_totals) <= MARGIN_TOLERANCE * total:
            break
        mixed = (1 - share) * start + share * np.outer(row_totals, column_totals) / total
        fitted = _fit(mixed, row_totals, column_totals)
    return fitted


def _fit(start: NDArray[np.float64], row_totals: NDArray[np.float64], column_totals: NDArray[np.float64]) -> NDArray:
    fitted, total = start.copy(), float(column_totals.sum())
    for _ in range(RAKING_STEPS):
        rows = fitted.sum(axis=1)
        fitted *= np.divide(row_totals, rows, out=np.zeros_like(rows), where=rows > 0)[:, None]
        columns = fitted.sum(axis=0)
        fitted *= np.divide(column_totals, columns, out=np.zeros_like(columns), where=columns > 0)
        if _row_error(fitted, row_totals) <= RAKING_TOLERANCE * total:
            break
    return fitted


def _row_error(fitted: NDArray[np.float64], row_totals: NDArray[np.float64]) -> float:
    return float(np.abs(fitted.sum(axis=1) - row_totals).max())
