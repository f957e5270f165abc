"""Whatever bytes a field table holds, the readers give a table in its normal form or one refusal; nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.learn import table

CLASSES = {"fir": ("1", "杉木林"), "water": ("14", "水域")}
PLOTS = (
    "plot_id,lon,lat,date,volume_m3_ha,forest_type,area_ha,note\n"
    "1,113.10,27.80,2025-10-01,68.5,杉木林,0.0667,a\n"
    '2,113.20,27.70,2025/10/02,0,,0.0667,"b, c"\n'
)
REFERENCE = "point_id,lon,lat,stratum,reference_class\n1,113.1,27.8,forest,fir\n2,113.2,27.7,other,water\n"
PIECES = st.sampled_from(
    [
        b",",
        b'"',
        b"\n",
        b"\r",
        b"\0",
        b"#",
        b"-",
        b"1e999",
        b"nan",
        b"\xff",
        b"\xd2",
        "杉".encode(),
        b"POINT (1 2)",
        b"=1+1",
    ]
)
RELAXED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def accept(path: Path, reader, key: str) -> None:
    """Read; a refusal must name the file and read in both languages."""
    try:
        frame = reader(path, classes=CLASSES)
    except InputError as error:
        for language in ("zh", "en"):
            assert str(path) in error.message.text(language)
        return
    assert len(frame) > 0
    assert frame[key].is_unique
    assert np.isfinite(frame["lon"]).all()
    assert (frame["lat"].abs() <= 90).all()
    if "volume_m3_ha" in frame:
        assert frame["volume_m3_ha"].between(0, 2000).all()


@RELAXED
@given(content=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plots.csv"
    path.write_bytes(content)
    accept(path, table.read_plots, "plot_id")


@RELAXED
@given(data=st.data())
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_good_table_with_pieces_broken(tmp_path: Path, data: st.DataObject, encoding: str) -> None:
    content = bytearray(PLOTS.encode(encoding))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 12)))
        content[start:stop] = data.draw(PIECES | st.binary(max_size=6))
    path = tmp_path / "plots.csv"
    path.write_bytes(bytes(content))
    accept(path, table.read_plots, "plot_id")


@RELAXED
@given(stop=st.integers(0, len(REFERENCE)), cell=st.text(max_size=12))
def test_a_cut_table_with_any_text_in_it(tmp_path: Path, stop: int, cell: str) -> None:
    path = tmp_path / "reference.csv"
    path.write_bytes((REFERENCE.replace("forest", cell.replace('"', ""))[:stop]).encode("utf-8", "surrogatepass"))
    accept(path, table.read_reference, "point_id")


@RELAXED
@given(
    rows=st.lists(
        st.tuples(
            st.text(max_size=6),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(-400, 400),
            st.one_of(st.dates(), st.text(max_size=10)),
            st.floats(-10, 3000),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_values_in_the_right_columns(tmp_path: Path, rows: list[tuple]) -> None:
    lines = ["plot_id;lon;lat;date;volume_m3_ha"]
    for row in rows:
        lines.append(";".join('"' + str(cell).replace('"', '""') + '"' for cell in row))
    path = tmp_path / "plots.csv"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    accept(path, table.read_plots, "plot_id")
