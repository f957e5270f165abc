"""Regression estimator with three sampling phases, for single plots and for clusters.

All units of a very large phase carry a few auxiliaries, a subsample of them carries all auxiliaries, and a subsample of
that carries ground plots. Estimator and variances are those of Mandallaz (2014, Can. J. For. Res. 44:383; ETH technical
report 2013) as laid out by Hill, Massey & Mandallaz (2021, J. Stat. Softw. 97(4), sec. 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, vector
from sinkest.estimate.phases import Phase, Plots, named, without_missing
from sinkest.estimate.regression import Auxiliaries, Fit, auxiliaries, keep_independent, known_means
from sinkest.estimate.result import Estimate
from sinkest.messages import Message


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ThreePhaseEstimate(Estimate):
    """Mean per unit from three-phase regression.

    Attributes
    ----------
    variance : float
        The g-weight variance.
    variance_g, variance_external : float
        With and without allowing for the models having been fitted on the same plots.
    r2, r2_reduced : float
        Of the full and of the reduced model, at plot level.
    n1, n2, n3 : float
        Sampling units of the three phases, from the largest to the ground plots.
    coefficients, coefficients_reduced : Series
        By auxiliary, the intercept first.
    """

    variance_g: float
    variance_external: float
    r2: float
    r2_reduced: float
    n1: float
    n2: int
    n3: int
    coefficients: pd.Series
    coefficients_reduced: pd.Series


@dataclass(frozen=True)
class _Model:
    """A model fitted on the ground plots, and the second phase with its columns."""

    kept: list[int]
    fit: Fit
    ground: Phase
    middle: Phase
    r2: float
    notes: tuple[Message, ...]


def three_phase(
    y: ArrayLike,
    z_reduced: ArrayLike | pd.DataFrame,
    z_full: ArrayLike | pd.DataFrame,
    phase: ArrayLike,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    *,
    true_means: Any = None,
) -> ThreePhaseEstimate:
    """Mean per unit from two nested sets of auxiliaries and ground plots.

    The reduced model corrects the full model's mean over phase 2 for how phase 2 differs from phase 1:
    ``(Z0_1 - Z0_2)' alpha + Z_2' beta``, with Z0 the means of the reduced auxiliaries.

    Parameters
    ----------
    y : array, shape (n1,)
        Response per unit area; NaN outside phase 3.
    z_reduced : array or DataFrame, shape (n1, p0)
        Auxiliaries known for every unit; no intercept column.
    z_full : array or DataFrame, shape (n1, p)
        All auxiliaries of the full model, those of the reduced one among them; NaN in units of phase 1 only.
    phase : array of int, shape (n1,)
        Deepest phase a unit reached: 1, 2 or 3.
    boundary_weights, cluster
        As in `two_phase`.
    true_means : array, mapping or Series, optional
        Exact means of the reduced auxiliaries over the whole area.

    Returns
    -------
    ThreePhaseEstimate
        Its interval is by t with n3 - p degrees of freedom, p counting the full model's columns.

    Raises
    ------
    InputError
        As `two_phase`.
    """
    reduced = auxiliaries("z_reduced", z_reduced, allow_nan=True)
    full = auxiliaries("z_full", z_full, len(reduced.values), allow_nan=True)
    depth, moved = _demoted(_depths(phase, len(reduced.values)), full, cluster is None)
    plots = Plots.of(y, depth, 3, boundary_weights, cluster)
    needed = np.where((depth >= 2)[:, None], full.design, 1.0)
    complete, missing = without_missing(np.column_stack([reduced.design, needed]), plots, 3)
    plots = plots.where(complete)
    whole = _model(full, complete, plots)
    short = _model(reduced, complete, plots)
    single = cluster is None
    if true_means is None:
        large = plots.phase(reduced.design[complete], 1).columns(short.kept)
        mean, n1, predicted = large.mean, float(large.n), large.design @ short.fit.beta
        first, first_g = large.spread(predicted), large.spread(predicted, float(mean @ short.fit.beta))
    else:
        mean = known_means("true_means", true_means, reduced.names)[short.kept]
        n1, first, first_g = math.inf, 0.0, 0.0
    share = whole.ground.n / whole.middle.n
    variance_g = first_g + _second_g(whole, short, mean, share, single)
    notes = moved + missing + whole.notes + short.notes
    return ThreePhaseEstimate(
        estimate=float((mean - short.middle.mean) @ short.fit.beta + whole.middle.mean @ whole.fit.beta),
        variance=variance_g,
        n=whole.ground.n,
        method="three_phase" if true_means is None else "three_phase_exhaustive",
        df=float(whole.ground.n - len(whole.kept)),
        notes=tuple(dict.fromkeys(notes)),
        variance_g=variance_g,
        variance_external=first + _second_external(whole, short, share, single and true_means is not None),
        r2=whole.r2,
        r2_reduced=short.r2,
        n1=n1,
        n2=whole.middle.n,
        n3=whole.ground.n,
        coefficients=named(whole.fit.beta, whole.kept, full.names),
        coefficients_reduced=named(short.fit.beta, short.kept, reduced.names),
    )


def _model(table: Auxiliaries, complete: NDArray[np.bool_], plots: Plots) -> _Model:
    design = table.design[complete]
    ground = plots.phase(design, 3)
    kept, notes = keep_independent(ground.design, table.names, ground.size)
    ground = ground.columns(kept)
    middle = plots.phase(design, 2).columns(kept)
    return _Model(kept, ground.fit(), ground, middle, plots.r2(design[:, kept], 3), notes)


def _second_g(whole: _Model, short: _Model, mean: Floats, share: float, single: bool) -> float:
    # the published g-weights of the reduced model come from all of phase 2 for plots, from the ground for clusters
    base = short.middle if single else short.ground
    reduced = short.ground.g_variance(short.fit, mean, base)
    return share * reduced + (1.0 - share) * whole.ground.g_variance(whole.fit, whole.middle.mean)


def _second_external(whole: _Model, short: _Model, share: float, divide_by_n: bool) -> float:
    # for single plots with exact means the residual variances are published with n, elsewhere with n - 1
    factor = (whole.ground.n - 1.0) / whole.ground.n if divide_by_n else 1.0
    reduced, full = short.ground.spread(short.fit.residual), whole.ground.spread(whole.fit.residual)
    return factor * (share * reduced + (1.0 - share) * full)


def _demoted(depth: NDArray[np.intp], full: Auxiliaries, single: bool) -> tuple[NDArray[np.intp], tuple[Message, ...]]:
    """Single units of phase 2 or 3 without all auxiliaries still serve phase 1; a cluster cannot be split so."""
    short = (depth >= 2) & np.isnan(full.design).any(axis=1)
    if not single or not short.any():
        return depth, ()
    note = Message.of("estimate.note_units_demoted", count=int(short.sum()), ground=int((short & (depth == 3)).sum()))
    return np.where(short, 1, depth), (note,)


def _depths(values: ArrayLike, n: int) -> NDArray[np.intp]:
    depth = vector("phase", values, n)
    wrong = ~np.isin(depth, (1.0, 2.0, 3.0))
    if wrong.any():
        raise InputError("estimate.phase_unknown", value=float(depth[wrong][0]), row=int(np.flatnonzero(wrong)[0]))
    return depth.astype(np.intp)
