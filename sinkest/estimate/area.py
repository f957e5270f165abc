"""Areas of classes and accuracy of a map, from a reference sample.

===============================  ==========================================================================
`stratified_area`                the map's classes are the strata (Olofsson et al. 2013, 2014)
`stratified_area_from_sample`    the strata need not be the map's classes (Stehman 2014); unequal
                                 probabilities, clusters, post-stratification, systematic grids
`domain_area`                    class areas by county or other domain (`.areadomains`)
`regression_area`                a map's share of a class as auxiliary (`.arearegression`)
===============================  ==========================================================================

Pixel counts are not areas: a map's errors do not cancel. Each estimator corrects the map by the reference sample and
says how well the sample knows the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.accuracy import AreaEstimate, accuracy
from sinkest.estimate.areadomains import domain_area
from sinkest.estimate.arearegression import RegressionAreaEstimate, regression_area
from sinkest.estimate.checks import Floats, labels, mapping, matrix, require_rows
from sinkest.estimate.population import Sizes, inclusion_probabilities
from sinkest.estimate.strata import Scheme, Units, ordered, require_sample
from sinkest.estimate.systematic import Pattern

__all__ = [
    "AreaEstimate",
    "RegressionAreaEstimate",
    "domain_area",
    "regression_area",
    "stratified_area",
    "stratified_area_from_sample",
]


def stratified_area(
    counts: ArrayLike | pd.DataFrame,
    stratum_area: Sizes | ArrayLike,
    *,
    scheme: Scheme = "stratified",
    stratum_size: Sizes | ArrayLike | None = None,
) -> AreaEstimate:
    """Areas and accuracies from a map-by-reference matrix whose rows are the strata.

    Olofsson et al. (2013, Remote Sens. Environ. 129:122, eq. 8-16; 2014, 148:42, eq. 9-11).

    Parameters
    ----------
    counts : DataFrame or array, shape (map classes, reference classes)
        ``counts[i, j]``: sampled units mapped as i and found to be j. A DataFrame carries the classes in its index and
        columns; an array must be square, with the same classes in the same order on both sides.
    stratum_area : mapping or sequence
        Mapped area of each class, in any unit of area (or pixels, or shares); a sequence follows the rows.
    scheme : {"stratified", "post_stratified"}
        Whether fixed numbers were drawn from each map class, or the map laid over a sample drawn without it.
    stratum_size : mapping or sequence, optional
        Number of population units (pixels) of each class: finite population correction.

    Returns
    -------
    AreaEstimate
        Areas in the unit of ``stratum_area``.

    Raises
    ------
    InputError
        If a count is negative or not whole, a mapped class has area but no sample, or areas and rows do not fit.

    Examples
    --------
    >>> found = stratified_area([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22353, 1122543, 610228])
    >>> found.area[0].round(1), found.se[0].round(1)
    (np.float64(45112.4), np.float64(10751.4))
    """
    table, rows, columns = _count_matrix(counts)
    areas = _per_row("stratum_area", stratum_area, rows)
    sizes = None if stratum_size is None else _per_row("stratum_size", stratum_size, rows)
    sampled = table.sum(axis=1)
    empty = [str(row) for row, n, area in zip(rows, sampled, areas, strict=True) if n == 0 and area > 0]
    if empty:
        raise InputError("estimate.empty_strata", strata=", ".join(empty))
    used = np.flatnonzero(sampled > 0)
    classes = tuple(dict.fromkeys([*rows, *columns]))
    place = {label: k for k, label in enumerate(classes)}
    i, j = np.nonzero(table)
    strata = tuple(rows[k] for k in used)
    units = Units.of(_objects([rows[k] for k in i]), strata, count=table[i, j])
    return accuracy(
        units,
        np.array([place[rows[k]] for k in i], dtype=np.intp),
        np.array([place[columns[k]] for k in j], dtype=np.intp),
        classes,
        areas[used],
        scheme=scheme,
        fraction=_fraction(units, None if sizes is None else sizes[used], scheme),
        method="stratified_area",
    )


def stratified_area_from_sample(
    stratum: ArrayLike,
    map_class: ArrayLike,
    reference_class: ArrayLike,
    stratum_size: Sizes,
    *,
    finite_population: bool = True,
    scheme: Scheme = "stratified",
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> AreaEstimate:
    """Areas and accuracies from sampled units whose strata need not be the map's classes.

    Accuracies are ratios of two estimated areas (Stehman 2014, Int. J. Remote Sens. 35:4923, eq. 2, 25, 27, 28).

    Parameters
    ----------
    stratum, map_class, reference_class : array, shape (n,)
        Labels of each sampled unit.
    stratum_size : mapping
        Number of population units in each stratum. Areas or shares serve with ``finite_population=False``.
    finite_population : bool
        Whether to apply the correction ``1 - n_h / N_h``.
    scheme : {"stratified", "post_stratified"}
        Whether fixed numbers were drawn from each stratum, or the strata laid over a sample drawn without them.
    probability : array, shape (n,), optional
        Inclusion probabilities, where they differ within strata; the correction for finite populations is then left
        out.
    cluster : array, shape (n,), optional
        Cluster of each unit. Where clusters reach over several strata, the strata calibrate the estimates and the
        clusters carry the variance; a note says so.
    coordinates : array, shape (n, 2), optional
        Positions (projected, metres), for ``design="systematic"``.
    design : {"random", "systematic"}
        Whether variances come from the random draw within strata or from local differences.

    Returns
    -------
    AreaEstimate
        Areas in the unit of ``stratum_size``.

    Raises
    ------
    InputError
        If labels are missing, strata and sizes do not fit, or a sample exceeds its stratum.
    """
    strata = labels("stratum", stratum)
    n = len(strata)
    require_rows("stratum", n, 2)
    mapped = labels("map_class", map_class, n)
    truth = labels("reference_class", reference_class, n)
    sizes = mapping("stratum_size", stratum_size)
    negative = [key for key, value in sizes.items() if value < 0]
    if negative:
        raise InputError(
            "estimate.negative_weight", name="stratum_size", key=str(negative[0]), value=sizes[negative[0]]
        )
    present = ordered(strata)
    require_sample(present, sizes, "stratum_size")
    weight = None if probability is None else 1.0 / inclusion_probabilities(probability, n)
    groups = None if cluster is None else labels("cluster", cluster, n)
    units = Units.of(strata, present, weight=weight, cluster=groups)
    size = np.array([sizes[label] for label in present])
    corrected = size if finite_population and weight is None else None
    _require_common(mapped.tolist(), truth.tolist())
    classes = ordered(_objects([*truth.tolist(), *mapped.tolist()]))
    place = {label: k for k, label in enumerate(classes)}
    return accuracy(
        units,
        np.array([place[label] for label in mapped.tolist()], dtype=np.intp),
        np.array([place[label] for label in truth.tolist()], dtype=np.intp),
        classes,
        size,
        scheme=scheme,
        fraction=_fraction(units, corrected, scheme),
        method="stratified_area_from_sample",
        coordinates=coordinates,
        design=design,
    )


def _fraction(units: Units, size: Floats | None, scheme: Scheme) -> Floats:
    sampled = units.sums(units.count)
    if size is None:
        return np.zeros(len(sampled))
    beyond = np.flatnonzero(sampled > size)
    if len(beyond):
        h = int(beyond[0])
        raise InputError(
            "estimate.sample_exceeds_size", stratum=str(units.labels[h]), n=float(sampled[h]), size=float(size[h])
        )
    return sampled / size if scheme == "stratified" else np.full(len(size), sampled.sum() / size.sum())


def _count_matrix(counts: ArrayLike | pd.DataFrame) -> tuple[Floats, list[Any], list[Any]]:
    table = matrix("counts", counts)
    bad = np.argwhere((table < 0) | (table != np.round(table)))
    if len(bad):
        row, column = map(int, bad[0])
        raise InputError("estimate.bad_count", value=float(table[row, column]), row=row, column=column)
    if isinstance(counts, pd.DataFrame):
        for axis, index in (("rows", counts.index), ("columns", counts.columns)):
            if not index.is_unique:
                key = str(index[index.duplicated()][0])
                raise InputError("estimate.duplicate_key", name=f"counts ({axis})", key=key)
        _require_common(counts.index.tolist(), counts.columns.tolist())
        return table, counts.index.tolist(), counts.columns.tolist()
    if table.shape[0] != table.shape[1]:
        raise InputError("estimate.not_square", shape=table.shape)
    return table, list(range(len(table))), list(range(len(table)))


def _require_common(mapped: list[Any], truth: list[Any]) -> None:
    """Refuse labels that share no class, e.g. numbers on one side and the same numbers as text on the other."""
    if not set(mapped) & set(truth):
        raise InputError("estimate.no_common_class", mapped=repr(mapped[0]), reference=repr(truth[0]))


def _per_row(name: str, given: Sizes | ArrayLike, rows: list[Any]) -> Floats:
    if isinstance(given, pd.Series) and not set(given.index) & set(rows):
        given = given.to_numpy()
    if isinstance(given, (Mapping, pd.Series)):
        table = mapping(name, given)
        absent = [str(row) for row in rows if row not in table]
        if absent:
            raise InputError("estimate.unknown_strata", name=name, strata=", ".join(absent))
        idle = [str(key) for key, value in table.items() if value > 0 and key not in rows]
        if idle:
            raise InputError("estimate.empty_strata", strata=", ".join(idle))
        given = [table[row] for row in rows]
    values = matrix(name, given)[:, 0]
    if len(values) != len(rows):
        raise InputError("estimate.wrong_length", name=name, given=len(values), expected=len(rows))
    if (values < 0).any():
        k = int(np.flatnonzero(values < 0)[0])
        raise InputError("estimate.negative_weight", name=name, key=str(rows[k]), value=float(values[k]))
    return values


def _objects(values: list[Any]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
