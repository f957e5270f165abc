"""Regression estimator with two sampling phases, for single plots and for clusters.

A large, cheap phase carries auxiliaries only; the ground plots are a subsample of it. The model is fitted on the plots
and its predictions are averaged over the large phase. Estimator and both variances are those of Mandallaz (2013, Can.
J. For. Res. 43:441; 2016, ETH technical report) as laid out by Hill, Massey & Mandallaz (2021, J. Stat. Softw. 97(4)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import vector
from sinkest.estimate.phases import Plots, named, without_missing
from sinkest.estimate.regression import auxiliaries, keep_independent, known_means
from sinkest.estimate.result import Estimate


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TwoPhaseEstimate(Estimate):
    """Mean per unit from two-phase regression.

    Attributes
    ----------
    variance : float
        The g-weight variance, which allows for the model having been fitted on the same plots.
    variance_g : float
        The same.
    variance_external : float
        As if the model had come from elsewhere; too small for a model with many auxiliaries and few plots.
    r2 : float
        Share of the plots' variance that the model explains, at plot level.
    n1, n2 : float
        Sampling units (clusters, where clusters were drawn) in the large phase and with ground plots; ``n1`` is
        infinite where the true means are known.
    coefficients : Series
        By auxiliary, the intercept first.
    """

    variance_g: float
    variance_external: float
    r2: float
    n1: float
    n2: int
    coefficients: pd.Series


def two_phase(
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    true_means: Any = None,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> TwoPhaseEstimate:
    """Mean per unit from auxiliaries of a large phase and ground plots of a subsample.

    Parameters
    ----------
    y : array, shape (n1,)
        Response per unit area; NaN outside phase 2.
    z : array or DataFrame, shape (n1, p)
        Auxiliaries of all phase-1 units, no intercept column; text columns become 0/1 columns. Units with a missing
        auxiliary are left out, with a note.
    phase2 : array of bool, shape (n1,)
        Units with ground plots.
    true_means : array, mapping or Series, optional
        Exact means of the auxiliaries over the whole area (a wall-to-wall map): the exhaustive case. The other
        phase-1 units are then not used.
    boundary_weights : array, shape (n1,), optional
        Share of each unit's interpretation area that lies in the forest, 0 to 1: weights the auxiliary means.
    cluster : array, shape (n1,), optional
        Cluster of each plot, where clusters of plots were drawn.

    Returns
    -------
    TwoPhaseEstimate
        Its interval is by t with n2 - p degrees of freedom, p counting the intercept.

    Raises
    ------
    InputError
        If a value is missing where one is needed, the phases contradict each other, or there are too few plots.

    Examples
    --------
    >>> round(two_phase([1.0, 2.5, 3.0, np.nan], [1, 2, 3, 2], [True, True, True, False]).estimate, 4)
    2.1667
    """
    table = auxiliaries("z", z, allow_nan=True)
    depth = 1 + _flags("phase2", phase2, len(table.values))
    plots = Plots.of(y, depth, 2, boundary_weights, cluster)
    complete, missing = without_missing(table.values, plots, 2)
    plots, design = plots.where(complete), table.design[complete]
    ground = plots.phase(design, 2)
    kept, notes = keep_independent(ground.design, table.names, ground.size)
    ground = ground.columns(kept)
    fit = ground.fit()
    if true_means is None:
        large = plots.phase(design, 1).columns(kept)
        predicted, mean, n1 = large.design @ fit.beta, large.mean, float(large.n)
        # boundary weights move the mean of the auxiliaries, and the g-weight form measures their spread about that mean
        first, first_g = large.spread(predicted), large.spread(predicted, float(mean @ fit.beta))
    else:
        mean, n1 = known_means("true_means", true_means, table.names)[kept], math.inf
        first, first_g = 0.0, 0.0
    variance_g = ground.g_variance(fit, mean) + first_g
    return TwoPhaseEstimate(
        estimate=float(mean @ fit.beta),
        variance=variance_g,
        n=ground.n,
        method="two_phase" if true_means is None else "two_phase_exhaustive",
        df=float(ground.n - len(kept)),
        notes=missing + notes,
        variance_g=variance_g,
        variance_external=ground.spread(fit.residual) + first,
        r2=plots.r2(design[:, kept], 2),
        n1=n1,
        n2=ground.n,
        coefficients=named(fit.beta, kept, table.names),
    )


def _flags(name: str, values: ArrayLike, n: int) -> NDArray[np.intp]:
    flags = vector(name, values, n)
    wrong = ~np.isin(flags, (0.0, 1.0))
    if wrong.any():
        raise InputError("estimate.not_flags", name=name, value=float(flags[wrong][0]))
    return flags.astype(np.intp)
