"""Reader of GEDI L4A granules: HDF5 files as they are downloaded, also zipped. Nothing in a file is trusted."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import h5py
import numpy as np
import shapely
from numpy.typing import NDArray

from sinkest.archives import Bounds, unpack
from sinkest.errors import InputError
from sinkest.imagery.gedi import EPOCH, PRODUCT, Terrain, against, as_table

MAX_SHOTS = 1_000_000
"""Shots of one beam; a whole granule, a quarter of an orbit, has some 160 000."""
MAX_CHUNK_BYTES = 64 * 2**20
MAX_TEXT_BYTES = 64
ARCHIVE = Bounds(files=100, unpacked_bytes=4 * 2**30)
"""What a zip file with a granule may hold; the real ones unpack to some 300 MB."""

_FILL = -9999.0
_YEARS_S = (0.0, 60 * 366 * 86400.0)
"""Seconds since the epoch that a shot can have."""

_NUMBERS: Mapping[str, str] = {"lon": "lon_lowestmode", "lat": "lat_lowestmode", **PRODUCT}
"""Column of the table -> dataset of a beam."""

_BROKEN = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, OverflowError, MemoryError)
"""What h5py raises on damaged files."""

Columns = dict[str, NDArray[Any]]


def read_granules(
    paths: Sequence[str | Path], area: shapely.Geometry | None = None, terrain: Terrain | None = None
) -> gpd.GeoDataFrame:
    """All shots of some granules, judged by the quality rules.

    Parameters
    ----------
    paths : sequence of path
        HDF5 granules of GEDI L4A version 2, or zip files with one each; subsets too.
    area : geometry, optional
        Only shots in it are returned, EPSG:4326.
    terrain : callable, optional
        An elevation model. Without it the rules that need one are not checked.

    Returns
    -------
    GeoDataFrame
        As `sinkest.imagery.gedi.as_table` makes it, in the order of shot numbers. ``attrs["shots"]`` counts the shots
        of the files, ``attrs["unplaced"]`` those without a position or time, which are left out.

    Raises
    ------
    InputError
        If a file is no such granule, is damaged, or claims sizes that no granule has.
    """
    beams = [beam for path in paths for beam in _beams_of(Path(path))]
    if not beams:
        raise InputError("gedi.no_files")
    columns = {name: np.concatenate([beam[name] for beam in beams]) for name in beams[0]}
    shots = len(columns["shot_number"])
    placed = (np.abs(columns["lon"]) <= 180.0) & (np.abs(columns["lat"]) <= 90.0) & ~np.isnat(columns["time"])
    kept = placed.copy()
    if area is not None:
        kept[placed] = shapely.contains_xy(area, columns["lon"][placed], columns["lat"][placed])
    order = np.argsort(columns["shot_number"], kind="stable")
    order = order[kept[order]]
    columns = {name: values[order] for name, values in columns.items()}
    if terrain is not None:
        columns |= against(terrain, columns)
    found = as_table(columns, where=", ".join(Path(one).name for one in paths))
    found.attrs |= {"shots": shots, "unplaced": int((~placed).sum())}
    return found


def _beams_of(path: Path) -> list[Columns]:
    """Columns of each beam of a file."""
    if not path.is_file():
        raise InputError("gedi.no_file", file=path)
    with _unpacked(path) as plain:
        if not h5py.is_hdf5(plain):
            raise InputError("gedi.not_hdf5", file=path)
        with _telling(path), h5py.File(plain, "r") as content:
            names = sorted(name for name in content if name.startswith("BEAM"))
            beams = [_beam(path, name, _group(path, content, name)) for name in names]
    if not beams:
        raise InputError("gedi.no_beams", file=path)
    return beams


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn what the HDF5 library says of a damaged file into one clear error."""
    try:
        yield
    except InputError:
        raise
    except _BROKEN as error:
        reason = (str(error).strip().strip("'\"") or type(error).__name__).splitlines()[0][:200]
        raise InputError("gedi.damaged", file=path, reason=reason) from error


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The granule as a plain file; of a zip file its only HDF5 member."""
    if not zipfile.is_zipfile(path):
        yield path
        return
    with TemporaryDirectory(prefix="sinkest-gedi-") as folder:
        unpacked = unpack(path, Path(folder) / "granule", ARCHIVE)
        found = [one for one in unpacked if one.suffix.lower() in {".h5", ".hdf5"}]
        if len(found) != 1:
            raise InputError("gedi.zip_members", file=path, count=len(found))
        yield found[0]


def _group(path: Path, parent: h5py.Group, name: str) -> h5py.Group:
    found = _own(path, parent, name)
    if not isinstance(found, h5py.Group):
        raise InputError("gedi.dataset", file=path, dataset=f"{parent.name}/{name}", given=type(found).__name__)
    return found


def _own(path: Path, parent: h5py.Group, name: str) -> Any:
    """A member of a group, which must lie in the file itself: a link could lead to any file of this machine."""
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise InputError("gedi.link", file=path, dataset=f"{parent.name}/{name}")
    return parent[name]


def _beam(path: Path, name: str, beam: h5py.Group) -> Columns:
    """Columns of one beam."""
    shots = _values(path, beam, "shot_number", None, lambda kind: kind.kind in "ui" and kind.itemsize == 8)
    count = len(shots)

    def number(dataset: str) -> NDArray[np.float64]:
        values = _values(path, beam, dataset, count, lambda kind: kind.kind in "uif").astype(np.float64)
        return np.where(np.isfinite(values) & (values != _FILL), values, np.nan)

    columns: Columns = {"shot_number": shots.astype(np.uint64)}
    columns |= {column: number(dataset) for column, dataset in _NUMBERS.items()}
    columns["time"] = _times(number("delta_time"))
    columns["predict_stratum"] = _texts(path, beam, "predict_stratum", count)
    columns["beam"] = np.full(count, name, dtype=object)
    columns["granule"] = np.full(count, path.stem, dtype=object)
    return columns


def _dataset(path: Path, beam: h5py.Group, name: str, count: int | None) -> h5py.Dataset:
    """A dataset of a beam, if it is what a granule can hold."""
    where, parent = f"{beam.name}/{name}", beam
    *folders, last = name.split("/")
    for one in [*folders, last]:
        if one not in parent:
            raise InputError("gedi.missing", file=path, dataset=where)
        parent = _own(path, parent, one)
        if one is not last and not isinstance(parent, h5py.Group):
            raise InputError("gedi.missing", file=path, dataset=where)
    if not isinstance(parent, h5py.Dataset):
        raise InputError("gedi.dataset", file=path, dataset=where, given=type(parent).__name__)
    shape = parent.shape
    if parent.external or parent.is_virtual:
        raise InputError("gedi.link", file=path, dataset=where)
    if shape is None or len(shape) != 1 or (count is not None and shape[0] != count):
        expected = "(n,)" if count is None else f"({count},)"
        raise InputError("gedi.shape", file=path, dataset=where, given=shape, expected=expected)
    chunk_bytes = parent.dtype.itemsize * int(np.prod(parent.chunks or (1,), dtype=np.float64))
    if shape[0] > MAX_SHOTS or chunk_bytes > MAX_CHUNK_BYTES:
        raise InputError("gedi.too_large", file=path, dataset=where, given=shape[0], limit=MAX_SHOTS)
    return parent


def _values(
    path: Path, beam: h5py.Group, name: str, count: int | None, fits: Callable[[np.dtype[Any]], bool]
) -> NDArray[Any]:
    dataset = _dataset(path, beam, name, count)
    if not fits(dataset.dtype):
        raise InputError("gedi.dataset", file=path, dataset=dataset.name, given=str(dataset.dtype))
    return np.asarray(dataset[:])


def _times(seconds: NDArray[np.float64]) -> NDArray[np.datetime64]:
    possible = np.isfinite(seconds) & (seconds >= _YEARS_S[0]) & (seconds < _YEARS_S[1])
    step = np.rint(np.where(possible, seconds, 0.0) * 1000.0).astype(np.int64).astype("timedelta64[ms]")
    return np.where(possible, EPOCH + step, np.datetime64("NaT", "ms"))


def _texts(path: Path, beam: h5py.Group, name: str, count: int) -> NDArray[np.object_]:
    dataset = _dataset(path, beam, name, count)
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.dtype.itemsize > MAX_TEXT_BYTES:
        raise InputError("gedi.dataset", file=path, dataset=dataset.name, given=str(dataset.dtype))
    cells = [bytes(one)[:MAX_TEXT_BYTES].decode("ascii", "replace").rstrip("\0") for one in dataset[:]]
    texts = np.empty(count, dtype=object)
    texts[:] = cells
    return texts
