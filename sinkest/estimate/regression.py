"""Auxiliary tables, their known means, and least squares that says which auxiliaries it had to leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, matrix
from sinkest.messages import Message

INTERCEPT_NAMES = ("Intercept", "(Intercept)", "intercept", "const")

# a column whose part outside the span of the columns before it is smaller than this share of its length adds nothing
_COLLINEAR = 1e-9


@dataclass(frozen=True)
class Auxiliaries:
    """A numeric auxiliary table without intercept: one row a unit, one name a column."""

    values: Floats
    names: tuple[str, ...]

    @property
    def design(self) -> Floats:
        """The table with the intercept as its first column."""
        return np.column_stack([np.ones(len(self.values)), self.values])


def auxiliaries(
    name: str, z: ArrayLike | pd.DataFrame, n: int | None = None, *, allow_nan: bool = False
) -> Auxiliaries:
    """Bring auxiliaries into numeric form.

    Text and categorical columns of a DataFrame become 0/1 columns named ``<column><level>``, one for each level but
    the first (levels in sorted order, or in the order of the categories).

    Parameters
    ----------
    name : str
        How the caller calls the argument, for messages.
    z : array, shape (n,) or (n, p), or DataFrame
        No intercept column.
    n : int, optional
        Wanted number of rows.
    allow_nan : bool
        Whether values may be missing (units outside the phase that has them).

    Raises
    ------
    InputError
        If a value is not a number or missing, or the number of rows is wrong.
    """
    if isinstance(z, pd.Series):
        z = z.to_frame(str(z.name) if z.name is not None else "x1")
    if not isinstance(z, pd.DataFrame):
        values = matrix(name, z, n, allow_nan=allow_nan)
        return Auxiliaries(values, unnamed(values.shape[1]))
    columns: list[Any] = []
    names: list[str] = []
    for label in z.columns:
        series = z[label]
        if pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
            columns.append(series.to_numpy(dtype=np.float64, na_value=np.nan))
            names.append(str(label))
            continue
        for level in _levels(series)[1:]:
            columns.append(np.where(series.isna(), np.nan, (series == level).to_numpy(dtype=np.float64)))
            names.append(f"{label}{level}")
    table = np.column_stack(columns) if columns else np.empty((len(z), 0))
    return Auxiliaries(matrix(name, table, n, allow_nan=allow_nan), tuple(names))


def unnamed(columns: int) -> tuple[str, ...]:
    """Names of the columns of a table that came without."""
    return tuple(f"x{j + 1}" for j in range(columns))


def _levels(series: pd.Series) -> list[Any]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        present = set(series.dropna())
        return [level for level in series.cat.categories if level in present]
    return sorted(series.dropna().unique(), key=str)


def known_means(name: str, means: Any, names: Sequence[str]) -> Floats:
    """Known means of the auxiliaries, with the intercept's 1 in front.

    Parameters
    ----------
    name : str
        How the caller calls the argument, for messages.
    means : array, mapping, Series or one-row DataFrame
        By position: one a column, or one more with a leading 1 for the intercept. By name: every column of the table;
        names the table does not have are not used.
    names : sequence of str
        Columns of the auxiliary table.

    Raises
    ------
    InputError
        If a mean is missing or not finite, or the number of means does not fit.
    """
    if isinstance(means, pd.DataFrame):
        if len(means) != 1:
            raise InputError("estimate.wrong_length", name=name, given=len(means), expected=1)
        means = means.iloc[0]
    if isinstance(means, pd.Series):
        # names that do not agree at all stand for positions only where one side has no names of its own
        without = pd.api.types.is_integer_dtype(means.index) or tuple(names) == unnamed(len(names))
        if without and not set(map(str, means.index)) & set(names):
            means = means.to_numpy()
    if isinstance(means, (Mapping, pd.Series)):
        lookup = {str(key): value for key, value in means.items()}
        absent = [column for column in names if column not in lookup]
        if absent:
            raise InputError("estimate.means_missing", name=name, missing=", ".join(absent))
        means = [lookup[column] for column in names]
    values = np.atleast_1d(np.asarray(means, dtype=np.float64))
    if values.shape == (len(names) + 1,) and values[0] == 1.0:
        values = values[1:]
    if values.shape != (len(names),):
        raise InputError("estimate.means_number", name=name, given=values.size, expected=len(names))
    missing = [column for column, value in zip(names, values, strict=True) if not np.isfinite(value)]
    if missing:
        raise InputError("estimate.means_missing", name=name, missing=", ".join(missing))
    return np.concatenate([[1.0], values])


def independent_columns(design: Floats) -> list[int]:
    """Columns that are not linear combinations of the columns before them."""
    basis: list[Floats] = []
    kept: list[int] = []
    for j in range(design.shape[1]):
        column = design[:, j]
        length = np.linalg.norm(column)
        rest = column.copy()
        for _ in range(2):  # the second pass removes what rounding left of the first
            for direction in basis:
                rest -= direction * (direction @ rest)
        if length > 0 and np.linalg.norm(rest) > _COLLINEAR * length:
            basis.append(rest / np.linalg.norm(rest))
            kept.append(j)
    return kept


def keep_independent(
    design: Floats, names: Sequence[str], weight: Floats | None = None
) -> tuple[list[int], tuple[Message, ...]]:
    """Columns of a design (intercept first) that can be fitted, and a note on those that cannot.

    Raises
    ------
    InputError
        If there are not more units than columns.
    """
    scaled = design if weight is None else design * np.sqrt(weight)[:, None]
    kept = independent_columns(scaled)
    dropped = [names[j - 1] for j in range(1, design.shape[1]) if j not in kept]
    if len(design) <= len(kept):
        raise InputError("estimate.too_many_auxiliaries", n=len(design), columns=len(kept))
    notes = (Message.of("estimate.note_dropped_auxiliaries", names=", ".join(dropped)),) if dropped else ()
    return kept, notes


@dataclass(frozen=True)
class Fit:
    """Weighted least squares on a design of full rank.

    Attributes
    ----------
    beta : array, shape (p,)
    residual : array, shape (n,)
    design : array, shape (n, p)
    weight : array, shape (n,)
    """

    beta: Floats
    residual: Floats
    design: Floats
    weight: Floats

    def g_weights(self, mean: Floats, weight_total: float) -> Floats:
        """Weights g with ``sum(weight * g * z) / weight_total == mean`` for every auxiliary z."""
        root = np.sqrt(self.weight)
        q, r = np.linalg.qr(self.design * root[:, None])
        return weight_total * (q @ np.linalg.solve(r.T, mean)) / np.where(root > 0, root, 1.0)


def least_squares(design: Floats, y: Floats, weight: Floats | None = None) -> Fit:
    """Fit by least squares; the design must be of full column rank (`keep_independent`)."""
    w = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(w)
    q, r = np.linalg.qr(design * root[:, None])
    beta = np.linalg.solve(r, q.T @ (y * root))
    return Fit(beta, y - design @ beta, design, w)


def r_squared(y: Floats, residual: Floats) -> float:
    """Share of the variance about the mean that the model takes up; NaN where y does not vary."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float((residual**2).sum()) / total if total > 0 else float("nan")
