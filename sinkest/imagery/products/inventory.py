"""What lies in a folder: standard products and rasters told apart by their metadata, and what is not known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sinkest.errors import SourceError
from sinkest.imagery.products import landsat, mosaics, safe, store
from sinkest.imagery.products.contents import (
    Contents,
    contents_of,
    is_archive,
    refuse_link_out,
    refuse_links_out,
)
from sinkest.imagery.products.product import Product
from sinkest.imagery.raster import SUFFIXES

DEPTH = 4
"""Folders inside the given one that are looked into."""


@dataclass
class Inventory:
    """What was found.

    Attributes
    ----------
    products : list of Product
        Optical products, by path.
    radar : list of RadarFile
    palsar : dict of str to list of Path
        Tiles by polarisation.
    elevation : list of Path
    left : dict of Path to str
        What is not used, with what it seems to be; empty where that is unknown.
    """

    products: list[Product] = field(default_factory=list)
    radar: list[mosaics.RadarFile] = field(default_factory=list)
    palsar: dict[str, list[Path]] = field(default_factory=dict)
    elevation: list[Path] = field(default_factory=list)
    left: dict[Path, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found that can be read."""
        return not (self.products or self.radar or self.palsar or self.elevation)


def take_stock(
    folder: Path,
    *,
    bands: Sequence[str] | None = None,
    palsar_year: int | None = None,
    claimed: Sequence[Path] = (),
) -> Inventory:
    """Sort the contents of a folder.

    Parameters
    ----------
    folder : Path
    bands : sequence of str, optional
        Bands that optical products must have; default all of their sensor.
    palsar_year : int, optional
        Year of the yearly radar mosaics; default the latest there is.
    claimed : sequence of Path
        Files and folders that are declared otherwise and not looked at.

    Raises
    ------
    SourceError
        If the folder is missing, a known product is incomplete or damaged, or nothing in it can be read.
    """
    if not folder.is_dir():
        raise SourceError("products.no_folder", kind="missing", folder=folder)
    found = Inventory()
    years: dict[int, dict[str, list[Path]]] = {}
    _walk(folder, DEPTH, bands, {path.resolve() for path in claimed}, found, years)
    if years:
        year = max(years) if palsar_year is None else palsar_year
        found.palsar = years.pop(year, {})
        for other, tiles in years.items():
            found.left |= {path: f"PALSAR {other}" for paths in tiles.values() for path in paths}
    if found.is_empty and not claimed:
        shown = ", ".join(sorted(path.name for path in found.left)[:3]) or "-"
        raise SourceError("products.nothing", kind="empty", folder=folder, names=shown)
    return found


def _walk(
    folder: Path,
    depth: int,
    bands: Sequence[str] | None,
    claimed: set[Path],
    found: Inventory,
    years: dict[int, dict[str, list[Path]]],
) -> None:
    entries = [entry for entry in sorted(folder.iterdir()) if entry.resolve() not in claimed and entry.name[0] != "."]
    taken: set[Path] = set()
    for mtl in (entry for entry in entries if entry.is_file() and entry.name.endswith(landsat.SUFFIX)):
        contents = Contents(folder, tuple(sorted(entry.name for entry in entries if entry.is_file())))
        taken |= _landsat(contents, bands, mtl.name, found)
    for entry in entries:
        if entry in taken:
            continue
        if entry.is_dir():
            if entry.suffix.lower() == ".zarr":
                refuse_links_out(entry)
                found.products += store.read_store(entry, bands)
            elif not _safe(entry, bands, found) and depth > 0:
                _walk(entry, depth - 1, bands, claimed, found, years)
        elif is_archive(entry):
            _archive(entry, bands, found)
        elif entry.suffix.lower() in (*SUFFIXES, ".hgt") or mosaics.palsar_band(entry) is not None:
            _raster(entry, found, years)


def _safe(path: Path, bands: Sequence[str] | None, found: Inventory) -> bool:
    """Take a Sentinel-2 product, or leave one of another level; whether it was a product."""
    named = path.suffix.upper() == ".SAFE" or path.name.startswith("S2")
    if not named and not (path / safe.METADATA).is_file():
        return False
    contents = contents_of(path)
    products = safe.split(contents)
    if products:
        refuse_links_out(path)
        found.products += [safe.read_safe(product, bands) for product in products]
        return True
    if any(name.endswith(f"/{safe.METADATA}") for name in contents.names):
        return False  # products lie deeper down
    if path.suffix.upper() == ".SAFE":
        level1 = any(name.endswith(safe.METADATA_L1C) for name in contents.names)
        found.left[path] = "Sentinel-2 L1C" if level1 else ""
        return True
    return False


def _archive(path: Path, bands: Sequence[str] | None, found: Inventory) -> None:
    contents = contents_of(path)
    metadata = landsat.metadata_files(contents)
    products = safe.split(contents)
    found.products += [safe.read_safe(product, bands) for product in products]
    for name in metadata:
        _landsat(contents, bands, name, found)
    if not products and not metadata:
        level1 = any(name.endswith(safe.METADATA_L1C) for name in contents.names)
        found.left[path] = "Sentinel-2 L1C" if level1 else ""


def _landsat(contents: Contents, bands: Sequence[str] | None, metadata: str, found: Inventory) -> set[Path]:
    """Take a Landsat product, or leave one of another level; its files."""
    stem = metadata.removesuffix(landsat.SUFFIX)
    own = {contents.path / name for name in contents.names if name.startswith(stem)}
    # where the metadata file is a link as well, somebody has linked the whole product into place
    if not contents.packed and not (contents.path / metadata).is_symlink():
        root = os.path.realpath(contents.path)
        for file in sorted(own):
            if file.is_symlink():
                refuse_link_out(file, root)
    try:
        found.products.append(landsat.read_landsat(contents, metadata, bands))
    except SourceError as error:
        if error.key != "products.not_c2_l2":
            raise
        found.left[contents.path / metadata] = str(error.fields["given"])
    return own


def _raster(path: Path, found: Inventory, years: dict[int, dict[str, list[Path]]]) -> None:
    radar, palsar = mosaics.sentinel1_file(path), mosaics.palsar_band(path)
    if radar is not None:
        found.radar.append(radar)
    elif palsar is not None:
        years.setdefault(palsar[1], {}).setdefault(palsar[0], []).append(path)
    elif mosaics.is_elevation(path):
        found.elevation.append(path)
    else:
        found.left[path] = ""
