import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sinkest.errors import InputError
from sinkest.features.composite import StoredStack, compose, count_valid, geomedian, median, medoid, percentiles
from sinkest.features.kernels import sorting_network, sorting_networks

NAN = np.nan

stacks = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5),
    elements=st.one_of(st.just(np.float32(np.nan)), st.floats(-1, 2, width=32)),
)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None, None]


def spectra(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)[:, :, None, None]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12])
def test_the_network_sorts_every_pattern_of_zeros_and_ones(n: int) -> None:
    # a network that sorts all 2**n such patterns sorts everything (the zero-one principle)
    patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    for low, high in sorting_network(n):
        a, b = patterns[:, low].copy(), patterns[:, high].copy()
        patterns[:, low], patterns[:, high] = np.minimum(a, b), np.maximum(a, b)
    assert (np.diff(patterns, axis=1) >= 0).all()


@pytest.mark.parametrize(
    "values, expected",
    [
        ((3, 1, 2), 2),
        ((4, 1, 3, 2), 2.5),
        ((NAN, 5, NAN), 5),
        ((NAN, 1, 4, NAN), 2.5),
        ((NAN, NAN), NAN),
        ((7,), 7),
        ((np.inf, 1, 3), 2),
    ],
)
def test_the_median_of_a_pixel(values: tuple[float, ...], expected: float) -> None:
    np.testing.assert_array_equal(median(column(*values))[0, 0], np.float32(expected))


@settings(max_examples=80, deadline=None)
@given(stacks)
def test_the_median_is_numpys_bit_for_bit(stack: np.ndarray) -> None:
    expected = np.full(stack.shape[1:], np.nan, np.float32)
    for place in np.ndindex(*stack.shape[1:]):
        values = stack[:, *place][np.isfinite(stack[:, *place])]
        if len(values):
            expected[place] = np.median(values)
    np.testing.assert_array_equal(median(stack), expected)


@settings(max_examples=80, deadline=None)
@given(stacks, st.floats(0, 100))
def test_percentiles_are_numpys(stack: np.ndarray, percent: float) -> None:
    found = percentiles(stack, (percent,))[0]
    for place in np.ndindex(*stack.shape[1:]):
        values = stack[:, *place][np.isfinite(stack[:, *place])].astype(np.float64)
        expected = np.percentile(values, percent) if len(values) else np.nan
        np.testing.assert_allclose(found[place], expected, rtol=1e-6, atol=1e-6)


def test_a_long_series_is_numpys_too() -> None:
    rng = np.random.default_rng(5)
    stack = rng.random((447, 3, 70)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.6] = np.nan
    np.testing.assert_array_equal(median(stack), np.nanmedian(stack, axis=0))


def test_the_order_of_dates_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    stack = rng.random((9, 4, 5)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.3] = np.nan
    order = rng.permutation(9)
    np.testing.assert_array_equal(percentiles(stack, (10, 50, 90)), percentiles(stack[order], (10, 50, 90)))


def test_the_input_is_left_as_it_was() -> None:
    stack = column(3, NAN, 1)
    median(stack)
    np.testing.assert_array_equal(stack, column(3, NAN, 1))


def test_valid_dates_are_counted() -> None:
    stack = np.array([[[1, NAN]], [[NAN, NAN]], [[2, np.inf]]], np.float32)
    np.testing.assert_array_equal(count_valid(stack), [[2, 0]])


def test_the_medoid_is_an_observed_spectrum() -> None:
    # sums of distances: (0,0): 1+5+10=16, (1,0): 1+hypot(2,4)+9=14.5, (3,4): 5+4.47+8.06=17.5, (10,0): 10+9+8.06=27.1
    stack = spectra((0, 0), (1, 0), (3, 4), (10, 0))
    assert medoid(stack)[:, 0, 0].tolist() == [1, 0]


def test_of_equal_medoids_the_earliest_wins() -> None:
    assert medoid(spectra((5, 5), (1, 1)))[:, 0, 0].tolist() == [5, 5]
    assert medoid(spectra((1, 1), (5, 5)))[:, 0, 0].tolist() == [1, 1]


def test_a_date_with_a_missing_band_does_not_count() -> None:
    stack = spectra((1, 1), (NAN, 1.1), (1.2, 1.2), (NAN, 1.1))
    assert medoid(stack)[:, 0, 0].tolist() == [1, 1]
    np.testing.assert_allclose(geomedian(stack)[:, 0, 0], 1.1, atol=1e-5)


def test_without_any_date_there_is_no_value() -> None:
    stack = np.full((3, 2, 1, 1), np.nan, np.float32)
    assert np.isnan(medoid(stack)).all()
    assert np.isnan(geomedian(stack)).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([2, 4]))
def test_the_medoid_minimises_by_enumeration(seed: int, dates: int, bands: int) -> None:
    stack = np.random.default_rng(seed).random((dates, bands, 1, 1)).astype(np.float32)
    points = stack[:, :, 0, 0].astype(np.float64)
    sums = np.linalg.norm(points[:, None] - points[None], axis=2).sum(axis=1)
    chosen = np.flatnonzero((points == medoid(stack)[:, 0, 0]).all(axis=1))[0]
    assert sums[chosen] <= sums.min() + 1e-9


def test_the_geometric_median_of_a_triangle_is_its_fermat_point() -> None:
    # equilateral triangle: the centroid, which sees all sides under 120 degrees
    stack = spectra((0, 0), (1, 0), (0.5, np.sqrt(0.75)))
    np.testing.assert_allclose(geomedian(stack)[:, 0, 0], [0.5, np.sqrt(0.75) / 3], atol=2e-5)


def test_a_corner_of_120_degrees_or_more_is_the_geometric_median() -> None:
    # the angle at the origin is 150 degrees, so the origin itself is the solution: Weiszfeld alone would creep to it
    angle = np.radians(150)
    stack = spectra((0, 0), (1, 0), (np.cos(angle), np.sin(angle)))
    np.testing.assert_allclose(geomedian(stack)[:, 0, 0], 0, atol=1e-4)


def test_a_majority_at_one_point_is_the_geometric_median() -> None:
    stack = spectra((0.2, 0.4), (0.2, 0.4), (0.2, 0.4), (0.9, 0.1), (0.8, 0.8))
    np.testing.assert_allclose(geomedian(stack)[:, 0, 0], [0.2, 0.4], atol=1e-4)


def test_a_start_on_an_observation_does_not_stall() -> None:
    # the mean is the second point, where Weiszfeld's weight is infinite; the minimum lies between it and the crowd
    stack = spectra((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))
    np.testing.assert_allclose(geomedian(stack)[:, 0, 0], 0, atol=1e-6)
    shifted = spectra((0.25, 0.5), (0, 0), (1, 0), (0, 1.5), (0, 1))
    points = shifted[:, :, 0, 0].astype(np.float64)
    found = geomedian(shifted)[:, 0, 0]
    assert cost(found, points) <= min(cost(found + step, points) for step in near()) + 1e-7


def cost(point: np.ndarray, points: np.ndarray) -> float:
    return float(np.linalg.norm(points - point, axis=1).sum())


def near() -> list[np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return [1e-3 * np.array([np.cos(a), np.sin(a)]) for a in angles]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_no_step_away_from_the_geometric_median_is_better(seed: int, dates: int) -> None:
    stack = np.random.default_rng(seed).random((dates, 2, 1, 1)).astype(np.float32)
    points = stack[:, :, 0, 0].astype(np.float64)
    found = geomedian(stack)[:, 0, 0].astype(np.float64)
    # two dates leave the whole segment between them free; a convex cost has no other minimum
    assert cost(found, points) <= min(cost(found + step, points) for step in near()) + 2e-5


def test_pixels_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(8)
    stack = rng.random((6, 3, 5, 7)).astype(np.float32)
    stack[rng.random((6, 1, 5, 7)).repeat(3, axis=1) < 0.4] = np.nan
    for function in (medoid, geomedian):
        whole = function(stack)
        for row, col in np.ndindex(5, 7):
            alone = function(stack[:, :, row : row + 1, col : col + 1])
            np.testing.assert_array_equal(alone[:, 0, 0], whole[:, row, col])


@pytest.mark.parametrize("function", [median, medoid, geomedian])
def test_stacks_of_another_shape_are_refused(function: object) -> None:
    for shape in ((2, 2), (0, 2, 2), (0, 2, 2, 2)):
        with pytest.raises(InputError, match="expected"):
            function(np.zeros(shape, np.float32))


def test_percentiles_beyond_their_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"50, 101"):
        percentiles(column(1, 2), (50, 101))


def stored(seed: int, dates: int, bands: int, pixels: int, dtype: str, seen: float = 0.5) -> StoredStack:
    rng = np.random.default_rng(seed)
    low, high = (-3000, 12_000) if dtype == "int16" else (0, 250) if dtype == "uint8" else (0, 12_000)
    values = rng.integers(low, high, (dates, bands, 3, pixels)).astype(dtype)
    return StoredStack(values, rng.random((dates, 3, pixels)) < seen, 1e-4, -0.1)


def decoded(stack: StoredStack) -> np.ndarray:
    bands = [stack.of_band(band, range(len(stack.values))) for band in range(stack.values.shape[1])]
    expected = (stack.values.astype(np.float64) * stack.scale + stack.offset).astype(np.float32)
    expected[~stack.seen[:, None].repeat(len(bands), axis=1)] = np.nan
    np.testing.assert_array_equal(np.stack(bands, axis=1), expected)
    return expected


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("dates, pixels", [(1, 1), (2, 70), (36, 300), (65, 33)])
def test_composites_of_stored_numbers_are_those_of_their_values(dtype: str, dates: int, pixels: int) -> None:
    stack = stored(dates, dates, 4, pixels, dtype)
    values = decoded(stack)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        expected = np.nanmedian(values, axis=0)
    np.testing.assert_array_equal(compose(stack, "median"), expected)
    if dtype == "uint16":
        np.testing.assert_array_equal(compose(stack, "medoid"), medoid(values))
        np.testing.assert_array_equal(compose(stack, "geomedian"), geomedian(values))


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_some_dates_of_a_stack_are_composed_without_the_others(method: str) -> None:
    stack = stored(3, 9, 4, 40, "uint16")
    some = [1, 2, 5, 8]
    part = StoredStack(stack.values[some], stack.seen[some], stack.scale, stack.offset)
    np.testing.assert_array_equal(compose(stack, method, some), compose(part, method))
    np.testing.assert_array_equal(stack.count(some), part.count())


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_the_ends_of_the_stored_type_are_numbers_like_others(method: str) -> None:
    # the largest number also stands in for what was not seen; two of three dates that hold it must still win
    ends = np.iinfo(np.uint16)
    values = np.array([ends.max, ends.min, ends.max, 5], np.uint16)[:, None, None, None].repeat(4, axis=1)
    seen = np.array([True, True, True, False])[:, None, None]
    found = compose(StoredStack(values, seen), method)
    np.testing.assert_allclose(found[:, 0, 0], ends.max, rtol=1e-5)


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_neighbours_in_a_lane_and_the_cut_into_blocks_change_nothing(method: str) -> None:
    stack = stored(4, 20, 4, 97, "uint16", seen=0.3)
    stack.seen[:, 1, 40:60] = False
    whole = compose(stack, method)
    for start, stop in ((0, 1), (1, 18), (18, 97)):
        cut = StoredStack(stack.values[..., start:stop].copy(), stack.seen[..., start:stop].copy(), 1e-4, -0.1)
        np.testing.assert_array_equal(compose(cut, method), whole[..., start:stop])
    assert np.isnan(whole[:, 1, 40:60]).all()


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_what_was_not_seen_may_hold_anything(method: str) -> None:
    values = np.full((3, 2, 1, 2), np.nan, np.float32)
    values[1], values[2] = np.inf, 0.25
    seen = np.zeros((3, 1, 2), bool)
    seen[2, 0, 0] = True
    np.testing.assert_array_equal(compose(StoredStack(values, seen), method)[:, 0], [[0.25, np.nan]] * 2)


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_dates_that_agree_are_their_own_composite(method: str) -> None:
    values = np.full((7, 4, 1, 20), 1234, np.uint16)
    found = compose(StoredStack(values, np.ones((7, 1, 20), bool), 1e-4, -0.1), method)
    np.testing.assert_allclose(found, np.float32(1234 * 1e-4 - 0.1), rtol=1e-6)


def test_networks_of_every_size_up_to_the_dates_are_at_hand() -> None:
    networks = sorting_networks(447)
    assert networks.sizes[:16].tolist() == list(range(1, 17))
    assert networks.sizes[-1] == 447
    assert (np.diff(networks.sizes) <= np.maximum(networks.sizes[:-1] // 8, 1)).all()
    for size, start, stop in zip(networks.sizes, networks.starts, networks.starts[1:], strict=False):
        np.testing.assert_array_equal(networks.pairs[start:stop], sorting_network(int(size)))


def test_the_geometric_median_is_that_of_the_plain_iteration() -> None:
    # Weiszfeld's iteration in double precision, far beyond the tolerance of the kernel
    rng = np.random.default_rng(8)
    stack = (0.2 + 0.05 * rng.standard_normal((24, 4, 5, 31))).astype(np.float32)
    stack += 0.3 * (rng.random((24, 1, 5, 31)) < 0.5)
    points = stack.astype(np.float64)
    here = points.mean(axis=0)
    for _ in range(3000):
        pull = 1 / np.linalg.norm(points - here, axis=1)
        here = (points * pull[:, None]).sum(axis=0) / pull.sum(axis=0)
    np.testing.assert_allclose(geomedian(stack), here, atol=2e-5)
