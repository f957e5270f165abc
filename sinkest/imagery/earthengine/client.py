"""Requests for pixels, tables and values: tiles, retries, and as many at a time as the service bears."""

from __future__ import annotations

import io
import itertools
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import ee
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.earthengine.auth import Account, connect
from sinkest.imagery.earthengine.faults import NOT_MENDED, TOO_LARGE, GarbledError, diagnose

Floats = NDArray[np.float32]
Window = tuple[slice, slice]
Result = TypeVar("Result")

REQUEST_BYTES = 48 * 2**20
"""Most uncompressed bytes of one request for pixels (documentation of computePixels)."""
REQUEST_SIDE = 32768
PIXEL_BYTES = 5
"""Bytes of one number: four of float32, and one of a mask, which may count."""
SMALLEST_SIDE = 16
"""A tile of this side that still takes too much memory is an error: the expression is too large, not the tile."""
PAGE_ROWS = 1000
MOST_PAGES = 10_000
"""Pages of one table; a service that always names another page would be asked for ever."""
FILL = -32768.0
"""Value that stands for no data on the wire: masked pixels would come as zeros."""


@dataclass(frozen=True)
class Pace:
    """How requests are made; no result depends on it.

    Attributes
    ----------
    concurrency : int
        Most requests at a time.
    attempts : int
        Tries of one request.
    first_wait_s, longest_wait_s : float
        Wait before the second try, and the longest one; it doubles in between, and half of it is drawn at random, so
        that requests which failed together do not come back together.
    tile_px : int
        Longest side of a tile.
    """

    concurrency: int = 16
    attempts: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 64.0
    tile_px: int = 512


@dataclass
class Tally:
    """What was asked so far."""

    requests: int = 0
    retries: int = 0
    splits: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: int) -> None:
        """Count from any thread."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Gate:
    """Lets so many through at a time: half as many after each word to slow down, slowly more while all goes well."""

    def __init__(self, most: int) -> None:
        self._most = self.limit = most
        self._busy = self._good = 0
        self._change = threading.Condition()

    def __enter__(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._busy < self.limit)
            self._busy += 1

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._busy -= 1
            self._change.notify_all()

    def narrow(self) -> None:
        """Half as many from now on."""
        with self._change:
            self.limit, self._good = max(1, self.limit // 2), 0

    def widen(self) -> None:
        """Count a success; after as many as four rounds, one more is let through."""
        with self._change:
            self._good += 1
            if self._good >= 4 * self.limit and self.limit < self._most:
                self.limit, self._good = self.limit + 1, 0
                self._change.notify_all()


class Client:
    """Asks Earth Engine as one account.

    Parameters
    ----------
    account : Account
    pace : Pace
    sleep : callable, optional
        Called with the seconds of each wait, in place of waiting; a test may not want to wait.
    """

    def __init__(
        self, account: Account, pace: Pace | None = None, sleep: Callable[[float], object] | None = None
    ) -> None:
        self.account = account
        self.pace = pace or Pace()
        self.tally = Tally()
        self.gate = Gate(self.pace.concurrency)
        self._sleep = sleep
        self._jitter = random.Random(0)

    def connect(self) -> None:
        """Make contact, with the same patience as for any request."""
        self._persist(lambda: connect(self.account), self.account.url)

    def pixels(self, image: ee.Image, bands: Sequence[str], grid: GeoBox) -> dict[str, Floats]:
        """Bands of an image on a grid, all of them in each request.

        Parameters
        ----------
        image : ee.Image
        bands : sequence of str
            Bands of the image, in any order.
        grid : GeoBox

        Returns
        -------
        dict of str to float32 array (y, x)
            NaN where the image is masked.

        Raises
        ------
        SourceError
            If the pixels cannot be had: what the first tile that failed said. The others do not try again then.
        """
        self.connect()
        # Masked pixels come as zeros unless they are given a value; the footprint does not matter then.
        sent = image.select(list(bands)).unmask(FILL, False).toFloat()
        windows = plan_tiles(grid.shape.yx, len(bands), self.pace.tile_px)
        out = np.empty((len(bands), *grid.shape.yx), dtype=np.float32)

        halt, failures = threading.Event(), list[BaseException]()

        def fetch(window: Window) -> None:
            try:
                out[(slice(None), *window)] = self._tile(sent, bands, grid[window], halt)
            except BaseException as error:
                failures.append(error)
                halt.set()
                raise

        if len(windows) == 1:
            fetch(windows[0])
        else:
            with ThreadPoolExecutor(min(len(windows), self.pace.concurrency), "sinkest-tile") as pool:
                pending = [pool.submit(fetch, window) for window in windows]
                try:
                    wait(pending, return_when=FIRST_EXCEPTION)
                finally:
                    halt.set()  # after an interruption, too: nobody waits for answers that nobody wants
                    for future in pending:
                        future.cancel()
        if failures:
            raise failures[0]
        out[out == np.float32(FILL)] = np.nan
        return dict(zip(bands, out, strict=True))

    def features(self, collection: ee.FeatureCollection) -> list[dict[str, Any]]:
        """All features of a collection, page by page, as GeoJSON.

        Raises
        ------
        SourceError
            If a page cannot be had, or there are more than `MOST_PAGES`.
        """
        self.connect()
        found: list[dict[str, Any]] = []
        token: str | None = None
        for _ in range(MOST_PAGES):
            asked = {"expression": collection, "pageSize": PAGE_ROWS, **({"pageToken": token} if token else {})}
            page = self._persist(partial(self._page, asked), "table:computeFeatures")
            found += page.get("features", [])
            token = page.get("nextPageToken")
            if not token:
                return found
        raise SourceError("earthengine.endless", kind="mismatch", pages=MOST_PAGES, rows=len(found))

    def value(self, computed: ee.ComputedObject) -> Any:
        """A value of the service: a number, a list, ...

        Raises
        ------
        SourceError
            If it cannot be had.
        """
        self.connect()
        return self._persist(lambda: self._value(computed), "value:compute")

    def algorithms(self) -> int:
        """How many algorithms the service offers to this account; asked for anew at each call.

        Raises
        ------
        SourceError
            If the account is not let in.
        """
        self.connect()
        return len(self._persist(ee.data.getAlgorithms, "algorithms"))

    # -- one request ----------------------------------------------------------------------------------------------

    def _tile(self, image: ee.Image, bands: Sequence[str], grid: GeoBox, halt: threading.Event) -> Floats:
        """One tile, or its halves where the whole is too much at once."""
        asked = {"expression": image, "fileFormat": "NPY", "grid": pixel_grid(grid)}
        try:
            return self._persist(lambda: self._pixels(asked, bands, grid.shape.yx), _where(grid), halt)
        except SourceError as problem:
            rows, cols = grid.shape.yx
            if problem.key != TOO_LARGE or max(rows, cols) <= SMALLEST_SIDE:
                raise
            self.tally.add(splits=1)
            axis = 0 if rows >= cols else 1
            middle = (rows, cols)[axis] // 2
            parts = (grid[:middle, :], grid[middle:, :]) if axis == 0 else (grid[:, :middle], grid[:, middle:])
            return np.concatenate([self._tile(image, bands, part, halt) for part in parts], axis=axis + 1)

    def _pixels(self, asked: Mapping[str, Any], bands: Sequence[str], shape: tuple[int, int]) -> Floats:
        self.tally.add(requests=1)
        content = ee.data.computePixels(dict(asked))
        self.tally.add(bytes=len(content))
        return decode(content, bands, shape)

    def _page(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.tally.add(requests=1)
        page = ee.data.computeFeatures(dict(asked))
        if not isinstance(page, dict) or page.get("type") != "FeatureCollection":
            raise GarbledError("an answer that is no table")
        return page

    def _value(self, computed: ee.ComputedObject) -> Any:
        self.tally.add(requests=1)
        return ee.data.computeValue(computed)

    def _persist(self, call: Callable[[], Result], what: str, halt: threading.Event | None = None) -> Result:
        """Call until it succeeds, there is no sense in going on, or ``halt`` is set."""
        halt = halt or threading.Event()
        for attempt in itertools.count(1):
            try:
                with self.gate:
                    if halt.is_set():
                        raise CancelledError
                    result = call()
            except NOT_MENDED as error:
                fault = diagnose(error)
                problem = fault.error(what=what, project=self.account.project, attempts=attempt)
                if fault.action == "slow":
                    self.gate.narrow()
                if fault.action in ("stop", "split") or attempt >= self.pace.attempts:
                    raise problem from error
                wait_s = max(fault.wait_s, self._wait_s(attempt))
            else:
                self.gate.widen()
                return result
            self.tally.add(retries=1)
            (self._sleep or halt.wait)(wait_s)
        raise AssertionError

    def _wait_s(self, attempt: int) -> float:
        longest = min(self.pace.longest_wait_s, self.pace.first_wait_s * 2.0 ** (attempt - 1))
        return longest * (0.5 + 0.5 * self._jitter.random())


def plan_tiles(shape: tuple[int, int], bands: int, side: int) -> list[Window]:
    """Windows of at most ``side`` pixels a side, each small enough for one request with all bands.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    bands : int
    side : int

    Returns
    -------
    list of (slice, slice)
        In row order; near equal in size.
    """
    rows, cols = shape
    most = REQUEST_BYTES // (PIXEL_BYTES * bands)
    side = min(side, REQUEST_SIDE, math.isqrt(most))
    down, across = -(-rows // side), -(-cols // side)
    row_edges = [rows * k // down for k in range(down + 1)]
    col_edges = [cols * k // across for k in range(across + 1)]
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in itertools.pairwise(row_edges)
        for left, right in itertools.pairwise(col_edges)
    ]


def pixel_grid(grid: GeoBox) -> dict[str, Any]:
    """A grid as requests spell it."""
    affine = grid.affine
    rows, cols = grid.shape.yx
    code = None if grid.crs is None else grid.crs.to_epsg()
    crs = {"crsCode": f"EPSG:{code}"} if code else {"crsWkt": str(grid.crs and grid.crs.to_wkt())}
    transform = {
        "scaleX": affine.a,
        "shearX": affine.b,
        "translateX": affine.c,
        "shearY": affine.d,
        "scaleY": affine.e,
        "translateY": affine.f,
    }
    return {"dimensions": {"width": cols, "height": rows}, "affineTransform": transform, **crs}


def decode(content: bytes, bands: Sequence[str], shape: tuple[int, int]) -> Floats:
    """Bands out of an answer in NumPy's format, (band, y, x).

    Raises
    ------
    GarbledError
        If the answer is cut short, is something else, or is of other bands or another shape than asked for.
    """
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        page = content.lstrip()[:1] == b"<"
        raise GarbledError("a web page instead of pixels" if page else "pixels cut short or damaged") from error
    names = getattr(getattr(array, "dtype", None), "names", None)
    if names is None or set(names) != set(bands) or array.shape != shape:
        raise GarbledError(f"pixels {getattr(array, 'shape', '?')} of {len(names or ())} bands instead of {shape}")
    return np.stack([array[band] for band in bands]).astype(np.float32, copy=False)


def _where(grid: GeoBox) -> str:
    rows, cols = grid.shape.yx
    return f"image:computePixels, {cols} x {rows} px at {grid.affine.c:g}, {grid.affine.f:g}"
