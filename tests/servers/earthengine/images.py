"""Functions on images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from affine import Affine
from shapely.geometry import box

from tests.servers.earthengine.lattice import Lattice, Projection
from tests.servers.earthengine.values import (
    Array,
    Band,
    Collection,
    Drawn,
    Feature,
    Image,
    Reducer,
    RefusedError,
    as_image,
    between_pixels,
    constant,
)

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def function(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = implementation
        return implementation

    return register


# -- making and choosing --------------------------------------------------------------------------------------------


@function("Image.load")
def load(store: Any, id: str, version: Any = None) -> Image:
    return store.image(id)


@function("Image.constant")
def make_constant(store: Any, value: Any) -> Image:
    return constant(value)


@function("Image.select")
def select(store: Any, input: Any, bandSelectors: list[Any], newNames: list[str] | None = None) -> Image:
    image = as_image(input)
    picked = [place for selector in bandSelectors for place in image.positions(selector)]

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        return image.draw(lattice, [picked[pick] for pick in picks])

    chosen = replace(image, bands=tuple(image.bands[place] for place in picked), make=draw)
    return chosen if newNames is None else chosen.named(newNames)


@function("Image.rename")
def rename(store: Any, input: Any, names: Any) -> Image:
    return as_image(input).named([names] if isinstance(names, str) else names)


@function("Image.addBands")
def add_bands(store: Any, dstImg: Any, srcImg: Any, names: Any = None, overwrite: bool = False) -> Image:
    first, second = as_image(dstImg), as_image(srcImg)
    taken = {band.name for band in first.bands}
    if names is not None or overwrite or taken & {band.name for band in second.bands}:
        raise RefusedError("Image.addBands: the stand-in joins bands of different names only.")
    border = len(first.bands)

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        left = dict(zip(lefts := [p for p in picks if p < border], first.draw(lattice, lefts), strict=True))
        right = dict(zip(rights := [p for p in picks if p >= border],
                         second.draw(lattice, [p - border for p in rights]), strict=True))  # fmt: skip
        return [left[p] if p < border else right[p] for p in picks]

    return replace(first, bands=first.bands + second.bands, make=draw)


@function("Image.linkCollection")
def link(
    store: Any,
    input: Image,
    imageCollection: Collection,
    linkedBands: Any = None,
    linkedProperties: Any = None,
    matchPropertyName: str = "system:index",
) -> Image:
    wanted = [linkedBands] if isinstance(linkedBands, str) else list(linkedBands)
    key = input.properties.get(matchPropertyName)
    partner = next((one for one in imageCollection.items if one.properties.get(matchPropertyName) == key), None)
    if partner is None:  # documented: the bands are there, and masked everywhere
        blank = tuple(Band(name) for name in wanted)
        partner = Image(
            blank, lambda lattice, picks: [(np.zeros(lattice.shape), np.zeros(lattice.shape)) for _ in picks]
        )
    return add_bands(store, input, select(store, partner, wanted))


# -- masks ----------------------------------------------------------------------------------------------------------


@function("Image.updateMask")
def update_mask(store: Any, image: Any, mask: Any) -> Image:
    values, cover = as_image(image), as_image(mask)
    one = len(cover.bands) == 1

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        covers = cover.draw(lattice, [0] if one else list(picks))
        drawn = values.draw(lattice, picks)
        return [
            (value, np.minimum(own, np.clip(covers[0 if one else k][0], 0, 1) * (covers[0 if one else k][1] > 0)))
            for k, (value, own) in enumerate(drawn)
        ]

    return replace(values, make=draw)


@function("Image.mask")
def mask_of(store: Any, image: Any, mask: Any = None) -> Image:
    if mask is not None:
        raise RefusedError("Image.mask: the stand-in gets masks, it does not set them.")
    values = as_image(image)

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        return [(own.astype(float), np.ones(lattice.shape)) for _, own in values.draw(lattice, picks)]

    return replace(values, make=draw)


@function("Image.unmask")
def unmask(store: Any, input: Any, value: Any = 0, sameFootprint: bool = True) -> Image:
    values, fill = as_image(input), as_image(value)
    if sameFootprint:
        raise RefusedError("Image.unmask: the stand-in fills without regard to footprints only.")

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        filling = fill.draw(lattice, [0])[0][0]
        return [
            (np.where(own > 0, value, filling), np.ones(lattice.shape)) for value, own in values.draw(lattice, picks)
        ]

    return replace(values, make=draw)


@function("Image.focalMax")
def focal_max(store: Any, image: Any, radius: float = 1.5, kernelType: str = "circle", units: str = "pixels") -> Image:
    values = as_image(image)
    if kernelType != "circle" or units != "pixels":
        raise RefusedError("Image.focalMax: the stand-in knows disks measured in pixels.")
    reach = int(radius)
    disk = [(r, c) for r in range(-reach, reach + 1) for c in range(-reach, reach + 1) if r * r + c * c <= radius**2]

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        shifted = lattice.projection.shifted(-reach, -reach)
        wide = Lattice(shifted, lattice.height + 2 * reach, lattice.width + 2 * reach)
        out = []
        for value, own in values.draw(wide, picks):
            here = np.where(own > 0, value, -np.inf)
            best = np.full(lattice.shape, -np.inf)
            for r, c in disk:
                rows = slice(reach + r, reach + r + lattice.height)
                best = np.maximum(best, here[rows, reach + c : reach + c + lattice.width])
            out.append((np.where(np.isfinite(best), best, 0.0), np.isfinite(best).astype(float)))
        return out

    return replace(values, make=draw)


# -- numbers --------------------------------------------------------------------------------------------------------


def _two(operation: Callable[[Array, Array], Array]) -> Callable[..., Image]:
    def apply(store: Any, image1: Any, image2: Any) -> Image:
        first, second = as_image(image1), as_image(image2)
        if len(first.bands) != len(second.bands) and 1 not in (len(first.bands), len(second.bands)):
            raise RefusedError(f"Images of {len(first.bands)} and {len(second.bands)} bands cannot be matched.")
        lead = first if len(first.bands) >= len(second.bands) else second

        def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
            lefts = first.draw(lattice, list(picks) if len(first.bands) > 1 else [0])
            rights = second.draw(lattice, list(picks) if len(second.bands) > 1 else [0])
            out = []
            for k in range(len(picks)):
                (a, mask_a), (b, mask_b) = lefts[k % len(lefts)], rights[k % len(rights)]
                with np.errstate(all="ignore"):
                    out.append((np.asarray(operation(a, b), dtype=float), np.minimum(mask_a, mask_b)))
            return out

        bands = tuple(replace(band, kind="double") for band in lead.bands)
        return replace(first, bands=bands, make=draw)

    return apply


for _name, _operation in {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    # documented: a division by zero gives zero
    "divide": lambda a, b: np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b)),
    "pow": np.power,
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "eq": np.equal,
    "neq": np.not_equal,
    "and": lambda a, b: (a != 0) & (b != 0),
    "or": lambda a, b: (a != 0) | (b != 0),
}.items():
    FUNCTIONS[f"Image.{_name}"] = _two(_operation)


def _one(operation: Callable[[Array], Array], kind: str = "double") -> Callable[..., Image]:
    def apply(store: Any, value: Any) -> Image:
        image = as_image(value)

        def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
            with np.errstate(all="ignore"):
                return [(np.asarray(operation(v), dtype=float), own) for v, own in image.draw(lattice, picks)]

        return replace(image, bands=tuple(replace(band, kind=kind) for band in image.bands), make=draw)

    return apply


FUNCTIONS |= {
    "Image.not": _one(lambda v: v == 0),
    "Image.cos": _one(np.cos),
    "Image.log10": _one(np.log10),
    "Image.toDouble": _one(lambda v: v),
    "Image.toFloat": _one(lambda v: v.astype(np.float32), "float"),
}


@function("Number.add")
def add_numbers(store: Any, left: float, right: float) -> float:
    return left + right


@function("Image.reduce")
def reduce_bands(store: Any, image: Any, reducer: Reducer) -> Image:
    values = as_image(image)

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        drawn = values.all(lattice)
        out = reducer.reduce(np.stack([v for v, _ in drawn]), np.stack([m for _, m in drawn]))
        return [out[pick] for pick in picks]

    return replace(values, bands=tuple(Band(name) for name in reducer.outputs), make=draw)


# -- place ----------------------------------------------------------------------------------------------------------


@function("Image.resample")
def resample(store: Any, image: Any, mode: str = "bilinear") -> Image:
    return between_pixels(as_image(image), mode)


@function("Image.setDefaultProjection")
def set_default_projection(store: Any, image: Any, crs: Any, crsTransform: Any = None, scale: Any = None) -> Image:
    if crsTransform is None or scale is not None:
        raise RefusedError("Image.setDefaultProjection: the stand-in wants a transform.")
    grid = Projection(crs.crs if isinstance(crs, Projection) else crs, Affine(*crsTransform))
    values = as_image(image)
    return replace(values, bands=tuple(replace(band, grid=grid) for band in values.bands))


@function("Image.geometry")
def geometry(store: Any, feature: Any, maxError: Any = None, proj: Any = None, geodesics: Any = None) -> Any:
    return feature.geometry if isinstance(feature, Feature) else feature.footprint


@function("Geometry.bounds")
def bounds(store: Any, geometry: Any, maxError: Any = None, proj: Any = None) -> Any:
    return box(*geometry.bounds)


@function("GeometryConstructors.Rectangle")
def rectangle(store: Any, coordinates: list[Any], crs: Any = None, geodesic: Any = None, evenOdd: Any = None) -> Any:
    corners = np.asarray(coordinates, dtype=float).reshape(-1, 2)
    if crs is not None and crs.crs != "EPSG:4326":
        raise RefusedError("GeometryConstructors.Rectangle: the stand-in knows degrees.")
    return box(*corners.min(axis=0), *corners.max(axis=0))


@function("Projection")
def projection(store: Any, crs: str, transform: Any = None, transformWkt: Any = None) -> Projection:
    return Projection(crs, Affine(*transform) if transform else Affine.identity())


@function("ErrorMargin")
def error_margin(store: Any, value: float = 1.0, unit: str = "meters") -> float:
    return value
