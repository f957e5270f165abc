import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.mapping.engine import Block
from sinkest.mapping.forest import class_mask, drop_small_patches, minimum_pixels


@pytest.mark.parametrize(
    ("area", "resolution", "expected"),
    [(0.0667, 10, 7), (0.0667, 30, 1), (0.09, 30, 1), (0.0901, 30, 2), (0.0, 10, 1), (1.0, 20, 25), (0.0667, 100, 1)],
)
def test_minimum_pixels_by_hand(area: float, resolution: float, expected: int) -> None:
    # 0.0667 ha = 667 m2 = 6.67 pixels of 100 m2; 0.09 ha is exactly one Landsat pixel
    assert minimum_pixels(area, resolution) == expected


def test_a_negative_minimum_area_is_refused() -> None:
    with pytest.raises(InputError, match="-1 ha"):
        minimum_pixels(-1, 10)


def test_class_mask() -> None:
    classes = np.array([[0, 1], [5, 7]], dtype=np.uint8)
    assert class_mask(classes, [1, 7]).tolist() == [[False, True], [False, True]]


def test_patches_touch_at_corners_and_small_ones_go() -> None:
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], dtype=bool)
    kept = drop_small_patches(mask, 2)
    assert kept.astype(int).tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]]


def test_nothing_is_dropped_at_a_minimum_of_one_pixel() -> None:
    mask = np.eye(3, dtype=bool)
    assert np.array_equal(drop_small_patches(mask, 1), mask)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    density=st.floats(0.1, 0.7),
    minimum=st.integers(1, 9),
    side=st.sampled_from([5, 8, 13, 40]),
)
def test_blocks_with_a_halo_agree_with_the_whole(seed: int, density: float, minimum: int, side: int) -> None:
    mask = np.random.default_rng(seed).random((37, 41)) < density
    whole = drop_small_patches(mask, minimum)
    pieced = np.zeros_like(mask)
    for row in range(0, 37, side):
        for col in range(0, 41, side):
            block = Block(row, col, min(side, 37 - row), min(side, 41 - col))
            outer, inner = block.padded(minimum, mask.shape)
            pieced[block.slices] = drop_small_patches(mask[outer.slices], minimum)[inner]
    assert np.array_equal(pieced, whole)
