"""Noise that belongs to a place: its hash, its statistics and its derivatives."""

from __future__ import annotations

import numba as nb
import numpy as np
import pytest

from sinkest.simulate import noise

SALTS = noise.salts(7, 4)


@nb.njit
def _fill(x, y, size, salt, smooth, slope, gap, code):
    for i in range(x.size):
        smooth[i] = noise.smooth(x[i], y[i], size, salt)
        slope[:, i] = noise.sloping(x[i], y[i], size, salt)
        code[i], _, _, gap[i] = noise.cell(x[i], y[i], size, salt)


@nb.njit
def _numbers(count, salt, uniform, normal):
    for i in range(count):
        code = noise.lattice(i % 1000 - 500, i // 1000, salt)
        uniform[i], normal[i] = noise.uniform(code), noise.gauss(code, salt)


def fields(x, y, size=900.0, salt=SALTS[0]):
    smooth, slope, gap, code = np.empty(x.size), np.empty((3, x.size)), np.empty(x.size), np.empty(x.size, np.uint64)
    _fill(x, y, size, salt, smooth, slope, gap, code)
    return smooth, slope, gap, code


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(1)
    return rng.uniform(690e3, 810e3, 60_000), rng.uniform(2880e3, 3100e3, 60_000)


def test_mixing_is_the_finaliser_of_splitmix64():
    # First output of SplitMix64 seeded with 0: the finaliser of the golden gamma (a published test value).
    assert int(noise.mixed(np.uint64(0x9E3779B97F4A7C15))) == 0xE220A8397B1DCDAF


def test_salts_do_not_depend_on_how_many_are_asked_for():
    np.testing.assert_array_equal(noise.salts(3, 50)[:4], noise.salts(3, 4))


@pytest.mark.parametrize("seed", [0, -5, 2**70])
def test_any_whole_number_is_a_seed(seed):
    assert len(set(noise.salts(seed, 20).tolist())) == 20


def test_seeds_give_other_salts():
    assert not set(noise.salts(1, 100).tolist()) & set(noise.salts(2, 100).tolist())


def test_hash_numbers_are_uniform_and_normal():
    uniform, normal = np.empty(100_000), np.empty(100_000)
    _numbers(uniform.size, SALTS[1], uniform, normal)
    # Ten bins of 10,000 expected: a chi-square with 9 degrees of freedom stays below 27.9 (0.1 %).
    counts = np.histogram(uniform, bins=10, range=(0, 1))[0]
    assert ((counts - 10_000.0) ** 2 / 10_000.0).sum() < 27.9
    assert abs(normal.mean()) < 0.012
    assert normal.std() == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(uniform, normal)[0, 1]) < 0.012


def test_smooth_noise_has_mean_zero_and_unit_spread(points):
    smooth = fields(*points)[0]
    assert abs(smooth.mean()) < 0.05
    assert smooth.std() == pytest.approx(1.0, abs=0.03)


def test_smooth_noise_of_two_salts_is_unrelated(points):
    assert abs(np.corrcoef(fields(*points)[0], fields(*points, salt=SALTS[1])[0])[0, 1]) < 0.03


def test_smooth_noise_is_smooth(points):
    x, y = points
    # A metre is a ninth of a percent of the size: the value moves by at most a few percent of a standard deviation.
    assert np.abs(fields(x, y)[0] - fields(x + 1.0, y)[0]).max() < 0.03


def test_sloping_is_smooth_with_its_derivatives(points):
    x, y = points[0][:2000], points[1][:2000]
    smooth, (value, along_x, along_y), _, _ = fields(x, y)
    np.testing.assert_allclose(value, smooth, atol=1e-12)
    step = 0.05
    east = (fields(x + step, y)[0] - fields(x - step, y)[0]) / (2 * step)
    north = (fields(x, y + step)[0] - fields(x, y - step)[0]) / (2 * step)
    np.testing.assert_allclose(along_x, east, atol=2e-8)
    np.testing.assert_allclose(along_y, north, atol=2e-8)


def test_cells_have_the_size_asked_for():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0, 60_000, 100.0), np.arange(0, 60_000, 100.0)))
    _, _, gap, code = fields(x, y)
    # One jittered point per 900 m square: 60 km x 60 km hold 4,444 of them, and as many again are cut at the rim.
    assert np.unique(code).size == pytest.approx(4444, rel=0.08)
    assert gap.min() >= 0.0


def test_a_cell_ends_where_its_gap_is_zero(points):
    x, y = points
    _, _, gap, code = fields(x, y)
    moved = fields(x + 5.0, y)[3]
    # Going 5 m, the distance to a centre changes by 5 m at most, so the gap does by 10 m: no change of cell beyond.
    assert not (moved != code)[gap > 10.0].any()
    assert (moved != code)[gap < 2.0].any()
