"""A STAC API, its files and its token service on loopback, with faults on order.

Files lie below ``/files`` and, for readers that remember addresses, under as many other names ``/files/~<any>``.

What it does: landing page, collections, item search by POST and GET with paging, files with byte ranges, tokens as the
Planetary Computer gives them. What is ordered by :meth:`StacServer.fault` happens to the next requests that match.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

FAULTS = ("429", "500", "503", "reset", "truncated", "stalled", "html", "expired")
"""What passes. ``404`` and a damaged file do not, and are ordered by themselves."""

PAGE_BYTES = b"<html><body>Please sign in</body></html>" * 900
_CORE = "https://api.stacspec.org/v1.0.0"


@dataclass
class Fault:
    """What happens to the next ``count`` requests whose path fits."""

    pattern: str
    kind: str
    count: int = 1


@dataclass
class StacServer:
    """The server; a context manager.

    Attributes
    ----------
    folder : Path
        Files to serve, below ``/files``.
    items, collections : list of dict
    page : int
        Items a page.
    unlisted : int
        Items that a search counts and does not list.
    tokens : bool
        Whether files need a token.
    stall_s : float
        How long a stalled answer stands still.
    log : list of (str, str)
        Method or fault, and path, of each request.
    """

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    page: int = 2
    unlisted: int = 0
    tokens: bool = False
    stall_s: float = 4.0
    log: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._issued = 0
        self._halt = threading.Event()

    def __enter__(self) -> StacServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self, b"")

            def do_POST(self) -> None:
                server.answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            do_HEAD = do_GET  # noqa: N815

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # clients that break off are part of the game

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def fault(self, pattern: str, kind: str, count: int = 1) -> None:
        """Order a fault for requests whose path fits a regular expression."""
        with self._lock:
            self._faults.append(Fault(pattern, kind, count))

    def clear(self) -> None:
        """Forget all faults and the log."""
        with self._lock:
            self._faults.clear()
            self.log.clear()

    def requests_of(self, pattern: str) -> int:
        """Number of requests whose path fits."""
        with self._lock:
            return sum(re.search(pattern, path) is not None for _, path in self.log)

    # -- answering --------------------------------------------------------------------------------------------------

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request, or spoil it."""
        parts = urlsplit(handler.path)
        path, query = unquote(parts.path), {key: values[-1] for key, values in parse_qs(parts.query).items()}
        with self._lock:
            order = next((one for one in self._faults if one.count > 0 and re.search(one.pattern, path)), None)
            kind = None if order is None else order.kind
            if order is not None:
                order.count -= 1
            self.log.append((kind or handler.command, path))
        if kind is not None and self._spoil(handler, kind):
            return
        if path.startswith("/files/"):
            name = re.sub(r"\A/files/(~\w+/)?", "", path)
            self._file(handler, name, query, truncated=kind == "truncated")
        elif path.startswith("/token/"):
            self._token(handler)
        else:
            told = self._api(path, query, json.loads(body) if body else {})
            self._json(handler, 404 if told is None else 200, told or {"code": "NotFoundError"}, kind == "truncated")

    def _spoil(self, handler: BaseHTTPRequestHandler, kind: str) -> bool:
        """Do what a fault asks for; False where the answer itself is to be cut short later."""
        if kind.isdigit():
            self._json(handler, int(kind), {"code": kind, "description": "ordered"})
        elif kind == "expired":
            self._json(handler, 403, {"code": "AuthenticationFailed"})
        elif kind == "html":
            self._send(handler, 200, PAGE_BYTES, "text/html")
        elif kind == "stalled":
            self._halt.wait(self.stall_s)
            handler.close_connection = True
        elif kind == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
        return kind != "truncated"

    def _api(self, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any] | None:
        if path in ("", "/"):
            return self._landing()
        if path == "/collections":
            return {"collections": list(self.collections.values()), "links": []}
        if path.startswith("/collections/"):
            return self.collections.get(path.split("/")[2])
        return self._search({**query, **body}) if path == "/search" else None

    def _landing(self) -> dict[str, Any]:
        kinds = ("core", "collections", "item-search", "ogcapi-features")
        links = [("self", "/"), ("root", "/"), ("data", "/collections"), ("search", "/search")]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "loopback",
            "description": "a catalogue for tests",
            "conformsTo": [f"{_CORE}/{kind}" for kind in kinds],
            "links": [self._link(rel, href) for rel, href in links] + [self._link("search", "/search", method="POST")],
        }

    def _search(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked.get("collections") or []
        wanted = wanted.split(",") if isinstance(wanted, str) else wanted
        box = asked.get("bbox")
        box = [float(one) for one in (box.split(",") if isinstance(box, str) else box)] if box else None
        start, _, end = (asked.get("datetime") or "../..").partition("/")
        hits = [
            item
            for item in self.items
            if item["collection"] in wanted
            and (box is None or _overlaps(item["bbox"], box))
            and (start == ".." or item["properties"]["datetime"] >= start)
            and (end == ".." or item["properties"]["datetime"] <= end)
        ]
        first = int(asked.get("token") or 0)
        last = first + min(int(asked.get("limit") or 10), self.page)
        links = []
        if last < len(hits):
            links = [self._link("next", "/search", method="POST", body={**asked, "token": str(last)}, merge=False)]
        matched = len(hits) + self.unlisted
        return {"type": "FeatureCollection", "features": hits[first:last], "links": links, "numberMatched": matched}

    def _token(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._issued += 1
        ends = datetime.now(UTC) + timedelta(hours=1)
        self._json(handler, 200, {"msft:expiry": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "token": f"se=x&sig=t{self._issued}"})

    def _file(self, handler: BaseHTTPRequestHandler, name: str, query: dict[str, str], truncated: bool) -> None:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            self._json(handler, 404, {"code": "NotFound"})
            return
        if self.tokens and query.get("sig") != f"t{self._issued}":
            self._json(handler, 403, {"code": "AuthenticationFailed"})
            return
        content = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
        if span is None:
            self._send(handler, 200, content, "image/tiff", truncated=truncated)
            return
        first, last = int(span[1]), min(int(span[2] or len(content) - 1), len(content) - 1)
        told = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self._send(handler, 206, content[first : last + 1], "image/tiff", told, truncated)

    def _json(
        self, handler: BaseHTTPRequestHandler, status: int, told: dict[str, Any], truncated: bool = False
    ) -> None:
        self._send(handler, status, json.dumps(told).encode(), "application/json", truncated=truncated)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        kind: str,
        headers: dict[str, str] | None = None,
        truncated: bool = False,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Accept-Ranges", "bytes")
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.write(content[: len(content) // 2] if truncated else content)
        if truncated:
            handler.wfile.flush()
            handler.close_connection = True

    def _link(self, rel: str, href: str, **more: Any) -> dict[str, Any]:
        return {"rel": rel, "href": f"{self.url}{href}", "type": "application/json", **more}


def collection(name: str, box: tuple[float, float, float, float] = (-180, -90, 180, 90)) -> dict[str, Any]:
    """A collection over a box in degrees."""
    return {
        "type": "Collection", "stac_version": "1.0.0", "id": name, "description": name, "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [list(box)]}, "temporal": {"interval": [["2015-06-27T00:00:00Z", None]]}},
    }  # fmt: skip


def _overlaps(one: list[float], other: list[float]) -> bool:
    return one[0] <= other[2] and one[2] >= other[0] and one[1] <= other[3] and one[3] >= other[1]
