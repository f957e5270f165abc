"""The HTTP side: discovery, algorithms, values, pixels, tables, tokens."""

from __future__ import annotations

import importlib.resources
import io
import json
import re
import threading
import uuid
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
from affine import Affine

from tests.servers.earthengine import collections  # noqa: F401 - registers its functions
from tests.servers.earthengine.faults import Faults, answer, cut_short
from tests.servers.earthengine.images import FUNCTIONS
from tests.servers.earthengine.interpreter import Interpreter, algorithms
from tests.servers.earthengine.lattice import Lattice, Projection
from tests.servers.earthengine.store import Store
from tests.servers.earthengine.tokens import Tokens
from tests.servers.earthengine.values import Collection, Image, NotKnownError, RefusedError

PROJECT = "sinkest-tests"
REQUEST_BYTES, REQUEST_SIDE, BANDS = 48 * 2**20, 32768, 1024
JSON = "application/json; charset=UTF-8"


class EarthEngineServer:
    """The stand-in, for the time of a ``with`` block.

    Attributes
    ----------
    url : str
    store : Store
    tokens : Tokens
    faults : Faults
    requests : list of str
        Paths, in the order in which they came.
    statuses : list of int
        What was asked, in order of the answers.
    pixel_requests : list of dict
        Bodies of the requests for pixels.
    used : set of str
        Algorithms that were called.
    most_at_once : int
        Requests in progress beyond which 429 is answered.
    largest_side : int
        Pixels a side beyond which a tile takes too much memory.
    """

    def __init__(self, store: Store, *, most_at_once: int = 40, largest_side: int = REQUEST_SIDE) -> None:
        self.store, self.tokens, self.faults = store, Tokens(), Faults()
        self.most_at_once, self.largest_side = most_at_once, largest_side
        self.projects = {PROJECT}
        self.requests: list[str] = []
        self.statuses: list[int] = []
        self.pixel_requests: list[dict[str, Any]] = []
        self.used: set[str] = set()
        self.peak = self._active = 0
        self._pages: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> EarthEngineServer:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.over.set()
        self._http.shutdown()
        self._http.server_close()

    def count(self, part: str) -> int:
        """Requests whose path holds a text."""
        return sum(part in path for path in self.requests)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

            def do_GET(self) -> None:
                server.handle(self, b"")

            def do_POST(self) -> None:
                server.handle(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        return Handler

    def handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request."""
        path = unquote(urlparse(handler.path).path)
        with self._lock:
            self.requests.append(path)  # before the answer: who has it may ask at once how many there were
            self._active += 1
            self.peak = max(self.peak, self._active)
            crowded = self._active > self.most_at_once
        try:
            status = self._answered(handler, path, body, crowded)
        except (BrokenPipeError, ConnectionResetError):
            status = 0  # the client has gone
        except Exception as error:
            # A mistake of the stand-in: an answer that no client gets over makes the test fail at once.
            status = 400
            told = {"code": 400, "message": f"the stand-in failed: {error!r}", "status": "INTERNAL"}
            answer(handler, 400, json.dumps({"error": told}).encode(), JSON)
        finally:
            with self._lock:
                self._active -= 1
                self.statuses.append(status)

    def _answered(self, handler: BaseHTTPRequestHandler, path: str, body: bytes, crowded: bool) -> int:
        kind = self.faults.take(path)
        if kind == "expire":
            self.tokens.expire()
        elif crowded:
            kind = "busy"
        if kind is not None and self.faults.strike(kind, handler):
            return -1
        if path == "/token":
            code, told = self.tokens.exchange(body)
            answer(handler, code, json.dumps(told).encode(), JSON)
            return code
        try:
            content, media = self._content(handler, path, body)
        except RefusedError as refused:
            error = {"code": refused.code, "message": str(refused), "status": refused.status}
            answer(handler, refused.code, json.dumps({"error": error}).encode(), JSON)
            return refused.code
        if kind == "truncate":
            cut_short(handler, content, media)
        elif kind == "garble":
            answer(handler, 200, content[: len(content) // 2], media)
        else:
            answer(handler, 200, content, media)
        return 200

    # -- what is asked --------------------------------------------------------------------------------------------

    def _content(self, handler: BaseHTTPRequestHandler, path: str, body: bytes) -> tuple[bytes, str]:
        if path == "/$discovery/rest":
            return json.dumps(_discovery(self.url)).encode(), JSON
        if not self.tokens.accepts(handler.headers.get("Authorization")):
            raise RefusedError("Request had invalid authentication credentials.", 401, "UNAUTHENTICATED")
        found = re.fullmatch(r"/v1/projects/([^/:]+)/([a-z]+)(?::([A-Za-z]+))?", path)
        if found is None:
            raise RefusedError(f"no such path {path}", 404, "NOT_FOUND")
        project, what, verb = found.groups()
        if project not in self.projects or handler.headers.get("X-Goog-User-Project") != project:
            message = f"Caller does not have required permission to use project {project}."
            raise RefusedError(message, 403, "PERMISSION_DENIED")
        asked = json.loads(body) if body else {}
        if (what, verb) == ("algorithms", None):
            return json.dumps({"algorithms": list(algorithms().values())}).encode(), JSON
        if (what, verb) == ("value", "compute"):
            return json.dumps({"result": self._evaluated(asked)}).encode(), JSON
        if (what, verb) == ("image", "computePixels"):
            return self._pixels(asked), "application/octet-stream"
        if (what, verb) == ("table", "computeFeatures"):
            return json.dumps(self._features(asked)).encode(), JSON
        raise NotKnownError(path)

    def _evaluated(self, asked: dict[str, Any]) -> Any:
        interpreter = Interpreter(FUNCTIONS, self.store)
        value = interpreter.evaluate(asked["expression"])
        with self._lock:
            self.used |= interpreter.used
        return value

    def _pixels(self, asked: dict[str, Any]) -> bytes:
        with self._lock:
            self.pixel_requests.append(asked)
        image = self._evaluated(asked)
        if not isinstance(image, Image) or not image.bands:
            raise RefusedError("Image.computePixels: an image with bands is expected.")
        lattice = _lattice(asked["grid"])
        self._check_size(image, lattice)
        if asked.get("fileFormat") != "NPY":
            raise NotKnownError(f"the format {asked.get('fileFormat')}")
        out = np.zeros(lattice.shape, dtype=[(band.name, band.dtype) for band in image.bands])
        for band, (values, mask) in zip(image.bands, image.all(lattice), strict=True):
            out[band.name] = np.where(mask > 0, values, 0)  # masked pixels come as zeros
        stream = io.BytesIO()
        np.save(stream, out)
        return stream.getvalue()

    def _check_size(self, image: Image, lattice: Lattice) -> None:
        if len(image.bands) > BANDS:
            raise RefusedError(f"Too many bands: {len(image.bands)}.")
        if max(lattice.shape) > REQUEST_SIDE:
            raise RefusedError(
                f"Pixel grid dimensions ({lattice.width}x{lattice.height}) must be less than or equal to 32768."
            )
        size = lattice.height * lattice.width * sum(band.dtype.itemsize + 1 for band in image.bands)
        if size > REQUEST_BYTES:
            raise RefusedError(
                f"Total request size ({size} bytes) must be less than or equal to {REQUEST_BYTES} bytes."
            )
        if max(lattice.shape) > self.largest_side:
            raise RefusedError("User memory limit exceeded.")

    def _features(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = int(asked.get("pageSize") or 1000)
        if "pageToken" in asked:
            name, start = asked["pageToken"].split("-")
            found, first = self._pages[name], int(start)
        else:
            collection = self._evaluated(asked)
            if not isinstance(collection, Collection):
                raise RefusedError("Table.computeFeatures: a collection of features is expected.")
            name, first = uuid.uuid4().hex, 0
            found = self._pages[name] = [item.answer() for item in collection.items]
        page: dict[str, Any] = {"type": "FeatureCollection", "features": found[first : first + rows]}
        if first + rows < len(found):
            page["nextPageToken"] = f"{name}-{first + rows}"
        return page


def _lattice(grid: dict[str, Any]) -> Lattice:
    if "crsCode" not in grid or "dimensions" not in grid or "affineTransform" not in grid:
        raise NotKnownError("a request without an explicit grid")
    t, size = grid["affineTransform"], grid["dimensions"]
    affine = Affine(t["scaleX"], t.get("shearX", 0), t["translateX"], t.get("shearY", 0), t["scaleY"], t["translateY"])
    return Lattice(Projection(grid["crsCode"], affine), int(size["height"]), int(size["width"]))


def _discovery(url: str) -> dict[str, Any]:
    document = dict(json.loads(_discovery_text()))
    document.update(rootUrl=f"{url}/", baseUrl=f"{url}/", version="v1", id="earthengine:v1")
    document.pop("mtlsRootUrl", None)
    return document


@lru_cache(maxsize=1)
def _discovery_text() -> str:
    """The description of the API that the client's package ships for its tests, as of the present version."""
    listed = importlib.resources.files("ee").joinpath("tests/cloud_api_discovery_document.json")
    if not listed.is_file():
        raise AssertionError("this earthengine-api ships no discovery document for tests; install another version")
    return listed.read_text(encoding="utf-8").replace("v1alpha", "v1")
