"""What can go wrong on the way, on demand."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

ERRORS = {
    "busy": (429, "RESOURCE_EXHAUSTED", "Too many concurrent aggregations."),
    "quota": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Noncommercial EECU-hours' per month."),
    "internal": (500, "INTERNAL", "Internal error encountered."),
    "unavailable": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "memory": (400, "INVALID_ARGUMENT", "User memory limit exceeded."),
    "slow": (400, "INVALID_ARGUMENT", "Computation timed out."),
    "permission": (403, "PERMISSION_DENIED", "Permission 'earthengine.computations.create' denied on resource."),
    "bad": (400, "INVALID_ARGUMENT", "Image.select: Band pattern 'X' did not match any bands."),
}
RETRY_AFTER = {"soon": "90", "tomorrow": "86400", "endless": "inf"}
"""Seconds that an answer 503 asks to wait."""
PAGES = {
    "page": (200, b"<!DOCTYPE html><html><title>Please sign in</title></html>"),
    "gateway": (502, b"<html><title>502 Bad Gateway</title></html>"),
    "login": (302, b"<html>moved</html>"),
}
PASSING = ("busy", "internal", "unavailable", "gateway", "page", "reset", "truncate", "garble", "expire", "stall")
"""Faults that a patient client gets over. One named ``none`` lets its request through."""


@dataclass
class Fault:
    """One fault: which requests it meets, what happens to them, and how many times more."""

    path: str
    kind: str
    times: int = 1


class Faults:
    """Faults that wait for their requests.

    Attributes
    ----------
    met : list of str
        Kinds of the faults that have happened, in order.
    """

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.met: list[str] = []

    def add(self, kind: str, times: int = 1, path: str = ":computePixels") -> None:
        """Let the next so many requests whose path holds ``path`` meet a fault."""
        with self._lock:
            self._waiting.append(Fault(path, kind, times))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, path: str) -> str | None:
        """The fault that a request meets, if any."""
        with self._lock:
            for fault in self._waiting:
                if fault.times > 0 and re.search(re.escape(fault.path), path):
                    fault.times -= 1
                    self.met.append(fault.kind)
                    return fault.kind
        return None

    def strike(self, kind: str, handler: BaseHTTPRequestHandler) -> bool:
        """Do what needs no answer of ours; returns whether the request is done with."""
        if kind in ERRORS:
            code, status, message = ERRORS[kind]
            answer(handler, code, json.dumps({"error": {"code": code, "message": message, "status": status}}).encode())
        elif kind in RETRY_AFTER:
            answer(handler, 503, b"", "text/plain", {"Retry-After": RETRY_AFTER[kind]})
        elif kind in PAGES:
            code, page = PAGES[kind]
            answer(handler, code, page, "text/html")
        elif kind == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
        elif kind == "stall":
            self.over.wait(30.0)
            handler.close_connection = True
        else:
            return False
        return True


def answer(
    handler: BaseHTTPRequestHandler,
    code: int,
    body: bytes,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    """A whole answer."""
    handler.send_response(code)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    if code == 302:
        handler.send_header("Location", "http://portal.invalid/login")
    handler.end_headers()
    handler.wfile.write(body)


def cut_short(handler: BaseHTTPRequestHandler, body: bytes, kind: str) -> None:
    """Half an answer, after which the connection is closed."""
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
