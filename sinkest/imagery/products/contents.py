"""A product as a folder or as the archive it came in: its files, and how GDAL finds them without unpacking."""

from __future__ import annotations

import math
import os
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from sinkest import archives
from sinkest.errors import SinkestError, SourceError

METADATA_BYTES = 64 * 1024**2
"""More than any metadata file of a product has; the largest, of Sentinel-2 granules, reach 5 MB."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz")

_UNREADABLE = (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, EOFError)


@dataclass(frozen=True)
class Contents:
    """Files of a product.

    Attributes
    ----------
    path : Path
        The folder or archive.
    names : tuple of str
        Files by their path inside, with ``/``.
    """

    path: Path
    names: tuple[str, ...]

    @property
    def packed(self) -> bool:
        """Whether the product is an archive."""
        return self.path.is_file()

    def place(self, name: str) -> str:
        """Path of a file as GDAL opens it."""
        if not self.packed:
            return str(self.path / name)
        reader = "vsizip" if zipfile.is_zipfile(self.path) else "vsitar"
        # in braces, so that no double slash comes up that a path would lose
        return f"/{reader}/{{{self.path.resolve()}}}/{name}"

    def text(self, name: str) -> bytes:
        """Content of a metadata file.

        Raises
        ------
        SourceError
            If it cannot be read or is larger than metadata are.
        """
        try:
            content = self._bytes(name)
        except _UNREADABLE as error:
            raise SourceError(
                "products.unreadable", kind="unreadable", file=self.told(name), reason=str(error)[:200]
            ) from error
        if len(content) > METADATA_BYTES:
            raise SourceError("products.metadata_size", kind="unreadable", file=self.told(name), limit=METADATA_BYTES)
        return content

    def told(self, name: str) -> str:
        """Name of a file for people."""
        return f"{self.path}/{name}"

    def _bytes(self, name: str) -> bytes:
        if not self.packed:
            with (self.path / name).open("rb") as plain:
                return plain.read(METADATA_BYTES + 1)
        if zipfile.is_zipfile(self.path):
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as packed:
                return packed.read(METADATA_BYTES + 1)
        with tarfile.open(self.path) as tar:
            stream = tar.extractfile(name)
            if stream is None:
                raise KeyError(name)
            with stream:
                return stream.read(METADATA_BYTES + 1)


def contents_of(path: Path) -> Contents:
    """List the files of a folder or archive.

    Raises
    ------
    SourceError
        If an archive is damaged, leads out of itself, or holds more than a product does.
    """
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        return Contents(path, tuple(sorted(file.relative_to(path).as_posix() for file in files)))
    try:
        names = tuple(member.path for member in archives.members(path))
    except SinkestError as error:
        raise SourceError(error.key, kind="unreadable", **error.fields) from error
    return Contents(path, names)


def refuse_links_out(folder: Path) -> None:
    """Look for links in a product's folder that lead out of it; a product that itself is linked into place is none.

    Raises
    ------
    SourceError
        Names the link and where it leads.
    """
    root = os.path.realpath(folder)
    for entry in sorted(folder.rglob("*")):
        if entry.is_symlink():
            refuse_link_out(entry, root)


def refuse_link_out(file: Path, root: str) -> None:
    """Refuse a link that leads out of ``root``, which is a real path."""
    target = os.path.realpath(file)
    if not Path(target).is_relative_to(root):
        raise SourceError("products.link_out", kind="unreadable", file=file, target=target)


def is_archive(path: Path) -> bool:
    """Whether a file is named like an archive."""
    return path.is_file() and path.suffix.lower() in ARCHIVE_SUFFIXES


def parse_xml(contents: Contents, name: str) -> Element:
    """Read an XML file of a product; entities and document types are refused, for they can read other files.

    Raises
    ------
    SourceError
        If it is no well-formed XML, in no known encoding, or has a document type.
    """
    try:
        return ElementTree.fromstring(contents.text(name), forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        reason = str(error)[:200] or type(error).__name__
        raise SourceError("products.not_xml", kind="unreadable", file=contents.told(name), reason=reason) from error


def finite_number(value: Any, told: str, tag: str, *, positive: bool = False) -> float:
    """A number out of metadata; a wrong one would make every value of a product wrong.

    Raises
    ------
    SourceError
        If it is no finite number, or not positive where it must be; names the file and the tag.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        raise SourceError("products.number", kind="mismatch", file=told, tag=tag, given=str(value).strip()[:40])
    return number


def file_name(name: str) -> str:
    """Last piece of a path inside a product."""
    return PurePosixPath(name).name
