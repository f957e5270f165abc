"""Kernel of the land cover: what stands at a point in a year, and what it carries."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sinkest.simulate.growth import YOUNG_YEARS, canopy_closure, stand_age, stand_volume
from sinkest.simulate.noise import SOURCE_STAMP, cell, centre, chance, compiled, gauss, kernel, lattice, mixed, smooth
from sinkest.simulate.terrain import bank, ground, lake

FIR, MASSON, BROADLEAF, MIXED, BAMBOO, OIL_TEA, SHRUB, ORCHARD = 1, 2, 3, 4, 5, 6, 7, 8
URBAN_TREES, PADDY, DRY, BUILT, BARE, WATER, MARSH = 9, 10, 11, 12, 13, 14, 15

# Canopy closure of the classes that have no stands of their own.
_CLOSURE = np.array([0.0, 0, 0, 0, 0, 0, 0, 0.45, 0.40, 0.55, 0, 0, 0, 0, 0, 0])

# Columns of World.woodland, in the order of world.Woodland.
_BASE, _BEST, _WIDTH, _EXPOSURE, _SLOPE, _REGION, _PARCEL = range(7)

# Salts 20-59 of fields, 70-99 of the draws of a cell or parcel.
_EDGE, _EDGE_FINE, _COARSE, _FINE, _FIELD = 20, 21, 22, 23, 24
_FARM_WIDE, _FARM_NEAR, _PADDY, _ORCHARDS = 25, 26, 27, 28
_POND, _VILLAGE, _TOWN, _BAR = 29, 30, 31, 32
_KIND = 40  # and the six after it
_SPLIT, _FARMED, _USE, _QUARRY, _TAKEN, _PLANTED, _SPECIES = 70, 71, 72, 73, 74, 75, 76
_THERE, _SIZE, _SORT, _TURN, _LONG = 77, 78, 79, 80, 81
_OWN = 82  # and the six after it

_POND_CELL_M, _VILLAGE_CELL_M = 640.0, 1050.0
_COARSE_M, _FINE_M, _FIELD_M, _BLOCK_M, _YARD_M = 700.0, 250.0, 130.0, 210.0, 45.0
_CHANGE_FROM, _CHANGE_YEARS = 2012.0, 30.0


@compiled
def parcel(x, y, world):
    """Parcel of woodland at a point: its hash and how far (m) its border is, roughly."""
    salts = world.salts
    u = x + 55.0 * smooth(x, y, 480.0, salts[_EDGE]) + 10.0 * smooth(x, y, 90.0, salts[_EDGE_FINE])
    v = y + 55.0 * smooth(y, x, 480.0, salts[_EDGE]) + 10.0 * smooth(y, x, 90.0, salts[_EDGE_FINE])
    code, _, _, gap = cell(u, v, _COARSE_M, salts[_COARSE])
    if chance(code, salts[_SPLIT]) < 0.65:
        inner, _, _, inner_gap = cell(u, v, _FINE_M, salts[_FINE])
        return mixed(code ^ inner), min(gap, inner_gap)
    return code, gap


@compiled
def farming(x, y, height_m, altitude, slope, world):
    """Suitability for farming, before the jitter of the parcel."""
    return (
        world.farm_base
        - slope / world.farm_slope_deg
        - height_m / world.farm_height_m
        - max(altitude - 150.0, 0.0) / world.farm_altitude_m
        + world.farm_noise_wide * smooth(x, y, 5200.0, world.salts[_FARM_WIDE])
        + world.farm_noise_near * smooth(x, y, 1100.0, world.salts[_FARM_NEAR])
    )


@compiled
def farming_at(x, y, world):
    """Suitability for farming at a point of its own, -9 at a river."""
    river_m = bank(x, y, world)
    if river_m < 60.0:
        return -9.0
    altitude, _, above, slope = ground(x, y, river_m, world)
    return farming(x, y, above, altitude, slope, world)


@compiled
def town(x, y, year, world):
    """Strength of the town at a point: above 1 it is built over."""
    strongest = -9.0
    for k in range(world.towns.shape[0]):
        away_x, away_y = x - world.towns[k, 0], y - world.towns[k, 1]
        radius = world.towns[k, 2] * (1.0 + world.towns[k, 4] * (year - 2020.0))
        near = 1.0 + world.towns[k, 3] * (1.0 - math.sqrt(away_x * away_x + away_y * away_y) / radius)
        strongest = max(strongest, near)
    if strongest < 0.0:
        return strongest
    return strongest + 0.22 * smooth(x, y, 2600.0, world.salts[_TOWN]) + 0.20 * smooth(y, x, 800.0, world.salts[_TOWN])


@compiled
def pond_radius(code, world):
    """Radius (m) of the pond that a cell's hash would carry; between about 0.06 and 7 ha."""
    drawn = world.pond_radius_m * math.exp(0.62 * gauss(code, world.salts[_SIZE]))
    return min(max(drawn, 14.0), 150.0)


@compiled
def pond_kind(code, x, y, year, world):
    """0 where a cell carries no pond, 1 for a pond, 2 for a marsh; ``x`` and ``y`` are the cell's centre."""
    if chance(code, world.salts[_THERE]) >= world.pond_share:
        return 0
    if farming_at(x, y, world) < -0.35 or town(x, y, year, world) > 1.35:
        return 0
    return 2 if chance(code, world.salts[_SORT]) < world.pond_marsh else 1


@compiled
def pond(x, y, year, world):
    """What a pond site leaves at a point: 0 nothing, 1 water, 2 marsh."""
    salts = world.salts
    code, centre_x, centre_y, _ = cell(x, y, _POND_CELL_M, salts[_POND])
    radius = pond_radius(code, world)
    away_x, away_y = x - centre_x, y - centre_y
    if away_x * away_x + away_y * away_y > 6.0 * radius * radius:
        return 0
    turn = 6.2832 * chance(code, salts[_TURN])
    stretch = math.sqrt(1.0 + 0.8 * chance(code, salts[_LONG]))
    along = (away_x * math.cos(turn) + away_y * math.sin(turn)) / stretch
    across = (away_y * math.cos(turn) - away_x * math.sin(turn)) * stretch
    edge = radius * (1.0 + 0.28 * smooth(x, y, 1.1 * radius + 15.0, salts[_POND]))
    if along * along + across * across > edge * edge:
        return 0
    return pond_kind(code, centre_x, centre_y, year, world)


@compiled
def village(x, y, year, world):
    """Whether a point lies in a village."""
    salts = world.salts
    code, centre_x, centre_y, _ = cell(x, y, _VILLAGE_CELL_M, salts[_VILLAGE])
    radius = world.village_radius_m * math.exp(0.45 * gauss(code, salts[_SIZE])) * (1.0 + 0.006 * (year - 2020.0))
    away = math.sqrt((x - centre_x) * (x - centre_x) + (y - centre_y) * (y - centre_y))
    if away > 2.4 * radius or chance(code, salts[_THERE]) >= world.village_share:
        return False
    if away > radius * (1.0 + 0.45 * smooth(x, y, 120.0, salts[_VILLAGE])):
        return False
    return farming_at(centre_x, centre_y, world) > 0.0


@compiled
def woodland_kind(x, y, altitude, height, slope, code, world):
    """Class (1-7) of the woodland that a parcel carries."""
    rules = world.woodland
    best, score_best = 0, -1e9
    for k in range(7):
        off = (altitude - rules[k, _BEST]) / rules[k, _WIDTH]
        score = (
            rules[k, _BASE]
            - min(off * off, 4.0)
            + rules[k, _EXPOSURE] * (height - 0.6)
            + rules[k, _SLOPE] * (slope - 15.0) * 0.1
            + rules[k, _REGION] * smooth(x, y, 5000.0, world.salts[_KIND + k])
            + rules[k, _PARCEL] * gauss(code, world.salts[_OWN + k])
        )
        if score > score_best:
            best, score_best = k, score
    return best + 1


@compiled
def changed(code, salt, share):
    """Year in which a parcel changes its use, for a share of the parcels; the others never do."""
    draw = chance(code, salt)
    return _CHANGE_FROM + _CHANGE_YEARS * draw / share if draw < share else 9999.0


@compiled
def open_land(x, y, year, river_m, height, world):
    """Water, marsh, towns and villages; 0 where there is none of them."""
    salts = world.salts
    shore = smooth(x, y, 700.0, salts[_BAR])
    if river_m < 0.0:
        return BARE if river_m > -30.0 and shore > 1.1 else WATER
    if river_m < 90.0 and shore < -1.35:
        return MARSH
    wet = lake(x, y, river_m, height, world)
    if wet == 0:
        wet = pond(x, y, year, world)
    if wet > 0:
        return WATER if wet == 1 else MARSH
    trees, size = world.town_trees, _BLOCK_M
    if town(x, y, year, world) <= 1.0:
        trees, size = 0.8 * world.town_trees, _YARD_M
        if not village(x, y, year, world):
            return 0
    block, _, _, _ = cell(x, y, size, salts[_TOWN])
    draw = chance(block, salts[_USE])
    if draw < trees:
        return URBAN_TREES
    return BARE if draw < trees + world.town_bare else BUILT


@compiled
def farm_use(x, y, above, slope, code, world):
    """Class of a field: paddy on flat low ground, otherwise dry crop or orchard."""
    salts = world.salts
    wet = (
        world.paddy_base
        - slope / world.paddy_slope_deg
        - above / world.paddy_height_m
        + world.paddy_noise * smooth(x, y, 900.0, salts[_PADDY])
        + 0.5 * (chance(code, salts[_USE]) - 0.5)
    )
    if wet > 0.0:
        return PADDY
    lean = 0.10 * smooth(x, y, 4200.0, salts[_ORCHARDS])
    return ORCHARD if chance(code, salts[_SPECIES]) < world.orchard_share + lean else DRY


@compiled
def look(x, y, year, world):
    """Everything at one point in one year.

    Returns
    -------
    tuple
        Class code, age (years, 0 outside woodland), volume and its visible part (m3/ha, 0 outside arbor forest), canopy
        closure, elevation (m), hash of the parcel, distance to the parcel's border (m, rough).
    """
    salts = world.salts
    river_m = bank(x, y, world)
    altitude, height, above, slope = ground(x, y, river_m, world)
    stand, gap = parcel(x, y, world)
    code = open_land(x, y, year, river_m, height, world)
    if code != 0:
        return code, 0.0, 0.0, 0.0, _CLOSURE[code], altitude, stand, gap
    kind, age, planted = 0, 0.0, 9999.0
    jitter = world.farm_parcel * (chance(stand, salts[_FARMED]) - 0.5)
    if farming(x, y, above, altitude, slope, world) + jitter > 0.0:
        field, _, _, field_gap = cell(x, y, _FIELD_M, salts[_FIELD])
        code = farm_use(x, y, above, slope, field, world)
        if code == DRY:
            planted = changed(stand, salts[_PLANTED], world.dry_planted)
        if year < planted:
            return code, 0.0, 0.0, 0.0, _CLOSURE[code], altitude, field, min(gap, field_gap)
    else:
        if altitude < 400.0 and slope < 15.0 and year >= changed(stand, salts[_TAKEN], world.orchard_taken):
            return ORCHARD, 0.0, 0.0, 0.0, _CLOSURE[ORCHARD], altitude, stand, gap
        if chance(stand, salts[_QUARRY]) < world.quarry:
            return BARE, 0.0, 0.0, 0.0, 0.0, altitude, stand, gap
        kind = woodland_kind(x, y, altitude, height, slope, stand, world)
        if kind == SHRUB:
            planted = changed(stand, salts[_PLANTED], world.shrub_planted)
    if year >= planted:
        draw = chance(stand, salts[_SPECIES])
        kind = FIR if draw < 0.34 else MASSON if draw < 0.46 else BROADLEAF if draw < 0.66 else MIXED
        kind, age = OIL_TEA if draw > 0.84 else kind, year - planted
    else:
        age = stand_age(kind - 1, stand, year, world)
    code = kind if age >= YOUNG_YEARS else SHRUB
    if age < 1.0:
        code = BARE
    if code > MIXED:
        closure = canopy_closure(stand, age, world) if code <= OIL_TEA else _CLOSURE[code]
        return code, age, 0.0, 0.0, closure, altitude, stand, gap
    volume, visible = stand_volume(x, y, kind - 1, stand, age, year, world)
    return code, age, volume, visible, canopy_closure(stand, age, world), altitude, stand, gap


def _kernels(stamp: int) -> Any:
    @kernel
    def look_at(x, y, year, world, code, age, volume, visible, closure, elevation, stand, gap):
        """Fill the given arrays (1-D) with :func:`look` at the points ``x``, ``y`` (m)."""
        for i in range(x.size if stamp else 0):
            found = look(x[i], y[i], year, world[0])
            code[i], age[i], volume[i], visible[i], closure[i], elevation[i], stand[i], gap[i] = found

    @kernel
    def elevation_at(x, y, world, elevation):
        """Fill ``elevation`` (m) at the points."""
        here = world[0]
        for i in range(x.size if stamp else 0):
            elevation[i] = ground(x[i], y[i], bank(x[i], y[i], here), here)[0]

    @kernel
    def pond_sites(west, south, east, north, year, world, found):
        """Fill the rows of ``found`` with x, y, radius (m) and kind of the ponds of a rectangle; give their number."""
        here, count = world[0], 0 if stamp else -1
        for row in range(math.floor(south / _POND_CELL_M), math.floor(north / _POND_CELL_M) + 1):
            for column in range(math.floor(west / _POND_CELL_M), math.floor(east / _POND_CELL_M) + 1):
                code = lattice(column, row, here.salts[_POND])
                u, v = centre(column, row, code)
                x, y = _POND_CELL_M * u, _POND_CELL_M * v
                kind = pond_kind(code, x, y, year, here)
                if kind > 0 and count < found.shape[0]:
                    found[count, 0], found[count, 1] = x, y
                    found[count, 2], found[count, 3] = pond_radius(code, here), kind
                    count += 1
        return count

    return look_at, elevation_at, pond_sites


look_at, elevation_at, pond_sites = _kernels(SOURCE_STAMP)


def outputs(size: int) -> tuple[np.ndarray, ...]:
    """Empty arrays for :func:`look_at`, in its order after the world."""
    return (
        np.empty(size, np.uint8),
        *(np.empty(size, np.float32) for _ in range(5)),
        np.empty(size, np.uint64),
        np.empty(size, np.float32),
    )
