"""Tables with one row a domain (county): auxiliary means and sizes, matched with the columns of the sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.regression import INTERCEPT_NAMES, Auxiliaries
from sinkest.messages import Message

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DomainMeans:
    """Auxiliary means of domains, in the order of the sample's auxiliaries.

    Attributes
    ----------
    domains : tuple
        Labels of the domains, in the order given.
    values : ndarray of shape (domains, columns)
        Means; a row may hold NaN where a domain's mean is not known.
    columns : ndarray of int
        Which auxiliaries the columns stand for: all of them, unless means of some only were allowed.
    notes : tuple of Message
        One if columns had to be matched by position because no name agreed.
    """

    domains: tuple[Any, ...]
    values: Floats
    columns: NDArray[np.intp]
    notes: tuple[Message, ...]

    def row(self, domain: Any) -> Floats | None:
        """Return the means of a domain with the intercept's 1 in front, ``None`` where one is not known."""
        if domain not in self.domains:
            return None
        values = self.values[self.domains.index(domain)]
        return np.concatenate([[1.0], values]) if np.isfinite(values).all() else None


def domain_means(
    name: str,
    means: pd.DataFrame | pd.Series | Mapping[Any, Any],
    table: Auxiliaries,
    source: Any,
    *,
    partial: bool = False,
) -> DomainMeans:
    """Match a table of auxiliary means per domain with the auxiliaries of the sample.

    Columns are matched by name. Where the sample's auxiliaries have no names, or no name agrees, they are matched by
    position, which a note says if both sides had names. An intercept column is accepted and left out.

    Parameters
    ----------
    name : str
        What the caller calls the table.
    means : DataFrame, Series or mapping
        Indexed by domain. A Series or a mapping to numbers stands for a single auxiliary.
    table : Auxiliaries
        The sample's auxiliaries.
    source : object
        What the sample's auxiliaries were made from; only a DataFrame or a named Series has names.
    partial : bool
        Whether means of some of the auxiliaries will do (matched by name).

    Raises
    ------
    InputError
        If an auxiliary has no column, the columns cannot be told apart, a domain appears twice, or an entry is no
        number.
    """
    given = table.names if isinstance(source, pd.DataFrame) or getattr(source, "name", None) is not None else None
    width = len(table.names)
    frame = _frame(means)
    if not frame.index.is_unique:
        raise InputError("smallarea.duplicate_domain", name=name, domain=str(frame.index[frame.index.duplicated()][0]))
    frame = _without_intercept(frame, given, width)
    named = tuple(str(column) for column in frame.columns)
    present = [i for i, column in enumerate(given or ()) if column in named]
    notes: tuple[Message, ...] = ()
    if given is not None and (len(present) == width or (partial and present)):
        frame, columns = frame.iloc[:, [named.index(given[i]) for i in present]], np.array(present, dtype=np.intp)
    elif len(named) == width and not present:
        columns = np.arange(width)
        if given is not None and not isinstance(frame.columns, pd.RangeIndex):
            notes = (Message.of("smallarea.matched_by_position", name=name, given=", ".join(named)),)
    else:
        expected = given if given is not None else tuple(str(i + 1) for i in range(width))
        missing = [column for column in expected if column not in named]
        raise InputError("smallarea.missing_means", name=name, missing=", ".join(missing), given=", ".join(named))
    values = checks.matrix(name, frame, allow_nan=True).reshape(len(frame), len(columns))
    return DomainMeans(tuple(frame.index), values, columns, notes)


def _frame(means: pd.DataFrame | pd.Series | Mapping[Any, Any]) -> pd.DataFrame:
    if isinstance(means, pd.DataFrame):
        return means
    if isinstance(means, pd.Series):
        return means.to_frame() if means.name is not None else means.to_frame(name=0)
    return pd.DataFrame.from_dict({key: np.atleast_1d(value) for key, value in means.items()}, orient="index")


def _without_intercept(frame: pd.DataFrame, given: tuple[str, ...] | None, width: int) -> pd.DataFrame:
    for position, column in enumerate(frame.columns):
        if str(column) in INTERCEPT_NAMES and str(column) not in (given or ()):
            return frame.drop(columns=frame.columns[position])
    if frame.shape[1] == width + 1 and len(frame) > 0 and bool((frame.iloc[:, 0] == 1).all()):
        return frame.iloc[:, 1:]
    return frame


def sizes(name: str, values: Mapping[Any, float] | pd.Series, sampled: Mapping[Any, int]) -> dict[Any, float]:
    """Return the number of population units of each domain.

    Raises
    ------
    InputError
        If a size is not positive, or below the number of units sampled in the domain.
    """
    table = checks.mapping(name, values)
    for domain, size in table.items():
        drawn = sampled.get(domain, 0)
        if size <= 0 or size < drawn:
            raise InputError("smallarea.domain_size", name=name, domain=str(domain), size=size, n=drawn)
    return table


def domain_labels(values: ArrayLike, n: int) -> NDArray[Any]:
    """Return the domain of each unit as objects; ``None`` for units that lie in no domain.

    Raises
    ------
    InputError
        If the number of labels is wrong.
    """
    series = pd.Series(values, dtype=object).reset_index(drop=True)
    if len(series) != n:
        raise InputError("estimate.wrong_length", name="domain", given=len(series), expected=n)
    labels = series.to_numpy(copy=True)
    labels[series.isna().to_numpy()] = None
    return labels


def require_overlap(name: str, known: tuple[Any, ...], labels: NDArray[Any]) -> None:
    """Refuse tables whose domains are all unknown to the sample: a sign of labels of another type.

    Raises
    ------
    InputError
        With an example from both sides.
    """
    seen = {label for label in labels.tolist() if label is not None}
    if known and seen and not seen.intersection(known):
        raise InputError("smallarea.no_common_domain", name=name, theirs=repr(known[0]), ours=repr(min(seen, key=repr)))


def in_domain(label: Any, key: str) -> Message:
    """Return a note with the name of the domain that it is about."""
    return Message.of("smallarea.in_domain", domain=str(label), note=Message.of(key))
