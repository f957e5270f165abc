"""Opening a field table of any kind, cell by cell, with the row numbers that a spreadsheet shows."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray

from sinkest import limits
from sinkest.aoi.vector import UNREADABLE, read_vector
from sinkest.archives import Bounds, members
from sinkest.errors import InputError
from sinkest.learn.cells import is_empty
from sinkest.learn.fields import COMMENT
from sinkest.messages import Message

TEXT_ENDINGS = frozenset({".csv", ".txt", ".tsv"})
VECTOR_ENDINGS = frozenset({".gpkg", ".geojson", ".json", ".shp", ".zip", ".kml", ".gdb"})
PARQUET_ENDINGS = frozenset({".parquet", ".geoparquet", ".pq"})
SHEET_ENDINGS = frozenset({".xlsx", ".xlsm"})
SUPPORTED = ".csv, .gpkg, .geojson, .parquet, .xlsx, .shp"
DELIMITERS = (",", "\t", ";")
MAX_ROWS = limits.TABLE_ROWS
_PACKED_SHEET = Bounds(unpacked_bytes=limits.SHEET_UNPACKED_BYTES)
_NO_PARQUET = (*UNREADABLE, AttributeError)
_NO_SHEET = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise of damaged files; the parser's own error is a SyntaxError."""


@dataclass
class RawTable:
    """A table as it stands in its file.

    Attributes
    ----------
    file : Path
    cells : dict of str to array (n,)
        Cells of each column, in the order of the file.
    rows : int64 array (n,)
        Row number of each record; the header is row 1.
    geometry : GeoSeries or None
        Geometry of each record, where the file carries any.
    notes : list of Message
        What was done on the way in that the reader of the results should know.
    problems : list of (int, Message)
        What is wrong with the file as a table, and in which row (0: in all of it).
    """

    file: Path
    cells: dict[str, NDArray[Any]]
    rows: NDArray[np.int64]
    geometry: gpd.GeoSeries | None = None
    notes: list[Message] = field(default_factory=list)
    problems: list[tuple[int, Message]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def rename(self, columns: Mapping[str, str]) -> None:
        """Give columns of the file (keys) the documented names (values)."""
        for given, wanted in columns.items():
            if given == wanted:
                continue
            if given not in self.cells:
                present = ", ".join(self.cells)
                message = Message.of("learn.renamed_missing", column=given, wanted=wanted, columns=present)
                self.problems.append((0, message))
            elif wanted in self.cells:
                self.problems.append((0, Message.of("learn.renamed_taken", column=given, wanted=wanted)))
            else:
                self.cells = {wanted if name == given else name: cells for name, cells in self.cells.items()}


def open_table(path: str | Path, layer: str | None = None) -> RawTable:
    """Open a table without judging its content.

    Parameters
    ----------
    path : path
        CSV (UTF-8, UTF-16 with a mark, or GB18030; comma, semicolon or tab), GeoPackage, GeoJSON and other vector
        files, GeoParquet or Parquet, xlsx (first sheet, or ``layer``).
    layer : str, optional
        Layer or sheet, where the file has several.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, damaged, empty, or no table.
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending in VECTOR_ENDINGS:
        return _from_frame(file, read_vector(file, layer))
    if not file.is_file():
        raise InputError("learn.no_file", file=file)
    if ending in PARQUET_ENDINGS:
        try:
            return _from_frame(file, _read_parquet(file))
        except pyarrow.ArrowException as error:  # bytes that are no text show when they are looked at
            raise InputError("learn.damaged", file=file, reason=_first_line(error)) from error
    if ending in SHEET_ENDINGS:
        return _from_records(file, *_read_sheet(file, layer))
    if ending in TEXT_ENDINGS:
        return _read_text(file)
    raise InputError("learn.unknown_kind", file=file, ending=ending or "-", supported=SUPPORTED)


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        return gpd.read_parquet(file, use_threads=False, pre_buffer=False)
    except _NO_PARQUET as no_geometry:
        try:
            return pd.read_parquet(file, use_threads=False, pre_buffer=False)
        except _NO_PARQUET as error:
            reason = _first_line(error)
            raise InputError("learn.damaged", file=file, reason=reason) from no_geometry


def _from_frame(file: Path, frame: pd.DataFrame) -> RawTable:
    if len(frame) == 0:
        raise InputError("learn.no_rows", file=file)
    geometry = None
    if isinstance(frame, gpd.GeoDataFrame):
        geometry = frame.geometry.reset_index(drop=True)
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    # What a vector file calls its first feature stands below the header of the same table in a spreadsheet.
    rows = np.arange(2, len(frame) + 2, dtype=np.int64)
    cells = {str(name): frame[name].to_numpy() for name in frame.columns}
    return RawTable(file, cells, rows, geometry)


def _read_sheet(file: Path, sheet: str | None) -> tuple[list[list[Any]], list[Message]]:
    import openpyxl

    try:
        members(file, _PACKED_SHEET)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except InputError as error:
        raise InputError("learn.damaged", file=file, reason=error.message) from error
    except _NO_SHEET as error:
        raise InputError("learn.damaged", file=file, reason=_first_line(error)) from error
    try:
        chosen = _chosen_sheet(file, book, sheet)
        notes = []
        if sheet is None and len(book.sheetnames) > 1:
            notes.append(Message.of("learn.first_sheet", file=file.name, sheet=chosen.title))
        return _records(file, chosen), notes
    except InputError:
        raise
    except _NO_SHEET as error:
        raise InputError("learn.damaged", file=file, reason=_first_line(error)) from error
    finally:
        book.close()


def _chosen_sheet(file: Path, book: Any, sheet: str | None) -> Any:
    if sheet is None:
        return book.worksheets[0]
    if sheet not in book.sheetnames:
        raise InputError("learn.no_sheet", file=file, sheet=sheet, sheets=", ".join(book.sheetnames))
    return book[sheet]


def _records(file: Path, sheet: Any) -> list[list[Any]]:
    """Rows of a sheet, each as wide as its header at least; the size that the sheet claims is not believed."""
    sheet.reset_dimensions()
    records: list[list[Any]] = []
    width = 0
    for row in sheet.iter_rows(values_only=True):
        record = list(row)
        width = width or (len(record) if _holds_data(record) else 0)
        records.append([*record, *[None] * (width - len(record))])
        if len(records) > MAX_ROWS:
            raise InputError("learn.too_many_rows", file=file, limit=MAX_ROWS)
    return records


def _read_text(file: Path) -> RawTable:
    text, notes = _decode(file)
    if "\0" in text:
        raise InputError("learn.not_text", file=file)
    delimiter = _delimiter(text)
    try:
        records: list[list[Any]] = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError("learn.damaged", file=file, reason=str(error)) from error
    return _from_records(file, records, notes)


def _decode(file: Path) -> tuple[str, list[Message]]:
    try:
        if file.stat().st_size > limits.TABLE_BYTES:
            raise InputError("learn.too_large", file=file, limit=limits.TABLE_BYTES)
        content = file.read_bytes()
    except OSError as error:
        raise InputError("learn.damaged", file=file, reason=error.strerror or str(error)) from error
    if not content.strip():
        raise InputError("learn.empty_file", file=file)
    encodings = ["utf-16"] if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        notes = (
            [Message.of("learn.other_encoding", file=file.name, encoding="GB18030")] if encoding == "gb18030" else []
        )
        return text, notes
    raise InputError("learn.encoding", file=file)


def _delimiter(text: str) -> str:
    """The delimiter that the header uses most."""
    header = next((line for line in text.splitlines() if line.strip() and not line.startswith(COMMENT)), "")
    return max(DELIMITERS, key=lambda mark: (header.count(mark), -DELIMITERS.index(mark)))


def _from_records(file: Path, records: list[list[Any]], notes: list[Message]) -> RawTable:
    """A table from rows of cells, the first of them the header."""
    numbered = [(number, record) for number, record in enumerate(records, start=1) if _holds_data(record)]
    if not numbered:
        raise InputError("learn.empty_file", file=file)
    if len(numbered) == 1:
        raise InputError("learn.no_rows", file=file)
    if len(numbered) > MAX_ROWS:
        raise InputError("learn.too_many_rows", file=file, limit=MAX_ROWS)
    problems: list[tuple[int, Message]] = []
    header = _header(numbered[0][1], problems)
    width = len(header)
    for number, record in numbered[1:]:
        while len(record) > width and is_empty(record[-1]):
            record.pop()
        if len(record) != width:
            problems.append((number, Message.of("learn.ragged", row=number, cells=len(record), columns=width)))
            record[:] = [*record[:width], *[None] * (width - len(record))]
    rows = np.array([number for number, _ in numbered[1:]], dtype=np.int64)
    cells = {}
    for position, name in enumerate(header):
        column = np.empty(len(rows), dtype=object)
        column[:] = [record[position] for _, record in numbered[1:]]
        if name or not all(is_empty(cell) for cell in column):
            cells[name or f"unnamed_{position + 1}"] = column
    return RawTable(file, cells, rows, None, list(notes), problems)


def _holds_data(record: list[Any]) -> bool:
    """False for blank rows and for explanations."""
    if all(is_empty(cell) for cell in record):
        return False
    return not (isinstance(record[0], str) and record[0].lstrip().startswith(COMMENT))


def _header(record: list[Any], problems: list[tuple[int, Message]]) -> list[str]:
    header = ["" if is_empty(cell) else str(cell).strip() for cell in record]
    while header and not header[-1]:
        header.pop()
    seen: dict[str, int] = {}
    for position, name in enumerate(header):
        if name and name in seen:
            message = Message.of("learn.duplicate_column", column=name, first=seen[name] + 1, second=position + 1)
            problems.append((0, message))
            header[position] = f"{name}.{position + 1}"
        seen.setdefault(name, position)
    return header


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
