"""Requests for pixels, tables and values: by tiles, tried again, and split where they are too much at once."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

import ee
import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.earthengine.auth import Account, connect
from sinkest.imagery.earthengine.faults import NOT_MENDED, TOO_LARGE, GarbledError, diagnose
from sinkest.imagery.earthengine.pace import Gate, Pace, Tally
from sinkest.imagery.earthengine.wire import Floats, Window, decode, pixel_grid, plan_tiles

Result = TypeVar("Result")

SMALLEST_SIDE = 16
"""A tile of this side that still takes too much memory is an error: the expression is too large, not the tile."""
PAGE_ROWS = 1000
MOST_PAGES = 10_000
"""Pages of one table; a service that always names another page would be asked for ever."""
FILL = -32768.0
"""Value that stands for no data on the wire: masked pixels would come as zeros."""


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


def _where(grid: GeoBox) -> str:
    rows, cols = grid.shape.yx
    return f"image:computePixels, {cols} x {rows} px at {grid.affine.c:g}, {grid.affine.f:g}"
