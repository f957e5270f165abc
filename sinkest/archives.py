"""Unpacking archives that came from somebody else: product folders, side data, bundles of runs.

Everything that an archive says of itself is looked at before a byte is written, and what is written is counted as it
comes, because an archive may say less than it holds.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from sinkest import limits
from sinkest.errors import InputError, RunError

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_UTF8 = 0x800
_BAD = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)
_EXTENDED = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_RESERVED = frozenset('<>:"|?*\\')


@dataclass(frozen=True)
class Bounds:
    """How much an archive may hold; see ``sinkest.limits``."""

    files: int = limits.ARCHIVE_FILES
    unpacked_bytes: int = limits.ARCHIVE_BYTES
    ratio: float = limits.ARCHIVE_RATIO
    free_bytes: int = limits.ARCHIVE_FREE_BYTES
    depth: int = limits.ARCHIVE_DEPTH


@dataclass(frozen=True)
class Member:
    """A file of an archive: its path with ``/``, checked, and the size it claims."""

    path: str
    size: int


DEFAULT = Bounds()


def members(archive: str | Path, bounds: Bounds = DEFAULT) -> list[Member]:
    """The files of an archive, by path, if all of them may be unpacked.

    Parameters
    ----------
    archive : path
        Zip, or tar packed with gzip, bzip2 or xz, or not packed.
    bounds : Bounds

    Raises
    ------
    InputError
        If it cannot be read, is encrypted, leads out of its folder (absolute paths, ``..``, links), holds devices,
        sparse files or two files of one name, or more or larger files, deeper folders or longer names than the bounds
        allow.
    """
    file = Path(archive)
    with _opened(file) as opened:
        return [member for member, _ in _checked(file, opened, bounds)]


def unpack(archive: str | Path, folder: str | Path, bounds: Bounds = DEFAULT) -> list[Path]:
    """Unpack an archive into a folder that is not there yet, wholly or not at all.

    Parameters
    ----------
    archive : path
        See :func:`members`.
    folder : path
        Must not exist; its parent is made.
    bounds : Bounds

    Returns
    -------
    list of Path
        The files, by path.

    Raises
    ------
    InputError
        As :func:`members`; also where the content does not have the size or the checksum that the archive states.
    RunError
        If the folder exists or cannot be written.
    """
    file, target = Path(archive), Path(folder)
    if target.exists():
        raise RunError("trust.folder_exists", folder=target)
    with _opened(file) as opened:
        wanted = _checked(file, opened, bounds)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
        except OSError as error:
            raise RunError("run.cannot_write", file=target, reason=error.strerror or str(error)) from error
        try:
            for member, entry in wanted:
                _write(file, opened, member, entry, scratch / member.path)
            scratch.chmod(0o755)
            scratch.rename(target)
        except OSError as error:
            raise RunError("run.cannot_write", file=target, reason=error.strerror or str(error)) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return [target / member.path for member, _ in wanted]


# -- reading --------------------------------------------------------------------------------------------------------

_Entry = zipfile.ZipInfo | tarfile.TarInfo
_Archive = zipfile.ZipFile | tarfile.TarFile


class _HeaderTooLong(tarfile.TarError):
    """An extended header beyond the bound."""


class _Sparse(tarfile.TarError):
    """A file with holes, whose map is read into memory as a whole and whose size is what it says."""


class _Header(tarfile.TarInfo):
    """A header of a tar; one that would be read into memory as a whole is refused before that."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block of 512 bytes."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _EXTENDED and found.size > limits.TAR_HEADER_BYTES:
            raise _HeaderTooLong
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise _Sparse
        return found

    def _proc_gnusparse_10(self, *_: object) -> None:
        # a map before the content, packed into nothing and as long as it likes; the older kinds stand in headers
        raise _Sparse


@contextmanager
def _opened(file: Path) -> Iterator[_Archive]:
    if not file.is_file():
        raise InputError("run.unreadable", file=file, reason="no such file")
    try:
        with zipfile.ZipFile(file) if zipfile.is_zipfile(file) else tarfile.open(file, tarinfo=_Header) as opened:
            yield opened
    except InputError:
        raise  # it is a ValueError too, and says more than "damaged"
    except _HeaderTooLong as error:
        raise InputError("trust.archive_header", file=file, limit=limits.TAR_HEADER_BYTES) from error
    except _Sparse as error:
        raise InputError("trust.archive_sparse", file=file) from error
    except _BAD as error:
        raise InputError("trust.archive_damaged", file=file, reason=_first_line(error)) from error
    except OSError as error:
        raise InputError("run.unreadable", file=file, reason=error.strerror or str(error)) from error


def _checked(file: Path, opened: _Archive, bounds: Bounds) -> list[tuple[Member, _Entry]]:
    found: dict[str, tuple[Member, _Entry]] = {}
    total = 0
    entries: Iterable[_Entry] = opened.infolist() if isinstance(opened, zipfile.ZipFile) else opened
    for number, entry in enumerate(entries, start=1):
        if number > 2 * bounds.files:  # folders count too: a list of nothing else would fill the memory
            raise InputError("trust.archive_files", file=file, limit=bounds.files)
        name = _name(entry)
        if isinstance(entry, tarfile.TarInfo):
            entry.pax_headers = {}  # what they say is in the entry already; those of all members add up in memory
        path = _safe_path(file, name, bounds)
        _check_kind(file, name, entry)
        if entry.isdir() if isinstance(entry, tarfile.TarInfo) else entry.is_dir():
            continue
        size = entry.size if isinstance(entry, tarfile.TarInfo) else entry.file_size
        if size < 0:
            raise InputError("trust.archive_damaged", file=file, reason=f"{path}: {size} bytes were stated")
        total += size
        if path.casefold() in found:
            raise InputError("trust.archive_twice", file=file, name=name)
        found[path.casefold()] = (Member(path, size), entry)
        if len(found) > bounds.files:
            raise InputError("trust.archive_files", file=file, limit=bounds.files)
        if total > bounds.unpacked_bytes:
            raise InputError("trust.archive_size", file=file, limit=bounds.unpacked_bytes)
    packed = max(file.stat().st_size, 1)
    if total > bounds.free_bytes and total / packed > bounds.ratio:
        raise InputError("trust.archive_bomb", file=file, size=total, packed=packed, limit=bounds.ratio)
    _check_parents(file, found)
    return [found[key] for key in sorted(found)]


def _check_parents(file: Path, found: dict[str, tuple[Member, _Entry]]) -> None:
    """No file may stand where another one's folder is."""
    for member, _ in found.values():
        for parent in PurePosixPath(member.path).parents:
            if parent.as_posix().casefold() in found:
                raise InputError("trust.archive_twice", file=file, name=parent.as_posix())


def _name(entry: _Entry) -> str:
    """The name as it was meant: Chinese Windows writes GBK where the standard has no flag for it."""
    if isinstance(entry, tarfile.TarInfo):
        return entry.name
    raw = entry.orig_filename
    if entry.flag_bits & _UTF8 or raw.isascii():
        return raw
    stored = raw.encode("cp437", errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return stored.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw


def _safe_path(file: Path, name: str, bounds: Bounds) -> str:
    """The path inside the folder, if it stays there and every file system takes it."""
    pieces = [piece for piece in name.split("/") if piece not in {"", "."}]
    outside = name.startswith(("/", "~")) or ".." in pieces or not name.strip("/. ")
    odd = any(not character.isprintable() or character in _RESERVED for character in name)
    if outside or odd:
        raise InputError("trust.archive_outside", file=file, name=ascii(name)[:200])
    encoded = [len(piece.encode("utf-8", "surrogateescape")) for piece in pieces]
    too_long = max(encoded) > limits.NAME_BYTES or sum(encoded) + len(encoded) > limits.PATH_BYTES
    if too_long or len(pieces) > bounds.depth:
        raise InputError("trust.archive_name", file=file, name=f"{name[:60]}...", limit=limits.NAME_BYTES)
    return "/".join(pieces)


def _check_kind(file: Path, name: str, entry: _Entry) -> None:
    if isinstance(entry, tarfile.TarInfo):
        if entry.issparse():
            raise _Sparse
        if not (entry.isreg() or entry.isdir()):
            raise InputError("trust.archive_link", file=file, name=name)
        return
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InputError("trust.archive_link", file=file, name=name)
    if entry.flag_bits & _ENCRYPTED:
        raise InputError("trust.archive_encrypted", file=file, name=name)


def _write(file: Path, opened: _Archive, member: Member, entry: _Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _stream(file, opened, entry) as source, target.open("xb") as sink:
        left = member.size
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            sink.write(chunk)
    if left:
        raise InputError("trust.archive_damaged", file=file, reason=f"{member.path}: {member.size} bytes were stated")


def _stream(file: Path, opened: _Archive, entry: _Entry) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(entry)  # type: ignore[arg-type]
    stream = opened.extractfile(entry)  # type: ignore[arg-type]
    if stream is None:
        raise InputError("trust.archive_link", file=file, name=entry.name)  # type: ignore[union-attr]
    return stream


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
