"""Estimates for counties and other small domains, where the plots inside are too few to stand alone.

=========================  =========================================================  ==============================
estimator                  use it when                                                what it costs to be wrong
=========================  =========================================================  ==============================
synthetic                  no plots in the domain                                     bias that the variance hides
pseudo_synthetic           the same, auxiliaries known on a sample only               the same
extended_pseudo_synthetic  two or more plots in the domain; the default               wide intervals with few plots
pseudo_small               clusters that cross the domain's border                    the same
modified_greg              one sample of a finite population, map means by domain     the same
eblup_unit                 plot data, many domains, few plots each                    too narrow if the model is wrong
fay_herriot                direct estimates only, domain by domain                    the same
=========================  =========================================================  ==============================

The design-based ones (the first five) hold whatever the model; the two model-based ones borrow strength from the other
domains. `benchmark` makes domains add up to the city, and `abstain` withholds what the sample cannot carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
from numpy.typing import ArrayLike

from sinkest.estimate.benchmark import abstain, benchmark
from sinkest.estimate.eblup import UnitModel, eblup_unit
from sinkest.estimate.fayherriot import AreaModel, fay_herriot
from sinkest.estimate.gregdomains import modified_greg
from sinkest.estimate.smoothing import smooth_variances
from sinkest.estimate.twophasedomains import domain_table, intervals
from sinkest.messages import Message

__all__ = [
    "AreaModel",
    "UnitModel",
    "abstain",
    "benchmark",
    "eblup_unit",
    "extended_pseudo_synthetic",
    "fay_herriot",
    "intervals",
    "modified_greg",
    "pseudo_small",
    "pseudo_synthetic",
    "smooth_variances",
    "synthetic",
]

Means = pd.DataFrame | pd.Series | Mapping[Any, Any]


def pseudo_synthetic(
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    domain: ArrayLike,
    true_means: Means | None = None,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> pd.DataFrame:
    """Predict each domain's mean from its auxiliaries with the model of the whole area.

    ``mean(Z_G)' beta``; variance ``mean(Z_G)' Cov(beta) mean(Z_G) + beta' Cov(mean(Z_G)) beta``, the second term only
    where the domain's auxiliary means come from the first phase (Hill, Massey & Mandallaz 2021, eq. 26-27). The domain
    may deviate from the model; neither the estimate nor the variance knows of it.

    Parameters
    ----------
    y : array, shape (n,)
        Density (e.g. m3/ha) of each plot; NaN outside phase 2.
    z : array or DataFrame, shape (n, p)
        Auxiliaries of every plot of the first phase, without intercept; text columns become 0/1 columns.
    phase2 : array of bool, shape (n,)
        Plots that were measured.
    domain : array, shape (n,)
        Domain of each plot; missing for plots that lie in none (they still help to fit the model).
    true_means : DataFrame indexed by domain, optional
        Exact means of the auxiliaries in each domain (from a wall-to-wall map). Means of some auxiliaries only are
        used together with first-phase means of the others (Mandallaz, Breschan & Hill 2013). Domains without plots may
        be listed.
    boundary_weights : array, shape (n,), optional
        Share of each plot's support that lies in the forest, 0 to 1; weights the first-phase means.
    cluster : array, shape (n,), optional
        Cluster of each plot, where clusters were drawn. The sampling unit is then the cluster.

    Returns
    -------
    DataFrame
        Indexed by domain, with the columns estimate, se (from variance_g), variance_external (NaN for synthetic
        estimates, which have none), variance_g, n1 (first-phase units in the domain, infinite if all means are known),
        n2 (measured units in the domain), df (for t quantiles, see `intervals`), note (key of the message catalogue or
        ""). ``attrs["notes"]`` holds all notes.

    Raises
    ------
    InputError
        If values are missing where they are needed, a cluster is measured in part, or there are too few plots.
    """
    return domain_table("synthetic", y, z, phase2, domain, true_means, boundary_weights, cluster)


def synthetic(
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    domain: ArrayLike,
    true_means: Means | None = None,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> pd.DataFrame:
    """Predict each domain's mean from exactly known auxiliary means with the model of the whole area.

    As `pseudo_synthetic`; without ``true_means`` it falls back on the first-phase means, which a note says.
    """
    table = pseudo_synthetic(y, z, phase2, domain, true_means, boundary_weights, cluster)
    if true_means is None:
        table["note"] = table["note"].where(table["note"] != "", "smallarea.first_phase_means")
        table.attrs["notes"] = (*table.attrs["notes"], Message.of("smallarea.first_phase_means"))
    return table


def extended_pseudo_synthetic(
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    domain: ArrayLike,
    true_means: Means | None = None,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    *,
    cluster_external: Literal["residual", "response"] = "residual",
) -> pd.DataFrame:
    """Predict each domain's mean with a model that also fits the domain's own level.

    The model gets one more auxiliary, the indicator of the domain, so residuals average to zero in the domain and in
    the whole area; otherwise as `pseudo_synthetic` (extended synthetic where ``true_means`` are given). Needs two plots
    in the domain for a variance. Clusters that cross the border of a domain spoil the zero mean in it: a note says so,
    and `pseudo_small` is the better choice.

    Parameters
    ----------
    y, z, phase2, domain, true_means, boundary_weights, cluster
        As in `pseudo_synthetic`.
    cluster_external : {"residual", "response"}
        First-phase term of the external variance of clusters: from squared residuals, as published results have it
        (it leaves out what the auxiliaries explain, so it is too small with a good model), or from the spread of the
        densities, as for single plots. The g-weight variance is not affected and is the one to use.

    Returns
    -------
    DataFrame
        As in `pseudo_synthetic`; intervals by t with n2 - 1 degrees of freedom.

    Raises
    ------
    InputError
        As in `pseudo_synthetic`.
    """
    return domain_table("extended", y, z, phase2, domain, true_means, boundary_weights, cluster, cluster_external)


def pseudo_small(
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    domain: ArrayLike,
    true_means: Means | None = None,
    boundary_weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    *,
    cluster_external: Literal["residual", "response"] = "residual",
) -> pd.DataFrame:
    """Predict each domain's mean with the model of the whole area and add the mean residual of the domain's plots.

    ``mean(Z_G)' beta + mean(R_G)``, with ``Var(R_G) / n2`` added to the g-weight variance of `pseudo_synthetic` (small
    area estimator where ``true_means`` are given).

    Parameters
    ----------
    y, z, phase2, domain, true_means, boundary_weights, cluster, cluster_external
        As in `extended_pseudo_synthetic`.

    Returns
    -------
    DataFrame
        As in `pseudo_synthetic`; intervals by t with n2 - 1 degrees of freedom.

    Raises
    ------
    InputError
        As in `pseudo_synthetic`.
    """
    return domain_table("small", y, z, phase2, domain, true_means, boundary_weights, cluster, cluster_external)
