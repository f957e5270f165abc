"""Kernels of the stands: how old they are in a year, and what they carry.

Volume follows Chapman-Richards curves of the age, in the spirit of the age curves that Hunan's inventory plots show for
Chinese fir and Masson pine; site, density and what no sensor sees multiply it. Felled stands are planted again.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math

import numpy as np

from sinkest.simulate.noise import chance, compiled, gauss, smooth

BASE_YEAR = 2020
"""Year in which the stand ages are drawn; other years follow from it."""

YOUNG_YEARS = 3.0
"""Years from planting until a stand counts as forest; before, it is a clearing (first year), then shrub."""

# Columns of World.woodland, in the order of world.Woodland.
_TOP, _RATE, _SHAPE, _AGE_MEDIAN, _AGE_SPREAD, _ROTATION, _KEPT = 7, 8, 9, 10, 11, 12, 13

# Salts 60-69. Spreads are of the logarithm of the volume.
_SITE, _UNSEEN, _UNSEEN_WIDE, _PATCH = 60, 61, 62, 63
_DRAW_AGE, _DRAW_ROTATION, _DRAW_KEPT, _DRAW_SEEN, _DRAW_HIDDEN, _DRAW_CLOSURE = 64, 65, 66, 67, 68, 69
_THINNED_PER_YEAR, _OLDEST_YEARS = 0.004, 70.0
_SEEN_STAND, _SEEN_SITE = 0.39, 0.24
_HIDDEN_STAND, _HIDDEN_NEAR, _HIDDEN_WIDE, _HIDDEN_PATCH = 0.16, 0.12, 0.11, 0.11
_HIDDEN_SPREAD = math.sqrt(_HIDDEN_STAND**2 + _HIDDEN_NEAR**2 + _HIDDEN_WIDE**2 + _HIDDEN_PATCH**2)
_SEEN_SPREAD = math.sqrt(_SEEN_STAND**2 + _SEEN_SITE**2)


@compiled
def stand_age(kind, stand, year, world):
    """Age in years of a stand of woodland ``kind`` (row of the rules); felled stands begin again at 0."""
    woodland, salts = world.woodland, world.salts
    drawn = woodland[kind, _AGE_MEDIAN] * math.exp(woodland[kind, _AGE_SPREAD] * gauss(stand, salts[_DRAW_AGE]))
    rotation = woodland[kind, _ROTATION] * (1.0 + 0.15 * gauss(stand, salts[_DRAW_ROTATION]))
    age = drawn + (year - BASE_YEAR)
    if chance(stand, salts[_DRAW_KEPT]) < woodland[kind, _KEPT]:
        return max(age, YOUNG_YEARS)
    return (drawn % rotation + (year - BASE_YEAR)) % rotation


@compiled
def stand_volume(x, y, kind, stand, age, year, world):
    """Growing stock (m3/ha) at a point: all of it, and the part of its variation that a sensor could see."""
    rules, salts = world.woodland, world.salts
    grown = rules[kind, _TOP] * (1.0 - math.exp(-rules[kind, _RATE] * min(age, _OLDEST_YEARS))) ** rules[kind, _SHAPE]
    seen = _SEEN_STAND * gauss(stand, salts[_DRAW_SEEN]) + _SEEN_SITE * smooth(x, y, 6000.0, salts[_SITE])
    hidden = (
        _HIDDEN_STAND * gauss(stand, salts[_DRAW_HIDDEN])
        + _HIDDEN_NEAR * smooth(x, y, 1500.0, salts[_UNSEEN])
        + _HIDDEN_WIDE * smooth(x, y, 5000.0, salts[_UNSEEN_WIDE])
        + _HIDDEN_PATCH * smooth(x, y, 45.0, salts[_PATCH])
    )
    # Thinning and death take some of what a curve through stands of different ages promises to one stand.
    grown *= math.exp(-_THINNED_PER_YEAR * (year - BASE_YEAR))
    visible = grown * math.exp(seen - 0.5 * _SEEN_SPREAD * _SEEN_SPREAD)
    return visible * math.exp(hidden - 0.5 * _HIDDEN_SPREAD * _HIDDEN_SPREAD), visible


@compiled
def canopy_closure(stand, age, world):
    """Share of the ground under crowns; at least 0.2, the least a forest has."""
    full = 0.86 + 0.07 * gauss(stand, world.salts[_DRAW_CLOSURE])
    return min(max(full * (1.0 - math.exp(-age / 5.5)), 0.22), 0.97)


def volume_curve(kind: np.ndarray, age_years: np.ndarray) -> np.ndarray:
    """Growing stock (m3/ha) of a stand with mean site and density; ``kind`` is one row of the woodland rules."""
    return kind[_TOP] * (1.0 - np.exp(-kind[_RATE] * np.asarray(age_years, dtype=float))) ** kind[_SHAPE]
