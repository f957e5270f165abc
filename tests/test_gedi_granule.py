"""GEDI granules: what is read, what the rules reject, what is refused."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import geopandas as gpd
import h5py
import numpy as np
import pandas as pd
import pytest
import shapely

from sinkest.errors import InputError
from sinkest.imagery import gedi_granule
from sinkest.imagery.gedi import COLUMNS, NEEDED, as_table, rules
from sinkest.imagery.gedi_granule import read_granules
from tests.gedi_granules import write_granule
from tests.project_fixture import call

REAL = "inventory/GEDI/GEDI04_A_2020036151358_O06515_02_T00198_02_002_01_V002.zip"


def here(count: int) -> dict[str, object]:
    """So many good shots."""
    return {"lon": 113.0 + 0.001 * np.arange(count), "lat": 27.8 + 0.001 * np.arange(count)}


# -- the real granule -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(real_data: Path) -> gpd.GeoDataFrame:
    return read_granules([real_data / REAL])


def test_the_real_granule_is_read_whole(real: gpd.GeoDataFrame) -> None:
    # h5dump of the granule: 34 + 34 + 11 + 10 + 84 + 103 + 73 + 112 shots in its eight beams
    assert len(real) == real.attrs["shots"] == 461
    assert real.attrs["unplaced"] == 0
    assert [*real.columns] == [*COLUMNS, "geometry"]
    assert str(real.crs) == "EPSG:4326"
    first = real.iloc[0]
    # the first shot of BEAM0000: read with h5py by hand; 66154252.688 s after 2018-01-01 is 765 days and 58252.7 s
    assert first["shot_number"] == 65150000200000001
    assert first["agbd_t_ha"] == pytest.approx(25.264719, abs=1e-6)
    assert first["agbd_se_t_ha"] == pytest.approx(2.981941, abs=1e-6)
    assert (first["lon"], first["lat"]) == (51.471381666194446, 36.093715792990594)
    assert first["time"] == pd.Timestamp("2020-02-05 16:10:52.688")
    assert (first["beam"], first["power_beam"], first["pft"], first["predict_stratum"]) == (
        "BEAM0000",
        False,
        6,
        "GSW_NAs",
    )


def test_shots_without_a_prediction_are_empty_and_rejected(real: gpd.GeoDataFrame) -> None:
    empty = real["agbd_t_ha"].isna()
    assert empty.sum() == 23
    assert real.loc[empty, "rejected_by"].str.split().str[0].eq("value").all()
    assert not real.loc[empty, "usable"].any()
    assert (real["agbd_t_ha"].dropna() >= 0).all()


def test_usable_shots_are_those_that_pass_by_hand(real: gpd.GeoDataFrame) -> None:
    by_hand = (
        (real["agbd_t_ha"] >= 0)
        & (real["l4_quality_flag"] == 1)
        & (real["degrade_flag"] == 0)
        & (real["surface_flag"] == 1)
        & (real["sensitivity"] > np.where(real["pft"] == 2, 0.98, 0.95))
        & (real["water_percent"] < 10)
        & (real["urban_percent"] < 50)
    )
    assert by_hand.sum() == real["usable"].sum() == 321
    assert (by_hand.to_numpy(bool) == real["usable"].to_numpy()).all()


def test_shot_numbers_keep_every_digit_through_the_file(real: gpd.GeoDataFrame, tmp_path: Path) -> None:
    real.to_parquet(tmp_path / "shots.parquet")
    back = gpd.read_parquet(tmp_path / "shots.parquet")
    assert back["shot_number"].dtype == "UInt64"
    # 17 digits: a double would round the last one
    assert back["shot_number"].tolist() == real["shot_number"].tolist()
    assert int(back["shot_number"].max()) > 2**53


# -- the rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("agbd", -9999.0, "value"),
        ("l4_quality_flag", 0, "l4_quality"),
        ("degrade_flag", 3, "degraded"),
        ("surface_flag", 0, "surface"),
        ("sensitivity", 0.95, "sensitivity"),
        ("land_cover_data/landsat_water_persistence", 10, "water"),
        ("land_cover_data/urban_proportion", 50, "urban"),
    ],
)
def test_each_rule_rejects_what_it_names(tmp_path: Path, column: str, value: float, rule: str) -> None:
    good = {"agbd": 100.0, "l4_quality_flag": 1, "surface_flag": 1, "sensitivity": 0.97}.get(column, 0)
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": {**here(2), column: [good, value]}})
    found = read_granules([file])
    assert found["rejected_by"].tolist() == ["", rule]
    assert found["usable"].tolist() == [True, False]


def test_dense_evergreen_broadleaf_needs_more_sensitivity(tmp_path: Path) -> None:
    shots = {**here(3), "land_cover_data/pft_class": [2, 2, 1], "sensitivity": [0.97, 0.985, 0.97]}
    found = read_granules([write_granule(tmp_path / "g.h5", {"BEAM0101": shots})])
    assert found["rejected_by"].tolist() == ["sensitivity_dense", "", ""]


def test_rules_on_terrain_are_unchecked_without_a_model_and_checked_with_one(tmp_path: Path) -> None:
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": here(3)})
    assert read_granules([file]).attrs["unchecked"] == ("slope", "too_high", "too_low")
    found = read_granules(
        [file],
        terrain=lambda lon, lat: {"elevation_m": np.array([80.0, 260.0, -100.0]), "slope_deg": np.array([10, 31, 5.0])},
    )
    # the ground lies at 80 m by every shot
    assert found["above_dem_m"].tolist() == [0.0, -180.0, 180.0]
    assert found["rejected_by"].tolist() == ["", "slope too_low", "too_high"]
    assert found.attrs["unchecked"] == ()


def test_every_rule_has_a_source_and_an_id_of_its_own() -> None:
    assert len({rule.id for rule in rules()}) == len(rules())
    assert all(rule.source and rule.status in {"SRC", "SRC2", "MEM"} for rule in rules())
    assert {rule.column for rule in rules()} <= set(COLUMNS)


# -- gathering ------------------------------------------------------------------------------------------------------


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    one = write_granule(tmp_path / "a.h5", {"BEAM0101": here(3), "BEAM0000": here(2)})
    two = write_granule(tmp_path / "b.h5", {"BEAM0011": {**here(2), "shot_number": np.array([7, 5], dtype=np.uint64)}})
    found = read_granules([one, two])
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(read_granules([two, one])))
    assert found["shot_number"].is_monotonic_increasing
    assert found["granule"].tolist() == ["b", "b", *["a"] * 5]
    assert found.loc[found["beam"] == "BEAM0101", "power_beam"].all()


def test_only_shots_of_the_area_are_kept_and_shots_without_a_place_are_counted(tmp_path: Path) -> None:
    shots = {"lon": [113.0, 113.1, -9999.0, 113.0], "lat": [27.8, 27.8, 27.8, 27.8]}
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": {**shots, "delta_time": [1.0, 1.0, 1.0, np.nan]}})
    found = read_granules([file], area=shapely.box(112.9, 27.7, 113.05, 27.9))
    assert found["lon"].tolist() == [113.0]
    assert (found.attrs["shots"], found.attrs["unplaced"]) == (4, 2)


def test_one_granule_given_twice_is_refused(tmp_path: Path) -> None:
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": here(2)})
    with pytest.raises(InputError) as refused:
        read_granules([file, file])
    assert refused.value.key == "gedi.repeated"


def test_a_source_may_lack_columns_but_not_the_needed_ones() -> None:
    given = {name: [1] for name in NEEDED} | {
        "time": [np.datetime64("2024-06-01", "ms")],
        "beam": ["BEAM0101"],
        "degrade_flag": [0],
    }
    found = as_table(given, where="here")
    assert found["usable"].tolist() == [True]
    assert "sensitivity" in found.attrs["unchecked"]
    assert found["plot_id"].tolist() == ["gedi_1"]
    assert found["date"].tolist() == ["2024-06-01"]
    with pytest.raises(InputError, match="here: no agbd_se_t_ha"):
        as_table({name: values for name, values in given.items() if name != "agbd_se_t_ha"}, where="here")
    with pytest.raises(InputError) as refused:
        as_table({**given, "lon": [1, 2]}, where="here")
    assert refused.value.key == "gedi.lengths"


# -- what is refused ------------------------------------------------------------------------------------------------


def refused(*files: Path) -> str:
    with pytest.raises(InputError) as problem:
        read_granules(files)
    assert str(files[0].name if files else "granule") in str(problem.value)
    return problem.value.key


def changed(folder: Path, change) -> Path:
    """A granule of two shots after a change."""
    file = write_granule(folder / "g.h5", {"BEAM0101": here(2)})
    with h5py.File(file, "r+") as content:
        change(content)
    return file


def replace(name: str, **made: object):
    """A change that makes a dataset anew."""

    def change(content: h5py.File) -> None:
        del content[f"BEAM0101/{name}"]
        content.create_dataset(f"BEAM0101/{name}", **made)

    return change


def test_what_is_no_granule_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.h5") == "gedi.no_file"
    (tmp_path / "page.h5").write_text("<html>Log in</html>")
    assert refused(tmp_path / "page.h5") == "gedi.not_hdf5"
    with h5py.File(tmp_path / "other.h5", "w") as content:
        content["temperature"] = [1.0]
    assert refused(tmp_path / "other.h5") == "gedi.no_beams"
    assert refused() == "gedi.no_files"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda content: content.pop("BEAM0101/agbd"), "gedi.missing"),
        (lambda content: content.pop("BEAM0101/land_cover_data"), "gedi.missing"),
        (replace("agbd", data=[1.0, 2.0, 3.0]), "gedi.shape"),
        (replace("agbd", data=[[1.0], [2.0]]), "gedi.shape"),
        (replace("agbd", data=["much", "little"]), "gedi.dataset"),
        (replace("shot_number", data=[1.0, 2.0]), "gedi.dataset"),
        (replace("predict_stratum", data=[1, 2]), "gedi.dataset"),
        (replace("predict_stratum", data=np.array([b"x", b"y"], dtype="S9000")), "gedi.dataset"),
        (replace("shot_number", shape=(10**12,), dtype="u8", chunks=(1000,)), "gedi.too_large"),
        (replace("agbd", shape=(2,), maxshape=(None,), dtype="f4", chunks=(10**9,)), "gedi.too_large"),
    ],
)
def test_odd_datasets_are_refused_by_name(tmp_path: Path, change, key: str) -> None:
    assert refused(changed(tmp_path, change)) == key


def test_a_group_where_a_dataset_belongs_is_refused(tmp_path: Path) -> None:
    def change(content: h5py.File) -> None:
        del content["BEAM0101/agbd"]
        content.create_group("BEAM0101/agbd")

    assert refused(changed(tmp_path, change)) == "gedi.dataset"

    def beam(content: h5py.File) -> None:
        content["BEAM1011"] = [1.0]

    assert refused(changed(tmp_path, beam)) == "gedi.dataset"


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as content:
        content["agbd"] = np.array([1.0, 2.0], dtype=np.float32)
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    layout = h5py.VirtualLayout(shape=(2,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "agbd", shape=(2,))

    def external(content: h5py.File) -> None:
        del content["BEAM0101/agbd"]
        content["BEAM0101/agbd"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "agbd")

    def virtual(content: h5py.File) -> None:
        del content["BEAM0101/agbd"]
        content.create_virtual_dataset("BEAM0101/agbd", layout)

    raw = replace("agbd", shape=(2,), dtype="f4", external=[(str(tmp_path / "secret.bin"), 0, 8)])
    for change in (external, virtual, raw):
        assert refused(changed(tmp_path, change)) == "gedi.link"


def test_zip_files_that_are_no_granule_are_refused(tmp_path: Path) -> None:
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": here(2)})
    for name, members in {
        "none.zip": {"readme.txt": b"nothing"},
        "two.zip": {"a.h5": file.read_bytes(), "b.h5": file.read_bytes()},
        "climb.zip": {"../../g.h5": file.read_bytes()},
        "bomb.zip": {"g.h5": bytes(100 * 2**20)},
    }.items():
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    assert refused(tmp_path / "none.zip") == "gedi.zip_members"
    assert refused(tmp_path / "two.zip") == "gedi.zip_members"
    assert refused(tmp_path / "climb.zip").startswith("trust.archive_")
    assert refused(tmp_path / "bomb.zip").startswith("trust.archive_")
    assert not list(tmp_path.parent.glob("g.h5"))


def test_a_good_zip_reads_as_its_granule(tmp_path: Path) -> None:
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": here(2)})
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        archive.write(file, "folder/g.h5")
    pd.testing.assert_frame_equal(
        pd.DataFrame(read_granules([file])), pd.DataFrame(read_granules([tmp_path / "g.zip"]))
    )


@pytest.mark.parametrize("kind", ["flips", "cut", "zeros"])
def test_damaged_copies_of_the_real_granule_are_read_or_refused_clearly(
    real_data: Path, tmp_path: Path, kind: str
) -> None:
    with zipfile.ZipFile(real_data / REAL) as archive:
        content = archive.read(archive.namelist()[0])
    told = set()
    for seed in range(8):
        chance = random.Random(f"{kind}{seed}")
        damaged = bytearray(content)
        if kind == "flips":
            for _ in range(chance.randrange(1, 2000)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        elif kind == "cut":
            del damaged[chance.randrange(len(damaged)) :]
        else:
            for _ in range(40):
                start = chance.randrange(len(damaged) - 4000)
                damaged[start : start + 4000] = bytes(4000)
        file = tmp_path / f"{seed}.h5"
        file.write_bytes(damaged)
        try:
            read_granules([file])
        except InputError as problem:
            told.add(problem.key)
            assert file.name in str(problem)
    assert told
    assert all(key.startswith("gedi.") for key in told)


# -- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_usable_shots_and_says_what_they_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = {**here(4), "degrade_flag": [0, 0, 3, 0]}
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": shots})
    assert call("gedi", file, "--out", tmp_path / "shots.parquet") == 0
    said = capsys.readouterr().out
    assert "4 shots in 1 file(s)" in said
    assert "degraded: 1 shots fail" in said
    assert "not ground truth" in said
    assert "not checked, no elevation model at hand: slope" in said
    found = gpd.read_parquet(tmp_path / "shots.parquet")
    assert len(found) == 3
    assert found["usable"].all()
    assert set(found["origin"]) == {"gedi_l4a"}
    assert call("gedi", file, "--out", tmp_path / "all.parquet", "--all") == 0
    assert gpd.read_parquet(tmp_path / "all.parquet")["rejected_by"].tolist() == ["", "", "degraded", ""]


def test_the_command_refuses_to_write_an_empty_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_granule(tmp_path / "g.h5", {"BEAM0101": {**here(2), "l4_quality_flag": 0}})
    assert call("gedi", file, "--out", tmp_path / "shots.parquet") == 2
    assert "no usable shot" in capsys.readouterr().err
    assert not (tmp_path / "shots.parquet").exists()


def test_limits_hold_a_whole_granule() -> None:
    # a quarter of an orbit at 242 shots a second: 92.5 min / 4 * 60 s * 242 / s = 336 000 at most a beam
    assert gedi_granule.MAX_SHOTS > 92.5 / 4 * 60 * 242
