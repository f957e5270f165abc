import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.features.mask import clear, widened
from sinkest.imagery.sensors import QA_CODES, QA_PIXEL_BITS
from sinkest.imagery.source import QA_DTYPE, QA_FILL


def test_scene_classes_that_count_as_seen() -> None:
    codes = np.arange(12, dtype=np.uint8)[None]
    assert np.flatnonzero(clear(codes, "scl")).tolist() == [2, 4, 5, 6, 7]


def test_fmask_classes_that_count_as_seen() -> None:
    codes = np.array([[0, 1, 2, 3, 4, 255]], np.uint8)
    assert clear(codes, "fmask")[0].tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    "value, seen",
    [
        # values as Landsat 8 Collection 2 has them; bits: 0 fill, 1 dilated, 2 cirrus, 3 cloud, 4 shadow, 5 snow
        (1, False),  # fill
        (21824, True),  # 0101010101000000: clear, low confidences
        (21952, True),  # ... 11000000: clear, water
        (22280, False),  # 0101011100001000: cloud, high confidence
        (23888, False),  # 0101110101010000: cloud shadow
        (30048, False),  # 0111010101100000: snow
        (54596, False),  # 1101010101000100: cirrus
        (21826, False),  # ... 01000010: dilated cloud
    ],
)
def test_landsat_bits(value: int, seen: bool) -> None:
    assert clear(np.array([[value]], np.uint16), "qa_pixel")[0, 0] == seen


def test_a_clear_band_is_its_own_mask() -> None:
    assert clear(np.array([[0, 1, 255]], np.uint8), "clear")[0].tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["scl", "qa_pixel", "fmask", "clear"])
def test_the_fill_value_of_every_kind_is_not_seen_and_not_widened(kind: str) -> None:
    good = {"scl": 4, "qa_pixel": 1 << QA_PIXEL_BITS["clear"], "fmask": 0, "clear": 1}[kind]
    qa = np.full((7, 7), good, dtype=QA_DTYPE[kind])
    qa[:, :3] = QA_FILL[kind]
    seen = clear(qa, kind, 2)
    assert not seen[:, :3].any()
    assert seen[:, 3:].all()


def test_clouds_grow_by_a_disk() -> None:
    qa = np.full((7, 7), 4, np.uint8)
    qa[3, 3] = 9
    expected = [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 1, 1, 0, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ]
    np.testing.assert_array_equal(clear(qa, "scl", 2), np.array(expected, bool))


@pytest.mark.parametrize("code, grows", [(1, False), (3, True), (8, True), (9, True), (10, True), (11, False)])
def test_only_clouds_and_shadows_grow(code: int, grows: bool) -> None:
    qa = np.full((3, 3), 4, np.uint8)
    qa[1, 1] = code
    assert clear(qa, "scl", 1)[0, 1] != grows


def test_a_distance_of_exactly_the_radius_is_inside() -> None:
    mask = np.zeros((11, 11), bool)
    mask[0, 0] = True
    grown = widened(mask, 5)
    # hypot(3, 4) = 5; hypot(4, 4) = 5.66
    assert grown[3, 4]
    assert grown[5, 0]
    assert not grown[4, 4]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_growth_equals_the_definition(seed: int, radius: int) -> None:
    mask = np.random.default_rng(seed).random((9, 12)) < 0.1
    rows, cols = np.indices(mask.shape)
    expected = np.zeros_like(mask)
    for row, col in zip(*np.nonzero(mask), strict=True):
        expected |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    np.testing.assert_array_equal(widened(mask, radius), expected)


def test_declared_codes_replace_the_default() -> None:
    codes = np.array([[2, 4, 7, 10]], np.uint8)
    assert clear(codes, "scl", codes=(4, 10))[0].tolist() == [False, True, False, True]


def test_a_code_declared_clear_does_not_grow() -> None:
    qa = np.full((1, 3), 4, np.uint8)
    qa[0, 1] = 10
    assert clear(qa, "scl", 1, codes=(4, 10)).all()


def test_several_dates_at_once() -> None:
    qa = np.full((2, 5, 5), 4, np.uint8)
    qa[1, 2, 2] = 9
    assert clear(qa, "scl", 1).sum(axis=(1, 2)).tolist() == [25, 20]


@pytest.mark.parametrize(
    "kind, dilate, codes, words",
    [
        ("cloudy", 0, None, "'cloudy'; expected one of scl"),
        ("scl", -1, None, "widened by -1"),
        ("scl", 0, (4, 0), "codes 0 cannot"),
        ("scl", 0, (12,), "codes 12 cannot"),
        ("scl", 0, (), "codes - cannot"),
        ("qa_pixel", 0, (4,), "codes 4 cannot"),
    ],
)
def test_what_is_refused(kind: str, dilate: int, codes: tuple[int, ...] | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        clear(np.zeros((2, 2), np.uint8), kind, dilate, codes)


def test_clear_spreading_and_fill_codes_are_apart() -> None:
    for table in QA_CODES.values():
        assert not set(table.clear) & set(table.spreads)
        assert not set(table.fill) & (set(table.clear) | set(table.spreads))
        assert set(table.clear) | set(table.spreads) | set(table.fill) <= set(table.names)
