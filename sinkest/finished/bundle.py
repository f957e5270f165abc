"""One archive of a finished run for the record: its outputs whole, its inputs by hash, equal runs in equal bytes."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sinkest.errors import RunError
from sinkest.messages import text
from sinkest.runstore import MANIFEST, SEALS, RunStore
from sinkest.runstore.durable import atomic_path, file_sha256

SUFFIX = ".bundle.zip"
SUMS, INPUTS, README = "SHA256SUMS", "INPUTS.csv", "README.txt"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_PLAIN = 0o100644 << 16
_CHUNK = 1 << 20


def bundle(run: Path, out: Path | None = None) -> Path:
    """Put a finished run into one archive.

    The archive holds a folder of the run's name with exactly what the manifest seals, so that ``sinkest verify`` works
    on it once unpacked; beside it ``SHA256SUMS`` (for ``sha256sum -c``), ``INPUTS.csv`` (name and SHA-256 of every
    input, configuration and table of coefficients) and a page on how to use these. Inputs themselves, caches and
    anything that was added later are left out. Nothing is packed, so that the bytes depend on no library.

    Parameters
    ----------
    run : Path
        Folder of a finished run.
    out : Path, optional
        The archive; default: beside the run, with the ending ``.bundle.zip``.

    Returns
    -------
    Path
        The archive.

    Raises
    ------
    RunError
        If the run is not finished, an output is not as the manifest says, or the archive cannot be written.
    """
    store = RunStore(run)
    manifest = store.manifest()
    for problem in store.verify():
        if problem.kind != "extra":
            raise RunError("trust.bundle_changed", folder=run, problem=problem.message)
    target = out or run.resolve().with_name(run.resolve().name + SUFFIX)
    name = run.resolve().name
    files = {f"{name}/{path}": run / path for path in _sealed(manifest)}
    sums = "".join(f"{file_sha256(path)}  {where}\n" for where, path in sorted(files.items()))
    texts = {SUMS: sums.encode(), INPUTS: _inputs(manifest), README: _readme(name)}
    with atomic_path(target) as temporary, temporary.open("wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for where in sorted({*files, *texts}):
                with archive.open(_entry(where), "w", force_zip64=True) as sink:
                    for chunk in _content(files.get(where), texts.get(where, b"")):
                        sink.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    return target


def _sealed(manifest: dict[str, Any]) -> Iterator[str]:
    """Every file that the manifest accounts for."""
    yield MANIFEST
    for stage, seal in manifest["stages"].items():
        yield f"{SEALS}/{stage}.json"
        yield from (f"{stage}/{name}" for name in seal["outputs"])


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.create_system, entry.external_attr = 3, _PLAIN
    return entry


def _content(path: Path | None, text_bytes: bytes) -> Iterator[bytes]:
    if path is None:
        yield text_bytes
        return
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _inputs(manifest: dict[str, Any]) -> bytes:
    """The list of inputs; the mark makes spreadsheets show the Chinese."""
    config = manifest.get("config", {})
    rows = [("configuration", Path(str(config.get("path", "-"))).name, config.get("sha256") or "-")]
    rows += [("input", item["path"], item["sha256"]) for item in manifest.get("inputs", [])]
    rows += [("coefficients", name, digest) for name, digest in manifest.get("coefficients", {}).items()]
    program = manifest.get("program", {})
    rows.append(("program", f"sinkest {program.get('version', '-')}", program.get("code_sha256", "-")))
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([("kind", "name", "sha256"), *rows])
    return buffer.getvalue().encode("utf-8-sig")


def _readme(name: str) -> bytes:
    pages = [text("trust.bundle_readme", language, run=name) for language in ("zh", "en")]
    return ("\n\n".join(pages) + "\n").encode()
