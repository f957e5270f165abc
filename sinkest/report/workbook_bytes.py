"""A saved workbook or document made reproducible: fixed times, a fixed order of parts, stored results of formulas."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping

from lxml.etree import SerialisationError
from openpyxl import Workbook

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold; it says nothing, which is the point."""
_STAMP = b"1980-01-01T00:00:00Z"
_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms:)")
_FORMULA = re.compile(rb'(<c r="([A-Z]+[0-9]+)"[^>]*>)(<f>[^<]*</f>)<v\s*(?:/>|></v>)')


def saved(workbook: Workbook) -> bytes:
    """The file as its library writes it, which it does by way of temporary files.

    Raises
    ------
    OSError
        If these cannot be written, naming their folder; lxml has an error of its own for it.
    """
    stream = io.BytesIO()
    try:
        workbook.save(stream)
    except SerialisationError as problem:
        number = getattr(errno, str(problem).removeprefix("IO_"), errno.EIO)
        _drop(problem)
        raise OSError(number, os.strerror(number), tempfile.gettempdir()) from None
    return stream.getvalue()


def _drop(problem: SerialisationError) -> None:
    """Let go of the half-written sheet; closing it fails once more, and nobody needs to be told twice."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        problem.__traceback__ = None
    finally:
        sys.unraisablehook = hook


def settled(workbook: bytes, results: Mapping[tuple[int, str], str] = {}, parts: Mapping[str, bytes] = {}) -> bytes:
    """The file with constant times, and with the given results stored beside its formulas.

    Parameters
    ----------
    workbook : bytes
        An xlsx or docx file as its library writes it.
    results : mapping
        (number of the sheet from 1, cell such as ``"C15"``) to the number as text.
    parts : mapping
        Parts of the file to be put in place of those it has, by their names.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as given, zipfile.ZipFile(stream, "w") as written:
        for name in sorted(given.namelist(), key=lambda part: (part != "[Content_Types].xml", part)):
            content = parts[name] if name in parts else given.read(name)
            if name == "docProps/core.xml":
                content = _TIMES.sub(rb"\g<1>" + _STAMP + rb"\g<2>", content)
            number = re.fullmatch(r"xl/worksheets/sheet(\d+)\.xml", name)
            if number:
                content = _with_results(content, int(number[1]), results)
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            entry.create_system = 3
            written.writestr(entry, content, compresslevel=6)
    return stream.getvalue()


def _with_results(content: bytes, sheet: int, results: Mapping[tuple[int, str], str]) -> bytes:
    def fill(match: re.Match[bytes]) -> bytes:
        value = results.get((sheet, match[2].decode("ascii")))
        return match[0] if value is None else match[1] + match[3] + b"<v>" + value.encode("ascii") + b"</v>"

    return _FORMULA.sub(fill, content)
