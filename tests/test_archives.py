"""Archives of strangers: unpacked wholly, or refused before a byte is written."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from sinkest.archives import Bounds, Member, members, unpack
from sinkest.errors import InputError, RunError
from sinkest.limits import ARCHIVE_FREE_BYTES, NAME_BYTES, TAR_HEADER_BYTES


def zipped(path: Path, files: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refused(archive: Path, says: str, bounds: Bounds | None = None) -> None:
    """Neither listed nor unpacked, and nothing is left behind."""
    given = () if bounds is None else (bounds,)
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=says):
        members(archive, *given)
    with pytest.raises(InputError, match=says):
        unpack(archive, archive.parent / "out", *given)
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_an_honest_product_is_unpacked_whole(tmp_path: Path, kind: str) -> None:
    files = {"S2A.SAFE/manifest.safe": b"<a/>", "S2A.SAFE/GRANULE/L2A/影像.jp2": os.urandom(5000)}
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        zipped(archive, files)
    else:
        with tarfile.open(archive, "w:" + kind.removeprefix("tar").removeprefix(".")) as target:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                target.addfile(entry, io.BytesIO(content))
    listed = members(archive)
    assert listed == [Member("S2A.SAFE/GRANULE/L2A/影像.jp2", 5000), Member("S2A.SAFE/manifest.safe", 4)]
    found = unpack(archive, tmp_path / "deep" / "out")
    assert {path.relative_to(tmp_path / "deep" / "out").as_posix(): path.read_bytes() for path in found} == files


def test_names_in_gbk_are_chinese(tmp_path: Path) -> None:
    """What Chinese Windows writes: the bytes of GBK without the flag of UTF-8; here zipfile's cp437 stands for them."""
    archive = tmp_path / "a.zip"
    raw = "株洲.tif".encode("gbk").decode("cp437")
    zipped(archive, {raw: b"x"})
    content = bytearray(archive.read_bytes())
    wanted, given = "株洲.tif".encode("gbk"), raw.encode()
    plain = content.replace(given, wanted)
    shorter = len(given) - len(wanted)
    # the flag, the lengths of the name and the place of the directory follow by hand
    with zipfile.ZipFile(archive) as known:
        directory = known.start_dir - shorter
    for start, flag, length in ((0, 6, 26), (directory, 8, 28)):
        struct.pack_into("<H", plain, start + flag, 0)
        struct.pack_into("<H", plain, start + length, len(wanted))
    end = plain.rindex(b"PK\5\6")
    struct.pack_into("<II", plain, end + 12, end - directory, directory)
    archive.write_bytes(plain)
    assert members(archive) == [Member("株洲.tif", 1)]


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "~/evil", "C:/evil", "a\\..\\evil", "a\nb", "con\x1b[2J", "..", "a/b?c"],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "a.zip", {"good": b"1", name: b"x"}), "leads out of its folder")


def test_tar_names_that_lead_out_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as target:
        target.addfile(tarfile.TarInfo("../evil"))
    refused(tmp_path / "a.tar", "leads out of its folder")


@pytest.mark.parametrize("name", ["x" * (NAME_BYTES + 1), "/".join("d" * 40), "长" * (NAME_BYTES // 3 + 1)])
def test_names_too_long_or_too_deep_are_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "a.zip", {name: b"x"}), "too long or too deep")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    refused(tmp_path / "a.zip", "link or device, link")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("odd")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(entry)
    refused(tmp_path / "a.tar", "link or device, odd")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    size = ARCHIVE_FREE_BYTES + 1
    archive = zipped(tmp_path / "a.zip", {"zeros": bytes(size)}, compression=zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < size / 900
    refused(archive, "no imagery packs like that")


def header_of(size: int, kind: bytes) -> bytes:
    """A tar of one extended header of that many bytes and one small file."""
    head = tarfile.TarInfo("head")
    head.type, head.size = kind, size
    record = b"%d comment=" % size
    content = record + b"a" * (size - len(record) - 1) + b"\n"
    if kind in {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}:
        content = b"a" * 200 + bytes(size - 200)
    padded = content + bytes(-size % tarfile.BLOCKSIZE)
    return head.tobuf(tarfile.GNU_FORMAT) + padded + tarfile.TarInfo("file").tobuf() + bytes(2 * tarfile.BLOCKSIZE)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X"]
)
def test_a_bomb_in_a_header_of_a_tar_is_refused_before_it_is_read(tmp_path: Path, kind: bytes) -> None:
    """20 MB of one letter in 20 kB: the header would be unpacked into memory as a whole."""
    size = 20_000_000
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(header_of(size, kind)))
    assert archive.stat().st_size < size / 500
    tracemalloc.start()
    try:
        refused(archive, f"extended header of more than {TAR_HEADER_BYTES} bytes")
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_up_to_the_bound_is_read(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(header_of(TAR_HEADER_BYTES, kind))
    assert [member.path for member in members(tmp_path / "a.tar")] == ["a" * 200 if kind == b"L" else "file"]


@pytest.mark.parametrize("kind", ["old", "0.1", "1.0"])
def test_files_with_holes_are_refused_before_their_map_is_read(tmp_path: Path, kind: str) -> None:
    """A map of 2 million zeros in 4 kB; sizes of 1 TB that nothing is stored of."""
    entry = tarfile.TarInfo("holes")
    content = b"1000000\n" + b"0\n" * 2_000_000
    entry.size = len(content)
    if kind == "old":
        entry.type = tarfile.GNUTYPE_SPARSE
    elif kind == "0.1":
        entry.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000000000"}
    else:
        entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000000000000"}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as packed:
        packed.addfile(entry, io.BytesIO(content))
    tracemalloc.start()
    try:
        refused(tmp_path / "a.tar.gz", "holds a sparse file")
        assert tracemalloc.get_traced_memory()[1] < len(content)
    finally:
        tracemalloc.stop()


def test_a_size_below_zero_is_refused(tmp_path: Path) -> None:
    """It would be taken off the others, and the next header be looked for before this one, for ever."""
    entry = tarfile.TarInfo("odd")
    entry.pax_headers = {"size": "-1024"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as target:
        target.addfile(entry)
    refused(tmp_path / "a.tar", "damaged or not a zip or tar")


def test_folders_count_as_files_do(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", dict.fromkeys([f"{number}/" for number in range(9)], b""))
    refused(archive, "more than 4 files", Bounds(files=4))


@pytest.mark.parametrize(
    "bounds, says", [(Bounds(files=2), "more than 2 files"), (Bounds(unpacked_bytes=20), "more than 20 bytes")]
)
def test_too_many_or_too_large_files_are_refused(tmp_path: Path, bounds: Bounds, says: str) -> None:
    refused(zipped(tmp_path / "a.zip", {"a": b"0123456789", "b": b"0123456789", "c": b"0"}), says, bounds)


@pytest.mark.parametrize("names", [("a", "A"), ("a", "./a"), ("a", "a/b")])
def test_files_that_overwrite_each_other_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(zipped(tmp_path / "a.zip", dict.fromkeys(names, b"x")), "twice")


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": b"x"})
    content = bytearray(archive.read_bytes())
    for start, place in ((0, 6), (content.index(b"PK\1\2"), 8)):
        content[start + place] |= 1
    archive.write_bytes(content)
    refused(archive, "encrypted")


def test_a_stated_size_that_is_less_than_the_content_is_found(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": bytes(5000)}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(archive.read_bytes())
    for start, place in ((0, 22), (content.index(b"PK\1\2"), 24)):
        struct.pack_into("<I", content, start + place, 100)
    archive.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("harm", ["cut", "byte", "no archive"])
def test_damaged_archives_are_refused(tmp_path: Path, harm: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": os.urandom(3000)})
    content = bytearray(archive.read_bytes())
    if harm == "byte":
        content[500] ^= 1
    archive.write_bytes(b"nothing" if harm == "no archive" else content[: 2000 if harm == "cut" else None])
    with pytest.raises(InputError, match="damaged or not a zip or tar"):
        unpack(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_missing_archive_and_a_folder_in_the_way_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.zip cannot be read"):
        members(tmp_path / "gone.zip")
    with pytest.raises(RunError, match="exists already"):
        unpack(zipped(tmp_path / "a.zip", {"a": b"x"}), tmp_path)


def test_a_file_where_the_folder_should_go_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="cannot be written"):
        unpack(zipped(tmp_path / "a.zip", {"a": b"x"}), tmp_path / "file" / "out")
