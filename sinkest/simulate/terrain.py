"""Kernels of the ground: large relief, hills and valleys, rivers and lakes."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math

import numpy as np

from sinkest.simulate.noise import cell, compiled, sloping, smooth, uniform
from sinkest.simulate.world import KNOT_M, KNOTS_SOUTH, KNOTS_WEST

# Salts 0-19 belong to the ground.
_BEND_X, _BEND_Y, _HILLS, _DAM = 0, 1, 2, 12

_HILL_SIZE_M = np.array([17000.0, 8700.0, 4300.0, 2150.0, 1070.0, 500.0, 230.0])
_HILL_WEIGHT = np.array([0.36, 0.27, 0.20, 0.130, 0.070, 0.030, 0.010])
_FOLD = 0.02
_VALLEY_M = 3200.0
_FAR_M = 1e6
_DAM_CELL_M, _DAM_RADIUS_M, _DAM_FROM_RIVER_M = 6500.0, 1900.0, 1800.0
_SHARE_OF_RELIEF = 0.68


@compiled
def relief(x, y, world):
    """Height of the valley floor and relief (m): uniform cubic B-spline over the knots, flat beyond their edge."""
    u = min(max((x - KNOTS_WEST) / KNOT_M, 1.0), world.floor_m.shape[1] - 2.001)
    v = min(max((y - KNOTS_SOUTH) / KNOT_M, 1.0), world.floor_m.shape[0] - 2.001)
    column, row = int(u), int(v)
    weight_u, weight_v = _spline(u - column), _spline(v - row)
    floor, rise = 0.0, 0.0
    for j in range(4):
        for i in range(4):
            weight = weight_u[i] * weight_v[j]
            floor += weight * world.floor_m[row - 1 + j, column - 1 + i]
            rise += weight * world.relief_m[row - 1 + j, column - 1 + i]
    return floor, rise


@compiled
def _spline(t):
    back = 1.0 - t
    return (
        back * back * back / 6.0,
        (t * t * (3.0 * t - 6.0) + 4.0) / 6.0,
        (back * back * (3.0 * back - 6.0) + 4.0) / 6.0,
        t * t * t / 6.0,
    )


@compiled
def bank(x, y, world):
    """Distance (m) to the bank of the nearest river: negative in the water, cut off where no river is near."""
    row = min(max(int((y - KNOTS_SOUTH) / KNOT_M), 0), world.near.shape[0] - 1)
    column = min(max(int((x - KNOTS_WEST) / KNOT_M), 0), world.near.shape[1] - 1)
    if world.near[row, column, 0] < 0:
        return _FAR_M
    # Bending the plane before measuring makes meanders of straight segments.
    bent_x = x + 800.0 * smooth(x, y, 5200.0, world.salts[_BEND_X]) + 150.0 * smooth(y, x, 1500.0, world.salts[_BEND_X])
    bent_y = y + 800.0 * smooth(x, y, 5200.0, world.salts[_BEND_Y]) + 150.0 * smooth(y, x, 1500.0, world.salts[_BEND_Y])
    nearest = _FAR_M
    for listed in range(world.near.shape[2]):
        k = world.near[row, column, listed]
        if k < 0:
            break
        start_x, start_y = world.rivers[k, 0], world.rivers[k, 1]
        along_x, along_y = world.rivers[k, 2] - start_x, world.rivers[k, 3] - start_y
        t = ((bent_x - start_x) * along_x + (bent_y - start_y) * along_y) * world.rivers[k, 6]
        t = min(max(t, 0.0), 1.0)
        away_x, away_y = bent_x - start_x - t * along_x, bent_y - start_y - t * along_y
        half = world.rivers[k, 4] + t * (world.rivers[k, 5] - world.rivers[k, 4])
        squared, reach = away_x * away_x + away_y * away_y, nearest + half
        if reach > 0.0 and squared < reach * reach:
            nearest = math.sqrt(squared) - half
    return nearest


@compiled
def hills(x, y, world):
    """Relative height, 0 on a valley floor to about 1.5 on a summit, and its derivatives along x and y per metre.

    Folded noise: the zero lines of the noise are the valleys, and small forms grow with the height, so that valley
    floors are smooth and mountains are cut.
    """
    height, east, north = 0.0, 0.0, 0.0
    for k in range(_HILL_SIZE_M.size):
        value, along_x, along_y = sloping(x, y, _HILL_SIZE_M[k], world.salts[_HILLS + k])
        root = math.sqrt(value * value + _FOLD)
        folded, sign = root - math.sqrt(_FOLD), value / root
        grown, growing = 1.0, 0.0
        if k >= 2:
            grown, growing = (0.15 + 1.1 * height, 1.1) if height < 1.0 else (1.25, 0.0)
        weight = _HILL_WEIGHT[k]
        east += weight * (sign * along_x * grown + folded * growing * east)
        north += weight * (sign * along_y * grown + folded * growing * north)
        height += weight * folded * grown
    return height, east, north


@compiled
def ground(x, y, river_m, world):
    """Elevation (m), relative height, height above the valley floor (m) and slope (degrees)."""
    height, east, north = hills(x, y, world)
    far = min(max(river_m / _VALLEY_M, 0.0), 1.0)
    plain = 0.04 + 0.96 * far * far * (3.0 - 2.0 * far)  # rivers run in wide flat valleys
    floor, rise = relief(x, y, world)
    scale = _SHARE_OF_RELIEF * plain * rise
    slope = math.degrees(math.atan(scale * math.sqrt(east * east + north * north)))
    return floor + scale * height, plain * height, scale * height, slope


@compiled
def lake(x, y, river_m, height, world):
    """0 on land, 1 in a reservoir, 2 in a named marsh: valleys drowned around named points and small dams."""
    for k in range(world.lakes.shape[0]):
        away_x, away_y = x - world.lakes[k, 0], y - world.lakes[k, 1]
        far = (away_x * away_x + away_y * away_y) / (world.lakes[k, 2] * world.lakes[k, 2])
        if far < 1.0:
            # The dam was built where the valley is, so the water level follows the ground at the named point.
            centre_x, centre_y = world.lakes[k, 0], world.lakes[k, 1]
            level = ground(centre_x, centre_y, bank(centre_x, centre_y, world), world)[1]
            if 0.9 * (height - level) + far < world.lakes[k, 3]:
                return 1 + int(world.lakes[k, 4])
    code, centre_x, centre_y, _ = cell(x, y, _DAM_CELL_M, world.salts[_DAM])
    radius = _DAM_RADIUS_M * (0.35 + uniform(code))
    far = ((x - centre_x) * (x - centre_x) + (y - centre_y) * (y - centre_y)) / (radius * radius)
    if far > 1.0 or river_m < _DAM_FROM_RIVER_M:
        return 0
    shore = 0.07 * smooth(x, y, 500.0, world.salts[_DAM])
    return 1 if height + shore + 0.12 * far * far < world.dam_flood else 0
