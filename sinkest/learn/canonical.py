"""Fitted estimators as bytes: the skops format, rewritten so that equal estimators give equal bytes.

What skops writes holds memory addresses (as ids and file names), the time of writing, and whatever lay in the padding
of tree nodes. Here ids are numbered in the order they appear, entries carry a constant date, and padding is zero.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray

DATE = (1980, 1, 1, 0, 0, 0)
SCHEMA = "schema.json"
LEVEL = 6

_PLAIN = frozenset({"JsonNode", "TypeNode"})


def dump(content: Any) -> bytes:
    """An object (estimators, arrays, dicts of them) as the bytes of a skops file.

    Raises
    ------
    skops.io.exceptions.UnsupportedTypeException
        If something in it cannot be stored without pickling.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(content))) as source:
        schema = json.loads(source.read(SCHEMA))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        _renumber(schema, numbers, names)
        entries = {new: _without_padding(source.read(old)) for old, new in names.items()}
    # Keys keep their order: that of a dictionary's keys and that of their types belong together.
    entries[SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            archive.writestr(info, entries[name])
    return target.getvalue()


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Replace ids and file names by the order in which they appear, in place."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
        return
    if not isinstance(node, dict):
        return
    if node.get("__loader__") in _PLAIN:
        # Whether two equal texts or numbers are one object in memory is an accident.
        node.pop("__id__", None)
    if "__id__" in node:
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    if "__loader__" in node and isinstance(node.get("file"), str):
        ending = node["file"].rpartition(".")[2]
        node["file"] = names.setdefault(node["file"], f"{len(names):06d}.{ending}")
    for value in node.values():
        _renumber(value, numbers, names)


def _without_padding(content: bytes) -> bytes:
    """An array file with zeros between the fields of its records; anything else as it is."""
    if not content.startswith(b"\x93NUMPY"):
        return content
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.size * array.dtype.itemsize, dtype=np.uint8).view(array.dtype).reshape(array.shape)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
