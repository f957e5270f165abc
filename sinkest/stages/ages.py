"""Age groups of the plots: as the crew wrote them down, else from years by the limits that the configuration declares.

The limits differ by species, origin and region (LY/T 2908-2017), so none are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.config.maps import ALL_TYPES
from sinkest.learn.fields import AGE_GROUPS
from sinkest.messages import Message

GROUP, YEARS = "age_group", "age_years"
UNKNOWN = "unknown"
"""Arbor forest on plots that have no age, or no limits for their type: it is stated, so that groups add up."""
_GROUPS = np.array([*AGE_GROUPS], dtype=object)


def age_groups(
    plots: pd.DataFrame, limits: Mapping[str, Sequence[float]], types: Sequence[str]
) -> tuple[NDArray[np.object_] | None, tuple[Message, ...]]:
    """Age group of each plot.

    Parameters
    ----------
    plots : DataFrame
        ``forest_type``; optional ``age_group`` (ids or ""), ``age_years``.
    limits : mapping
        Forest type, or ``all``, to the first year of the second to the fifth group.
    types : sequence of str
        Class ids of arbor forest.

    Returns
    -------
    groups : array (n,) of str or None
        Ids, ``unknown``, or "" outside arbor forest; None where no plot of arbor forest has one.
    notes : tuple of Message
        Years that no limits turn into groups, and plots of arbor forest without a group.
    """
    arbor = plots["forest_type"].isin(list(types)).to_numpy()
    found = np.full(len(plots), "", dtype=object)
    if YEARS in plots:
        years = pd.to_numeric(plots[YEARS], errors="coerce").to_numpy(dtype=float)
        for name in types:
            first = limits.get(name, limits.get(ALL_TYPES))
            here = (plots["forest_type"] == name).to_numpy() & np.isfinite(years)
            if first is not None:
                found[here] = _GROUPS[np.searchsorted(np.asarray(first), years[here], side="right")]
    if GROUP in plots:
        written = plots[GROUP].fillna("").to_numpy(dtype=object)
        found = np.where(written != "", written, found)
    found[~arbor] = ""
    missing = int(np.count_nonzero(arbor & (found == "")))
    if missing == np.count_nonzero(arbor):
        return None, (Message.of("stages.ages_no_limits"),) if YEARS in plots else ()
    found[arbor & (found == "")] = UNKNOWN
    notes = (Message.of("stages.ages_unknown", plots=missing, all=int(arbor.sum())),) if missing else ()
    return found, notes
