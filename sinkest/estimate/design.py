"""Planning: how many plots, in which strata, where, and how many more would settle a target.

* `sample_size`, `allocate`: numbers for a wanted standard error, shared out to strata;
* `plots_for_mean`, `se_to_detect`, `proportion_sd`, `change_sd`: what to put in for stock, coverage and change;
* `draw_stratified`, `draw_systematic`: where, on a map of strata;
* `settle_curve`, `n_to_settle`, `target_probability`: how many more plots a verdict takes.
"""

from __future__ import annotations

from sinkest.estimate.allocation import (
    Allocation,
    allocate,
    change_sd,
    plots_for_mean,
    proportion_sd,
    sample_size,
    se_to_detect,
)
from sinkest.estimate.drawing import draw_stratified, draw_systematic, spacing_for, stratum_counts
from sinkest.estimate.settle import n_to_settle, settle_curve, target_probability

__all__ = [
    "Allocation",
    "allocate",
    "change_sd",
    "draw_stratified",
    "draw_systematic",
    "n_to_settle",
    "plots_for_mean",
    "proportion_sd",
    "sample_size",
    "se_to_detect",
    "settle_curve",
    "spacing_for",
    "stratum_counts",
    "target_probability",
]
