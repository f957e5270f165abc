"""Rasters on servers: read through GDAL, tried again, and explained where they cannot be had.

GDAL remembers what it fetched by address, also what came broken. After a failure an address is therefore asked for
under another name: a fragment (``#2``), which is not sent to the server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import numpy as np
import rasterio
import requests
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.addresses import plain
from sinkest.errors import SourceError
from sinkest.imagery.raster import VIRTUAL, RasterFile, probe, read_numbers
from sinkest.imagery.resample import Kernel
from sinkest.imagery.stac.checksums import RAW_ALLOWED, check_tiles
from sinkest.imagery.stac.patience import PASSING, Patience, causes, said, status_in, why
from sinkest.imagery.stac.signing import Signer
from sinkest.imagery.tiled import Tile, TileBand
from sinkest.messages import Message

Result = TypeVar("Result")

PEEK_BYTES = 512


class RemoteFiles:
    """Reads rasters by path or address.

    Parameters
    ----------
    patience : Patience
    signer : Signer, optional
        Makes addresses that may be read.
    sleep : callable
        Waits some seconds.
    """

    def __init__(
        self, patience: Patience, signer: Signer | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._patience, self._signer, self._sleep = patience, signer, sleep
        self._headers: dict[str, RasterFile] = {}
        self._names: dict[str, int] = {}
        self._whole: dict[str, set[tuple[int, int]]] = {}

    def header(self, tile: Tile, band: TileBand) -> RasterFile:
        """What a file declares; fetched once.

        Raises
        ------
        SourceError
            If it cannot be fetched, or its grid is not the one that the catalogue tells.
        """
        if band.place not in self._headers:
            found = self._tried(tile, band, probe)
            if band.grid is not None and not _same_grid(band.grid, found.grid):
                raise SourceError(
                    "stac.grid_differs", kind="mismatch", item=tile.id, asset=band.asset,
                    told=_told(band.grid), found=_told(found.grid),
                )  # fmt: skip
            self._headers[band.place] = found
        return self._headers[band.place]

    def numbers(
        self, tile: Tile, bands: Sequence[TileBand], grid: GeoBox, kernel: Kernel, nodata: float | None
    ) -> NDArray[np.floating]:
        """Stored numbers of bands of one file, see `sinkest.imagery.raster.read_numbers`."""
        header, numbers = self.header(tile, bands[0]), [band.number for band in bands]

        def look(path: Path) -> NDArray[np.floating]:
            found = read_numbers(replace(header, path=path), numbers, grid, kernel, nodata)
            if path.as_posix().startswith(VIRTUAL):
                checked = self._whole.setdefault(bands[0].place, set())
                check_tiles(path, grid, header.grid, numbers[0], checked)
            return found

        return self._tried(tile, bands[0], look)

    def _tried(self, tile: Tile, band: TileBand, look: Callable[[Path], Result]) -> Result:
        href = address(band.place)
        if not href.startswith(("http://", "https://")):
            return look(Path(band.place))
        renewed = False
        for wait in self._patience.waits():
            try:
                with rasterio.Env(**self._patience.gdal(), **RAW_ALLOWED):
                    return look(self._path(href))
            except SourceError as error:
                status = status_in(error)
                self._names[href] = self._names.get(href, 1) + 1
                refused = status in (401, 403) and not renewed and self._signer is not None
                if refused and self._signer is not None and self._signer.renew(href):
                    renewed = True
                    continue
                if wait is None or (status is not None and status not in PASSING) or error.kind == "access":
                    raise self._explained(tile, band, href, error) from error
                self._sleep(wait)
        raise AssertionError  # the last wait is None

    def _path(self, href: str) -> Path:
        """Name under which GDAL finds an address, in one piece that a path does not change."""
        signed = href if self._signer is None else self._signer.sign(href, self._sleep)
        name = self._names.get(href, 1)
        fresh = signed if name == 1 else f"{signed}#{name}"
        return Path(f"/vsicurl?url={quote(fresh, safe='')}")

    def _explained(self, tile: Tile, band: TileBand, href: str, error: SourceError) -> SourceError:
        """One error that names scene, asset and cause; the server is asked once more for what it says now."""
        if error.key == "stac.no_token":
            return error
        reason, status, passing = self._cause(href, error)
        kind = {401: "access", 403: "access", 404: "missing", 410: "missing"}.get(status or 0)
        return SourceError(
            "stac.read",
            kind=kind or ("network" if passing else "unreadable"),
            status=status,
            retryable=passing,
            item=tile.id,
            asset=band.asset,
            url=plain(href),
            reason=reason,
            tries=self._patience.retries + 1,
        )

    def _cause(self, href: str, error: SourceError) -> tuple[Message, int | None, bool]:
        status = status_in(error)
        if status is not None:
            return said(status), status, status in PASSING
        try:
            signed = href if self._signer is None else self._signer.sign(href, self._sleep)
            span = {"Range": f"bytes=0-{PEEK_BYTES - 1}"}
            with requests.get(signed, headers=span, timeout=self._patience.timeouts, stream=True) as answer:
                answer.raise_for_status()
                start = next(answer.iter_content(PEEK_BYTES), b"")
                page = "html" in answer.headers.get("Content-Type", "").lower() or start.lstrip()[:1] == b"<"
        except (requests.RequestException, OSError) as failure:
            return why(failure)
        if page:
            return Message.of("stac.reason_page"), None, True
        return Message.of("stac.reason_damaged", detail=_detail(error)), None, False


def address(place: str) -> str:
    """Where a file is fetched: buckets of Amazon by their public addresses, all else as it is."""
    parts = urlsplit(place)
    if parts.scheme == "s3":
        return f"https://{parts.netloc}.s3.amazonaws.com{parts.path}"
    return place


def _detail(error: SourceError) -> str:
    """The last thing that a reader said, without addresses, which may hold tokens."""
    last = [one for one in causes(error) if not isinstance(one, SourceError)]
    text = " ".join(str(last[-1] if last else error.fields.get("detail", error.key)).split())
    return re.sub(r"'?/?vsicurl\?\S+?'?(?=[\s,:]|\Z)", "", text).strip(" ,:")[:160] or "-"


def _same_grid(one: GeoBox, other: GeoBox) -> bool:
    """Whether two grids agree within a hundredth of a pixel."""
    if one.shape != other.shape:
        return False
    pixel = abs(other.affine.a)
    a, b = one.extent.boundingbox, other.extent.boundingbox
    return all(abs(x - y) <= 0.01 * pixel for x, y in zip(a.bbox, b.bbox, strict=True))


def _told(grid: GeoBox) -> str:
    rows, cols = grid.shape.yx
    box = grid.extent.boundingbox
    return f"{cols}x{rows} px, {box.left:.7g} {box.bottom:.7g} {box.right:.7g} {box.top:.7g}"
