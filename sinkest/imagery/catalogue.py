"""Which files of a folder make up which scene.

A scene is what was acquired at one time. It has one or more parts, tiles that lie side by side; the files of one part,
one band each or several, cover the same ground. Which files belong together is told by their extents, not their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from sinkest.errors import SourceError
from sinkest.imagery.raster import SUFFIXES, RasterFile, probe, same_crs

BandRef = int | str
"""Where a band stands: its number in the scene's multiband files, or a pattern of file names, with ``:3`` behind it if
it is not the first band of these files."""

_DIRECTIVES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%j": r"\d{3}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
}


@dataclass(frozen=True)
class Part:
    """Files that cover one piece of ground at one time: by band name the file and the band's number in it."""

    bands: Mapping[str, tuple[RasterFile, int]]

    @property
    def any_file(self) -> RasterFile:
        """One of the files; all have the same extent."""
        return next(iter(self.bands.values()))[0]


class DatePattern:
    """Where the date stands in a name.

    Parameters
    ----------
    template : str
        Directives of strptime (``%Y %y %m %d %j %H %M %S``) among plain text. Without wildcards the template may stand
        anywhere in a name, but not inside a longer number. With the wildcards ``*`` and ``?`` it must fit the whole
        name.

    Examples
    --------
    >>> DatePattern("%Y%m%d").date_in("S2A_20250114_T49RGM.tif").date().isoformat()
    '2025-01-14'
    >>> DatePattern("???035032%Y%j*").date_in("LE70350321999205EDC00").date().isoformat()
    '1999-07-24'
    """

    def __init__(self, template: str) -> None:
        self.template = template
        if "*" in template or "?" in template:
            self._regex = re.compile(rf"\A{_regex_of(template)}\Z")
        else:
            self._regex = re.compile(rf"(?<!\d){_regex_of(template)}(?!\d)")
        directives = re.findall("%[A-Za-z]", template)
        if sum(one in ("%Y", "%y") for one in directives) != 1 or len(set(directives)) != len(directives):
            raise SourceError("imagery.date_template", kind="mismatch", given=template)

    def date_in(self, name: str) -> datetime | None:
        """Give the time that a name tells, None if it tells none."""
        found = self._regex.search(name)
        if found is None:
            return None
        try:
            directives = re.findall("%[A-Za-z]", self.template)
            return datetime.strptime(" ".join(found.groups()), " ".join(directives))
        except ValueError:
            return None


def dated_folders(folder: Path, pattern: DatePattern) -> dict[str, tuple[datetime, tuple[Path, ...]]]:
    """Scenes of a folder with one subfolder per date: id to time and raster files."""
    _check_folder(folder)
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    found = {name: (time, _rasters(folder / name)) for name in names if (time := pattern.date_in(name)) is not None}
    if not found:
        raise _undated(folder, pattern, names)
    empty = [name for name, (_, files) in found.items() if not files]
    if empty:
        raise SourceError("imagery.empty_folder", kind="empty", folder=str(folder / empty[0]))
    return found


def dated_files(folder: Path, pattern: DatePattern) -> dict[str, tuple[datetime, tuple[Path, ...]]]:
    """Scenes of a folder of files with the date in their names; files of one time make one scene."""
    _check_folder(folder)
    files = _rasters(folder)
    times: dict[datetime, list[Path]] = {}
    for file in files:
        time = pattern.date_in(file.name)
        if time is not None:
            times.setdefault(time, []).append(file)
    if not times:
        raise _undated(folder, pattern, [file.name for file in files])
    return {_id_of(time): (time, tuple(times[time])) for time in sorted(times)}


def listed_files(scenes: Mapping[date, Sequence[Path]]) -> dict[str, tuple[datetime, tuple[Path, ...]]]:
    """Scenes given as a list: the files of each date."""
    found = {}
    for day in sorted(scenes):
        time = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)
        found[_id_of(time)] = (time, tuple(Path(file) for file in scenes[day]))
    if not found or not all(files for _, files in found.values()):
        raise SourceError("imagery.empty_folder", kind="empty", folder="-")
    return found


def parts_of(scene: str, files: Sequence[Path], bands: Mapping[str, BandRef]) -> tuple[Part, ...]:
    """Put the files of a scene together.

    Raises
    ------
    SourceError
        If a band has no file or too few bands, two files claim the same band of the same ground, or files that belong
        together differ in extent or coordinate reference system.
    """
    places = {name: _place(ref) for name, ref in bands.items()}
    patterns = [pattern for pattern, _ in places.values() if pattern is not None]
    multiband = [file for file in files if not any(fnmatchcase(file.name, pattern) for pattern in patterns)]
    probed: dict[Path, RasterFile] = {}
    groups: list[dict[str, tuple[RasterFile, int]]] = []
    for name, (pattern, number) in places.items():
        chosen = multiband if pattern is None else [file for file in files if fnmatchcase(file.name, pattern)]
        if not chosen:
            wanted = f"*{SUFFIXES[0]}" if pattern is None else pattern
            where = str(files[0].parent) if files else "-"
            raise SourceError(
                "imagery.no_band_file", kind="missing", scene=scene, band=name, wanted=wanted, folder=where
            )
        for file in chosen:
            if file not in probed:
                probed[file] = probe(file)
            raster = probed[file]
            if not 1 <= number <= len(raster.dtypes):
                raise SourceError(
                    "imagery.no_band",
                    kind="missing",
                    file=str(file),
                    band=name,
                    number=number,
                    count=len(raster.dtypes),
                )
            _join(groups, name, raster, number)
    for group in groups:
        missing = [name for name in bands if name not in group]
        if missing:
            raise _unlike(scene, groups, group, missing[0])
    return tuple(Part(group) for group in sorted(groups, key=_order))


def _join(groups: list[dict[str, tuple[RasterFile, int]]], name: str, raster: RasterFile, number: int) -> None:
    """Add a band's file to the part with its extent, or begin one."""
    for group in groups:
        other = next(iter(group.values()))[0]
        if _same_ground(raster, other):
            if name in group:
                one, two = sorted((group[name][0].path.name, raster.path.name))
                raise SourceError(
                    "imagery.two_files", kind="mismatch", band=name, folder=str(raster.path.parent), one=one, two=two
                )
            group[name] = (raster, number)
            return
    groups.append({name: (raster, number)})


def _same_ground(one: RasterFile, other: RasterFile) -> bool:
    """Whether two files agree in coordinate reference system and, within half of the coarser pixel, in extent."""
    if one.grid == other.grid:
        return True
    if not same_crs(str(one.grid.crs), str(other.grid.crs)):
        return False
    pixel = max(abs(file.grid.affine.a) + abs(file.grid.affine.b) for file in (one, other))
    box, other_box = one.grid.extent.boundingbox, other.grid.extent.boundingbox
    return all(abs(a - b) <= pixel / 2 for a, b in zip(box.bbox, other_box.bbox, strict=True))


def _unlike(
    scene: str,
    groups: Sequence[Mapping[str, tuple[RasterFile, int]]],
    lone: Mapping[str, tuple[RasterFile, int]],
    missing: str,
) -> SourceError:
    """A band is missing beside these files: say which file of that band was found, and how it differs."""
    here = next(iter(lone.values()))[0]
    there = next((group[missing][0] for group in groups if missing in group), here)
    return SourceError(
        "imagery.unlike_files",
        kind="mismatch",
        scene=scene,
        band=missing,
        one=here.path.name,
        one_grid=_told(here),
        two=there.path.name,
        two_grid=_told(there),
    )


def _told(raster: RasterFile) -> str:
    rows, cols = raster.grid.shape.yx
    crs = raster.grid.crs
    name = f"EPSG:{crs.epsg}" if crs is not None and crs.epsg else "CRS without EPSG code"
    box = raster.grid.extent.boundingbox
    return f"{cols}x{rows} px, {name}, {box.left:.6g} {box.bottom:.6g} {box.right:.6g} {box.top:.6g}"


def _order(group: Mapping[str, tuple[RasterFile, int]]) -> str:
    return min(raster.path.as_posix() for raster, _ in group.values())


def _place(ref: BandRef) -> tuple[str | None, int]:
    """Pattern of file names, None for the multiband files, and band number."""
    if isinstance(ref, int):
        return None, ref
    pattern, colon, number = ref.rpartition(":")
    return (pattern, int(number)) if colon and number.isdecimal() else (ref, 1)


def _regex_of(template: str) -> str:
    pieces = re.split(r"(%[A-Za-z]|\*|\?)", template)
    regex = ""
    for piece in pieces:
        if piece.startswith("%") and len(piece) == 2:
            if piece not in _DIRECTIVES:
                raise SourceError("imagery.date_template", kind="mismatch", given=template)
            regex += f"({_DIRECTIVES[piece]})"
        else:
            regex += {"*": ".*?", "?": "."}.get(piece, re.escape(piece))
    return regex


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceError("imagery.no_folder", kind="missing", folder=str(folder))
    if not any(folder.iterdir()):
        raise SourceError("imagery.empty_folder", kind="empty", folder=str(folder))


def _rasters(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(file for file in folder.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES))


def _undated(folder: Path, pattern: DatePattern, names: Sequence[str]) -> SourceError:
    shown = ", ".join(names[:3]) or "-"
    return SourceError("imagery.no_dates", kind="mismatch", folder=str(folder), template=pattern.template, names=shown)


def _id_of(time: datetime) -> str:
    return time.date().isoformat() if time.time() == datetime.min.time() else time.isoformat()
