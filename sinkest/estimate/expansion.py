"""Variance of expansion estimators under unequal inclusion probabilities."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, matrix
from sinkest.messages import Message

Rule = Literal["hajek_berger", "hansen_hurwitz", "joint"]


def expansion_variance(
    values: Floats, probability: Floats, rule: Rule = "hajek_berger", joint_probability: ArrayLike | None = None
) -> tuple[float, tuple[Message, ...]]:
    """Variance of the total ``sum(values / probability)``.

    Parameters
    ----------
    values : array, shape (n,)
        Observations, or residuals of a model.
    probability : array, shape (n,)
        Inclusion probabilities; near zero for samples from large populations.
    rule : {"hajek_berger", "hansen_hurwitz", "joint"}
        ``"hajek_berger"``: high-entropy approximation (Berger 1998), for equal probabilities the usual
        ``N^2 (1 - n/N) s^2 / n``; ``"hansen_hurwitz"``: as if drawn with replacement; ``"joint"``: exact, from joint
        probabilities (Horvitz & Thompson 1952). A negative exact variance is replaced by the first, with a note.
    joint_probability : array, shape (n, n), optional

    Raises
    ------
    InputError
        If the rule is unknown, or ``"joint"`` without joint probabilities.
    """
    n = len(values)
    expanded = values / probability
    if rule == "hansen_hurwitz":
        return float(((n * expanded - expanded.sum()) ** 2).sum() / (n * (n - 1.0))), ()
    if rule == "joint":
        exact = _joint(expanded, probability, joint_probability)
        if exact >= 0:
            return exact, ()
        note = Message.of("estimate.note_negative_variance", value=f"{exact:.4g}")
        return expansion_variance(values, probability)[0], (note,)
    if rule != "hajek_berger":
        raise InputError(
            "estimate.option", name="variance", value=str(rule), options="hajek_berger, hansen_hurwitz, joint"
        )
    share = n / (n - 1.0) * (1.0 - probability)
    if share.sum() == 0:  # a census
        return 0.0, ()
    return float((share * (expanded - (share * expanded).sum() / share.sum()) ** 2).sum()), ()


def _joint(expanded: Floats, probability: Floats, joint_probability: ArrayLike | None) -> float:
    if joint_probability is None:
        raise InputError("estimate.joint_missing")
    joint = matrix("joint_probability", joint_probability, len(expanded))
    if joint.shape != (len(expanded), len(expanded)) or not (joint > 0).all():
        raise InputError("estimate.joint_invalid", n=len(expanded), shape=joint.shape)
    off = 1.0 - np.outer(probability, probability) / joint
    # of a unit with itself the joint probability is its own, whatever the caller put on the diagonal
    np.fill_diagonal(off, 1.0 - probability)
    value = float(expanded @ off @ expanded)
    scale = float(np.abs(off * np.outer(expanded, expanded)).sum())
    return 0.0 if math.isclose(value, 0.0, abs_tol=1e-12 * scale) else value
