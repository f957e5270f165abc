"""Where the uncertainty of a figure comes from, and how much of it there is.

* `cross_fit`, `cross_fitted_mean`, `assign_folds`: residuals of a flexible model that are not flattered by training;
* `mapped_total`, `hybrid_mean`, `fit_coefficients`: model-based and hybrid variance of a map's total or mean;
* `fit_variogram`, `correlated_variance`: errors that neighbours share, and what they do to a total;
* `cluster_bootstrap`, `bootstrap_mapped_total`: everything fitted anew on resampled clusters;
* `delta_method`, `monte_carlo`, `variance_shares`: through a computation, with shares by input.
"""

from __future__ import annotations

from sinkest.estimate.bootstrap import Bootstrap, bootstrap_mapped_total, bootstrap_size, cluster_bootstrap
from sinkest.estimate.crossfit import CrossFit, CrossFitEstimate, assign_folds, cross_fit, cross_fitted_mean
from sinkest.estimate.mappedtotal import (
    Coefficients,
    MappedTotal,
    fit_coefficients,
    hybrid_mean,
    mapped_total,
    variance_shares,
)
from sinkest.estimate.propagation import Propagated, Simulated, delta_method, monte_carlo
from sinkest.estimate.variogram import Variogram, correlated_variance, empirical_variogram, fit_variogram

__all__ = [
    "Bootstrap",
    "Coefficients",
    "CrossFit",
    "CrossFitEstimate",
    "MappedTotal",
    "Propagated",
    "Simulated",
    "Variogram",
    "assign_folds",
    "bootstrap_mapped_total",
    "bootstrap_size",
    "cluster_bootstrap",
    "correlated_variance",
    "cross_fit",
    "cross_fitted_mean",
    "delta_method",
    "empirical_variogram",
    "fit_coefficients",
    "fit_variogram",
    "hybrid_mean",
    "mapped_total",
    "monte_carlo",
    "variance_shares",
]
