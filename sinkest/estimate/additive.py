"""Domain estimates that add up to the estimate of the whole, and how far each of them can be trusted.

Every domain has a synthetic part (what the model fitted on the whole sample says of it) and, where enough plots lie in
it, a correction by the mean residual of its own plots. Their sum differs from the estimate of the whole by a gap, which
is shared out in proportion to the variances, so that the least certain domains give way most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from sinkest.estimate.checks import Floats
from sinkest.estimate.result import Estimate, quantile
from sinkest.messages import Message

COLUMNS = (
    "estimate",
    "se",
    "variance",
    "low",
    "high",
    "mean",
    "mean_se",
    "area",
    "n",
    "status",
    "method",
    "unadjusted",
    "unadjusted_se",
    "adjustment",
    "note",
)


@dataclass(frozen=True)
class Pieces:
    """What is known of C domains before they are made to add up.

    Attributes
    ----------
    names : tuple
    area : array, shape (C,)
    synthetic : array, shape (C,)
        Totals by the model alone.
    residual : array, shape (C,)
        Mean residual of the domain's plots; 0 without plots.
    residual_variance : array, shape (C,)
        Sampling variance of that mean.
    model_direct, model_synthetic : array, shape (C,)
        Variance of the model's part of the mean, with and without the domain's own correction.
    n : array, shape (C,)
    share : array, shape (C,)
        Share of the sample's weight that lies in the domain.
    between : float
        Variance of the model's true mean error between domains.
    between_df : float
    """

    names: tuple[Any, ...]
    area: Floats
    synthetic: Floats
    residual: Floats
    residual_variance: Floats
    model_direct: Floats
    model_synthetic: Floats
    n: Floats
    share: Floats
    between: float
    between_df: float


def add_up(pieces: Pieces, whole: Estimate, minimum: int, level: float, *, composite: bool = False) -> pd.DataFrame:
    """Domain table whose estimates sum to the whole.

    With ``e_j`` the mean residuals, every adjusted estimate is ``synthetic_c + sum_j a_cj e_j``; its variance is
    ``sum_j a_cj^2 v_j`` for the sampling of the residuals, ``between * sum_j (a_cj - A_c [c = j])^2`` for how the
    model's error differs from domain to domain, and the variance of the model's coefficients.

    Parameters
    ----------
    pieces : Pieces
    whole : Estimate
        Total over all domains.
    minimum : int
        Plots a domain needs for a correction of its own.
    level : float
        Confidence level of the intervals.
    composite : bool
        Whether a domain's own correction counts by what it is worth, ``between / (between + v_c)``, however many
        plots carry it, in place of in full or not at all: a smaller error where the domains' plots are few.
    """
    direct = pieces.n >= minimum
    trust = _trust(pieces) if composite else direct.astype(np.float64)
    own = np.diag(trust * pieces.area)
    unadjusted = pieces.synthetic + own @ pieces.residual
    variance = np.sum(_variances(pieces, own, trust), axis=0)
    weight = variance / variance.sum() if variance.sum() > 0 else pieces.area / pieces.area.sum()
    pull = pieces.area.sum() * pieces.share - trust * pieces.area
    adjustment = weight * (whole.estimate - unadjusted.sum())
    estimate = unadjusted + adjustment
    sampling, bias, model = _variances(pieces, own + np.outer(weight, pull), trust)
    final = sampling + bias + model
    spare = np.maximum(pieces.n - 1.0, 1.0)
    df = np.where(direct, spare, pieces.between_df)
    if composite:
        squares = (sampling + model) ** 2 / spare + bias**2 / pieces.between_df
        df = np.divide(final**2, squares, out=spare, where=squares > 0)
    half = np.array([quantile(level, value) for value in df]) * np.sqrt(final)
    columns = (
        estimate,
        np.sqrt(final),
        final,
        estimate - half,
        estimate + half,
        estimate / pieces.area,
        np.sqrt(final) / pieces.area,
        pieces.area,
        pieces.n.astype(np.int64),
        np.where(direct, "ok", "insufficient"),
        np.full(len(direct), "composite") if composite else np.where(direct, "modified_greg", "synthetic"),
        unadjusted,
        np.sqrt(variance),
        adjustment,
        _notes(direct, estimate),
    )
    index = pd.Index(pieces.names, name="county", tupleize_cols=False)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=index)


def _trust(pieces: Pieces) -> Floats:
    whole = pieces.between + pieces.residual_variance
    return np.where(pieces.n > 0, np.divide(pieces.between, whole, out=np.zeros_like(whole), where=whole > 0), 0.0)


def _variances(pieces: Pieces, coefficient: Floats, trust: Floats) -> tuple[Floats, Floats, Floats]:
    """Variance by the residuals' sampling, the model's error between domains, and the model's coefficients."""
    sampling = coefficient**2 @ pieces.residual_variance
    bias = pieces.between * ((coefficient - np.diag(pieces.area)) ** 2).sum(axis=1)
    model = pieces.area**2 * (trust * pieces.model_direct + (1.0 - trust) * pieces.model_synthetic)
    return sampling, bias, model


def _notes(direct: NDArray[np.bool_], estimate: Floats) -> list[str]:
    few = Message.of("estimate.note_synthetic_county").key
    below = Message.of("estimate.note_negative_county").key
    return [below if value < 0 else "" if own else few for own, value in zip(direct, estimate, strict=True)]


def between_domains(residual: Floats, variance: Floats, n: Floats, unit_variance: float) -> tuple[float, float]:
    """Variance between domains of the model's mean error, beyond what sampling explains, and its degrees of freedom.

    With four or more sampled domains, the maximum of the residual likelihood times the variance itself (Li & Lahiri
    2010, J. Multivar. Anal. 101:882), which never says zero merely because the domains are few; with two or three, the
    plain variance of the mean residuals; with fewer, the variance of single plots.

    Parameters
    ----------
    residual, variance, n : array, shape (C,)
        Mean residual, its sampling variance and plots of each domain.
    unit_variance : float
        Variance of the residual of a single plot.
    """
    used = n >= 2
    e, v = residual[used], variance[used]
    if len(e) < 2:
        return unit_variance, 1.0
    spread = float(e.var(ddof=1))
    if len(e) < 4 or spread == 0 or not (v > 0).all():
        return spread, float(len(e) - 1)

    def loss(log_between: float) -> float:
        weight = 1.0 / (np.exp(log_between) + v)
        centre = (weight * e).sum() / weight.sum()
        likelihood = np.log(weight).sum() - np.log(weight.sum()) - (weight * (e - centre) ** 2).sum()
        return -(log_between + 0.5 * float(likelihood))

    scale = np.log(spread + v.mean())
    found = optimize.minimize_scalar(loss, bounds=(scale - 14.0, scale + 5.0), method="bounded")
    return float(np.exp(found.x)), float(len(e) - 1)
