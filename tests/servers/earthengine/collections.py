"""Functions on collections: filters, maps, mosaics, reducers."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from tests.servers.earthengine.images import FUNCTIONS, function
from tests.servers.earthengine.lattice import Lattice
from tests.servers.earthengine.values import (
    Array,
    Band,
    Collection,
    DateRange,
    Drawn,
    Feature,
    Image,
    NotKnownError,
    Reducer,
    RefusedError,
)

Test = Callable[[Any], bool]


@function("ImageCollection.load")
def load(store: Any, id: str, version: Any = None) -> Collection:
    return store.collection(id)


@function("Collection.loadTable")
def load_table(store: Any, tableId: str, geometryColumn: Any = None, version: Any = None) -> Collection:
    return store.table(tableId)


@function("ImageCollection.fromImages")
def from_images(store: Any, images: list[Image]) -> Collection:
    # The images lose their names here and get numbers, as in the service.
    named = [replace(one, properties={**one.properties, "system:index": str(k)}) for k, one in enumerate(images)]
    return Collection(tuple(named))


@function("Feature")
def feature(store: Any, geometry: Any = None, metadata: Any = None, geometryKey: Any = None) -> Feature:
    return Feature(geometry, dict(metadata or {}))


@function("Element.get")
def get(store: Any, object: Any, property: str) -> Any:
    return object.properties.get(property)


# -- filters --------------------------------------------------------------------------------------------------------


def _property_test(compare: Callable[[Any, Any], bool]) -> Callable[..., Test]:
    def make(
        store: Any,
        leftField: str | None = None,
        rightValue: Any = None,
        rightField: str | None = None,
        leftValue: Any = None,
    ) -> Test:
        def test(item: Any) -> bool:
            left = leftValue if leftField is None else item.properties.get(leftField)
            right = rightValue if rightField is None else item.properties.get(rightField)
            return left is not None and right is not None and bool(compare(left, right))

        return test

    return make


FUNCTIONS |= {
    "Filter.equals": _property_test(lambda left, right: left == right),
    "Filter.greaterThan": _property_test(lambda left, right: left > right),
    "Filter.lessThan": _property_test(lambda left, right: left < right),
    "Filter.listContains": _property_test(lambda left, right: right in left),
    "Filter.dateRangeContains": _property_test(lambda left, right: left.start_ms <= right < left.end_ms),
}


@function("Filter.not")
def negated(store: Any, filter: Test) -> Test:
    return lambda item: not filter(item)


@function("Filter.intersects")
def intersects(store: Any, leftField: str, rightValue: Any, **rest: Any) -> Test:
    area = rightValue.geometry if isinstance(rightValue, Feature) else rightValue

    def test(item: Any) -> bool:
        place: BaseGeometry = item.footprint if isinstance(item, Image) else item.geometry
        return place is not None and place.intersects(area)

    return test


@function("DateRange")
def date_range(store: Any, start: Any, end: Any = None, timeZone: Any = None) -> DateRange:
    return DateRange(_milliseconds(start), _milliseconds(end))


def _milliseconds(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    return datetime.datetime.fromisoformat(value).replace(tzinfo=datetime.UTC).timestamp() * 1000.0


# -- collections ----------------------------------------------------------------------------------------------------


@function("Collection.filter")
def filtered(store: Any, collection: Collection, filter: Test) -> Collection:
    return Collection(tuple(item for item in collection.items if filter(item)))


@function("Collection.map")
def mapped(store: Any, collection: Collection, baseAlgorithm: Any, dropNulls: bool = False) -> Collection:
    out = []
    for item in collection.items:
        made = baseAlgorithm(item)
        if isinstance(item, Image) and isinstance(made, Image):
            # A mapped image keeps the name that it has in the collection, whatever was done to it.
            made = replace(made, properties={**made.properties, "system:index": item.properties.get("system:index")})
        out.append(made)
    return Collection(tuple(out))


@function("Collection.first")
def first(store: Any, collection: Collection) -> Any:
    return collection.items[0] if collection.items else None


@function("Collection.size")
def size(store: Any, collection: Collection) -> int:
    return len(collection.items)


@function("Collection.limit")
def limit(
    store: Any, collection: Collection, limit: int | None = None, key: str | None = None, ascending: bool = True
) -> Collection:
    items = list(collection.items)
    if key is not None:
        items.sort(key=lambda item: item.properties[key], reverse=not ascending)
    return Collection(tuple(items[: None if limit is None else int(limit)]))


# -- one image out of many ------------------------------------------------------------------------------------------


def _reduced(collection: Collection, reducer: Reducer, suffixed: bool) -> Image:
    """One image; bands of an empty collection are unknown, so there are none."""
    if not collection.items:
        return Image((), lambda lattice, picks: [])
    names = [band.name for band in collection.items[0].bands]
    for item in collection.items:
        if [band.name for band in item.bands] != names:
            raise RefusedError(
                "Expected a homogeneous image collection, but an image with incompatible bands was found."
            )

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        per_band = len(reducer.outputs)
        wanted = sorted({pick // per_band for pick in picks})
        drawn = [item.draw(lattice, wanted) for item in collection.items]
        made = {}
        for k, band in enumerate(wanted):
            stack, masks = np.stack([one[k][0] for one in drawn]), np.stack([one[k][1] for one in drawn])
            made[band] = reducer.reduce(stack, masks)
        return [made[pick // per_band][pick % per_band] for pick in picks]

    bands = tuple(Band(f"{name}_{output}" if suffixed else name) for name in names for output in reducer.outputs)
    return Image(bands, draw)


def _statistic(compute: Callable[[Array], Array]) -> Callable[[Array, Array], Drawn]:
    """A statistic along the stack; masked where all is masked."""

    def reduce(stack: Array, masks: Array) -> Drawn:
        known = (masks > 0).any(axis=0)
        # Pixels without any value get one for the while, since numpy warns of them.
        values = np.where(known, np.where(masks > 0, stack, np.nan), 0.0)
        return [(np.where(known, compute(values), 0.0), known.astype(float))]

    return reduce


def _quantile(values: Array, share: float) -> Array:
    """Value at a share of the way through the sorted ones, on a line between two of them."""
    ordered = np.sort(values, axis=0)  # NaN come last
    rank = share * (np.isfinite(values).sum(axis=0) - 1)
    below = np.floor(rank).astype(int)
    above = np.ceil(rank).astype(int)
    low, high = (np.take_along_axis(ordered, place[None], axis=0)[0] for place in (below, above))
    return low + (high - low) * (rank - below)


def _most_frequent(values: Array) -> Array:
    """The most frequent value, the least of equals."""
    kinds = np.unique(values[np.isfinite(values)])
    counts = (
        np.stack([(values == kind).sum(axis=0) for kind in kinds]) if kinds.size else np.zeros((1, *values.shape[1:]))
    )
    best = kinds[counts.argmax(axis=0)] if kinds.size else np.full(values.shape[1:], np.nan)
    return np.where(np.isfinite(values).any(axis=0), best, np.nan)


@function("reduce.median")
def median(store: Any, collection: Collection) -> Image:
    return _reduced(collection, Reducer(("median",), _statistic(lambda values: _quantile(values, 0.5))), suffixed=False)


@function("reduce.count")
def count(store: Any, collection: Collection) -> Image:
    def reduce(stack: Array, masks: Array) -> Drawn:
        number = (masks > 0).sum(axis=0).astype(float)
        return [(number, np.ones(number.shape))]

    return _reduced(collection, Reducer(("count",), reduce), suffixed=False)


@function("ImageCollection.reduce")
def reduce(store: Any, collection: Collection, reducer: Reducer, parallelScale: float = 1.0) -> Image:
    return _reduced(collection, reducer, suffixed=True)


@function("ImageCollection.mosaic")
def mosaic(store: Any, collection: Collection) -> Image:
    def last_on_top(stack: Array, masks: Array) -> Drawn:
        value, mask = np.zeros(stack.shape[1:]), np.zeros(stack.shape[1:])
        for layer, cover in zip(stack, masks, strict=True):
            value, mask = np.where(cover > 0, layer, value), np.where(cover > 0, cover, mask)
        return [(value, mask)]

    return _reduced(collection, Reducer(("mosaic",), last_on_top), suffixed=False)


@function("Reducer.min")
def minimum(store: Any, numInputs: int = 1) -> Reducer:
    return Reducer(("min",), _statistic(lambda values: np.nanmin(values, axis=0)))


@function("Reducer.mode")
def mode(store: Any, maxBuckets: Any = None, minBucketWidth: Any = None, maxRaw: Any = None) -> Reducer:
    return Reducer(("mode",), _statistic(_most_frequent))


@function("Reducer.percentile")
def percentile(
    store: Any,
    percentiles: list[float],
    outputNames: list[str] | None = None,
    maxBuckets: Any = None,
    minBucketWidth: Any = None,
    maxRaw: Any = None,
) -> Reducer:
    if outputNames is None:
        raise NotKnownError("percentiles without names")

    def reduce_all(stack: Array, masks: Array) -> Drawn:
        return [_statistic(lambda values, p=p: _quantile(values, p / 100.0))(stack, masks)[0] for p in percentiles]

    return Reducer(tuple(outputNames), reduce_all)
