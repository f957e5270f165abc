"""Class areas by domain: counties, watersheds, or anything else a sampled unit lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, labels, mapping, require_rows
from sinkest.estimate.population import Design, Means, Sizes, population_means
from sinkest.estimate.strata import Scheme, Units, moments, ordered
from sinkest.messages import Message


def domain_area(
    stratum: ArrayLike,
    domain: ArrayLike,
    reference_class: ArrayLike,
    stratum_size: Sizes | None = None,
    *,
    domain_stratum_size: pd.DataFrame | Sizes | None = None,
    finite_population: bool = False,
    scheme: Scheme = "stratified",
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> pd.DataFrame:
    """Areas of the reference classes in each domain.

    Two estimators. From ``stratum_size`` alone, a class in a domain is one more class of the whole (Cochran 1977,
    2.13 and 5A.14): domains add up to the whole, but a domain's area is itself estimated. With
    ``domain_stratum_size``, the strata's areas in each domain are known (from the map) and weight the sample within
    the domain: far more precise, but domains do not add up to the whole estimate unless they are made to
    (`sinkest.estimate.domains.county_areas`).

    Parameters
    ----------
    stratum, domain, reference_class : array, shape (n,)
        Labels of each sampled unit.
    stratum_size : mapping
        Size of each stratum in the whole: units, or area with ``finite_population=False``.
    domain_stratum_size : DataFrame (domains x strata) or mapping by (domain, stratum), optional
        Size of each stratum in each domain. A stratum without sample in a domain borrows the shares it has elsewhere,
        with the spread of a single unit as its variance; a note says so.
    finite_population : bool
        Whether sizes count population units, for the finite population correction (first estimator only).
    scheme, probability, cluster
        As in `sinkest.estimate.area.stratified_area_from_sample` (first estimator only).

    Returns
    -------
    DataFrame
        Indexed by (domain, class): ``area``, ``se``, ``variance`` in the unit of the sizes, ``share`` of the domain
        and ``share_se``, and ``n`` sampled units in the domain. Notes are in ``attrs["notes"]``.

    Raises
    ------
    InputError
        If labels are missing, or sizes do not fit the sample.
    """
    where = labels("domain", domain)
    require_rows("domain", len(where), 2)
    truth = labels("reference_class", reference_class, len(where))
    classes = ordered(truth)
    if domain_stratum_size is not None:
        strata = labels("stratum", stratum, len(where))
        return _weighted_within(
            strata, where, truth, classes, size_table("domain_stratum_size", domain_stratum_size, where, strata)
        )
    if stratum_size is None:
        raise InputError("estimate.weights_missing")
    sizes = mapping("stratum_size", stratum_size)
    plan = Design(
        stratum=stratum,
        stratum_size=sizes if finite_population else None,
        stratum_weight=_as_shares(sizes),
        probability=probability,
        cluster=cluster,
        scheme=scheme,
    )
    whole = sum(sizes.values())
    rows: list[tuple[Any, ...]] = []
    notes: list[Message] = []
    for name in ordered(where):
        inside = (where == name).astype(np.float64)
        hits = (truth[:, None] == _row(classes)) * inside[:, None]
        found = population_means(np.column_stack([inside, hits]), plan)
        notes += found.notes
        rows += [_row_of(name, label, found, j + 1, whole, int(inside.sum())) for j, label in enumerate(classes)]
    return _table(rows, notes)


def _as_shares(sizes: Mapping[Any, float]) -> dict[Any, float]:
    whole = sum(sizes.values())
    if not whole > 0:
        raise InputError("estimate.weights_do_not_sum", name="stratum_size", total=whole)
    return {key: value / whole for key, value in sizes.items()}


def _row(classes: tuple[Any, ...]) -> NDArray[Any]:
    out = np.empty(len(classes), dtype=object)
    out[:] = classes
    return out


def _row_of(name: Any, label: Any, found: Means, j: int, whole: float, n: int) -> tuple[Any, ...]:
    contrast = np.zeros(len(found.estimate))
    contrast[j] = whole
    variance, _ = found.variance(contrast)
    base = found.estimate[0]
    share = found.estimate[j] / base
    contrast[j], contrast[0] = 1.0 / base, -share / base
    spread, _ = found.variance(contrast)
    return name, label, whole * found.estimate[j], np.sqrt(variance), variance, share, np.sqrt(spread), n


def _table(rows: list[tuple[Any, ...]], notes: list[Message]) -> pd.DataFrame:
    columns = ["domain", "class", "area", "se", "variance", "share", "share_se", "n"]
    table = pd.DataFrame(rows, columns=columns).set_index(["domain", "class"])
    table.attrs["notes"] = tuple(dict.fromkeys(notes))
    return table


def size_table(name: str, given: pd.DataFrame | Sizes, where: NDArray[Any], strata: NDArray[Any]) -> pd.DataFrame:
    """Sizes of strata in domains as a table of domains x strata that fits a sample.

    Raises
    ------
    InputError
        If a size is negative or missing, a sampled domain or stratum has no entry, or a stratum has no sample.
    """
    if isinstance(given, pd.DataFrame):
        for axis in (given.index, given.columns):
            if not axis.is_unique:
                raise InputError("estimate.duplicate_key", name=name, key=str(axis[axis.duplicated()][0]))
        flat: dict[Any, Any] = {
            (row, column): given.loc[row, column] for row in given.index for column in given.columns
        }
    else:
        flat = given.to_dict() if isinstance(given, pd.Series) else dict(given)
    if any(not (isinstance(key, tuple) and len(key) == 2) for key in flat):
        raise InputError("estimate.pairs_needed", name=name)
    sizes = mapping(name, flat)
    for key, value in sizes.items():
        if value < 0:
            raise InputError("estimate.negative_weight", name=name, key=str(key), value=value)
    domains = list(dict.fromkeys(key[0] for key in sizes))
    kinds = list(dict.fromkeys(key[1] for key in sizes))
    for label, known, seen in (("domain", domains, where), ("stratum", kinds, strata)):
        unknown = [str(entry) for entry in ordered(seen) if entry not in known]
        if unknown:
            raise InputError("estimate.unknown_labels", name=f"{name} ({label})", labels=", ".join(unknown))
    rows = [[sizes.get((d, h), 0.0) for h in kinds] for d in domains]
    table = pd.DataFrame(
        rows, index=pd.Index(domains, tupleize_cols=False), columns=pd.Index(kinds, tupleize_cols=False)
    )
    present = set(ordered(strata))
    empty = [str(h) for h in kinds if h not in present and table[h].sum() > 0]
    if empty:
        raise InputError("estimate.empty_strata", strata=", ".join(empty))
    bare = [str(d) for d in domains if table.loc[d].sum() == 0]
    if bare:
        raise InputError("estimate.area_not_positive", name=bare[0], value=0.0)
    return table


def _weighted_within(
    strata: NDArray[Any], where: NDArray[Any], truth: NDArray[Any], classes: tuple[Any, ...], sizes: pd.DataFrame
) -> pd.DataFrame:
    """Stratified means within each domain, with the domain's own stratum sizes as weights."""
    present = ordered(strata)
    hits = (truth[:, None] == _row(classes)).astype(np.float64)
    overall = moments(Units.of(strata, present), hits, diagonal=True)
    rows, notes = [], list(overall.notes)
    for name in sizes.index:
        inside = where == name
        size = np.array([sizes.loc[name, h] for h in present])
        mean, spread, borrowed = _cells(
            strata[inside], hits[inside], present, overall.mean, overall.variance, overall.n
        )
        lent = [str(h) for h, b, a in zip(present, borrowed, size, strict=True) if b and a > 0]
        if lent:
            notes.append(Message.of("estimate.note_borrowed_strata", domain=str(name), strata=", ".join(lent)))
        area, variance = size @ mean, size**2 @ spread
        for j, label in enumerate(classes):
            error = np.sqrt(variance[j])
            whole = size.sum()
            rows.append((name, label, area[j], error, variance[j], area[j] / whole, error / whole, int(inside.sum())))
    return _table(rows, notes)


def _cells(
    strata: NDArray[Any], hits: Floats, present: tuple[Any, ...], mean: Floats, variance: Floats, n: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Mean and variance by stratum within a domain; below two units, the spread comes from all domains."""
    code = pd.Index(present, tupleize_cols=False).get_indexer(pd.Index(strata, tupleize_cols=False))
    count = np.bincount(code, minlength=len(present)).astype(np.float64)
    total = np.zeros((len(present), hits.shape[1]))
    np.add.at(total, code, hits)
    own = total / np.maximum(count, 1.0)[:, None]
    single = variance * n[:, None]  # spread of one unit of the stratum, wherever it lies
    enough = (count >= 2)[:, None]
    within = own * (1.0 - own) / np.maximum(count - 1.0, 1.0)[:, None]
    borrowed = count == 0
    return np.where(borrowed[:, None], mean, own), np.where(enough, within, single), borrowed
