"""How much the program takes of a file that came from somebody else; beyond it the file is refused, not tried.

Every bound is far above what honest data needs and far below what would fill a machine. One place, so that they can be
read, tested and changed together.
"""

from __future__ import annotations

CONFIG_BYTES = 1_000_000
"""A configuration; a full one is 20 kB."""

RECIPE_BYTES = 200_000
"""The recipe of a model."""

TARGETS_BYTES = 2_000_000
"""A file of targets or of conversion tables."""

CARD_BYTES = 50_000_000
"""The card of a trained model."""

MODEL_BYTES = 2_000_000_000
"""The estimator of a trained model, packed."""

MODEL_UNPACKED_BYTES = 8_000_000_000
"""The same, unpacked."""

TABLE_BYTES = 1_000_000_000
"""A field table as text."""

TABLE_ROWS = 1_048_576
"""Rows of a table: those of a spreadsheet."""

TABLE_COLUMNS = 16_384
"""Columns of a table: those of a spreadsheet."""

CELL_CHARACTERS = 131_072
"""One cell of a text table."""

SHEET_UNPACKED_BYTES = 2_000_000_000
"""A workbook, unpacked."""

VECTOR_BYTES = 2_000_000_000
"""A vector file in a format of text, or packed."""

RASTER_SIDE = 1_000_000
"""Pixels a side of a raster; beyond it a header is taken for damaged."""

RASTER_BANDS = 10_000
"""Bands of a raster."""

ARCHIVE_FILES = 100_000
"""Files in an archive."""

ARCHIVE_BYTES = 64 * 1024**3
"""All files of an archive, unpacked; the largest product of Sentinel-2 has 1.2 GB, of GEDI 10 GB."""

ARCHIVE_RATIO = 250
"""Unpacked over packed bytes of a whole archive, where it unpacks to more than ``ARCHIVE_FREE_BYTES``; products of
satellites reach 12."""

ARCHIVE_FREE_BYTES = 64 * 1024**2
"""An archive that unpacks to no more than this is no bomb, however well it packs."""

ARCHIVE_DEPTH = 32
"""Folders inside each other in an archive."""

TAR_HEADER_BYTES = 64 * 1024
"""Most bytes of an extended header (pax, or a long name of GNU) in a tar, which is read as a whole; longest names and
times take a few thousand."""

NAME_BYTES = 240
"""One name in an archive, encoded; file systems take 255."""

PATH_BYTES = 1_500
"""A whole path in an archive, encoded."""
