"""Age groups of the plots, and growing stock and area by them; expected numbers by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sinkest.config import load_config
from sinkest.errors import ConfigError, InputError
from sinkest.estimate.domains import county_areas
from sinkest.learn.table import read_plots
from sinkest.report.ages import AGES
from sinkest.stages import inference
from sinkest.stages.ages import age_groups
from sinkest.stages.inference import CITY, Frame

CONFIG = (Path(__file__).resolve().parents[1] / "configs" / "demo.toml").read_text(encoding="utf-8")
LIMITS = {"fir": (11, 21, 26, 36), "all": (21, 41, 61, 81)}
ZONES = {"a": 600.0, "b": 400.0}


# -- from columns to groups ------------------------------------------------------------------------------------------


def test_years_become_groups_by_the_limits_of_their_type() -> None:
    years = [10, 11, 20.9, 21, 26, 36, 20, 21, 81]
    plots = pd.DataFrame({"forest_type": ["fir"] * 6 + ["mixed"] * 3, "age_years": years})
    found, notes = age_groups(plots, LIMITS, ["fir", "mixed"])
    assert found is not None
    expected = ["young", "middle", "middle", "near", "mature", "over", "young", "middle", "over"]
    assert (found.tolist(), notes) == (expected, ())


def test_a_written_group_counts_before_years_and_other_land_has_none() -> None:
    plots = pd.DataFrame(
        {
            "forest_type": ["fir", "fir", "bamboo", "mixed"],
            "age_group": ["over", "", "young", ""],
            "age_years": [5.0, 5.0, 5.0, np.nan],
        }
    )
    found, notes = age_groups(plots, {"fir": LIMITS["fir"]}, ["fir", "mixed"])
    assert found is not None
    assert found.tolist() == ["over", "young", "", "unknown"]
    assert [(note.key, dict(note.fields)) for note in notes] == [("stages.ages_unknown", {"plots": 1, "all": 3})]


def test_years_without_limits_are_no_groups_and_that_is_said() -> None:
    plots = pd.DataFrame({"forest_type": ["fir"], "age_years": [12.0]})
    assert [note.key for note in age_groups(plots, {}, ["fir"])[1]] == ["stages.ages_no_limits"]
    assert age_groups(plots.drop(columns="age_years"), LIMITS, ["fir"]) == (None, ())


def table(path: Path, *groups: str) -> Path:
    rows = [f"P{k},113.{k},27.5,2025-06-01,10,{group}" for k, group in enumerate(groups)]
    path.write_text("\n".join(["plot_id,lon,lat,date,volume_m3_ha,age_group", *rows]), encoding="utf-8")
    return path


def test_the_words_of_crews_are_read(tmp_path: Path) -> None:
    plots = read_plots(table(tmp_path / "plots.csv", "幼龄林", "中龄", "3", "Mature", "过", ""))
    assert plots["age_group"].tolist() == [*AGES, ""]


def test_another_word_is_refused_with_those_that_serve(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="young/幼龄林") as caught:
        read_plots(table(tmp_path / "plots.csv", "old"))
    assert "row 2" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("age_limits = { fir = [11, 21, 21, 36] }", "stock.age_limits.fir"),
        ("age_limits = { fir = [11, 21] }", "stock.age_limits.fir.2"),
        ("age_limits = { oak = [11, 21, 26, 36] }", "'oak' is no id"),
    ],
)
def test_limits_that_cannot_be_are_refused(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(re.sub("^age_limits = .*$", line, CONFIG, flags=re.M), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "config.toml")


# -- from groups to stock and area -----------------------------------------------------------------------------------


def plots() -> pd.DataFrame:
    """50 plots, 30 in zone a: 10 young with 20 m3/ha, 6 mature with 100, 4 of unknown age with 50, 30 elsewhere."""
    age = ["young"] * 6 + ["mature"] * 2 + ["unknown"] * 2 + [""] * 20
    age += ["young"] * 4 + ["mature"] * 4 + ["unknown"] * 2 + [""] * 10
    volume = {"young": 20.0, "mature": 100.0, "unknown": 50.0, "": 0.0}
    return pd.DataFrame(
        {
            "stand_age": age,
            "volume_m3_ha": [volume[one] for one in age],
            "forest_type": ["fir" if one else "" for one in age],
            "zone_id": ["a"] * 30 + ["b"] * 20,
            "x_m": np.arange(50.0),
            "y_m": 0.0,
        }
    )


def rows(arbor: bool) -> pd.DataFrame:
    """Estimates without help of a map, so that they are means of the plots times the land."""
    frame = Frame(2025, 0.95, "forest_current_rule", False, ZONES)
    nothing = pd.DataFrame({"fir": np.zeros(50)})
    means = pd.DataFrame({"fir": [0.0, 0.0]}, index=list(ZONES))
    # 100 points, 20 of the 60 of zone a and 24 of the 40 of zone b in arbor forest: 200 + 240 ha
    hit = np.r_[np.ones(20), np.zeros(40), np.ones(24), np.zeros(16)]
    where = np.repeat(["a", "b"], [60, 40])
    sizes = pd.DataFrame({"s": ZONES})
    points = county_areas(hit, np.repeat("s", 100), where, sizes, minimum=10) if arbor else None
    found = inference.stock(frame, plots(), nothing, means, ["fir"], "random", 10, points)
    return pd.DataFrame(found.rows).set_index(["quantity", "zone"])


def test_stock_by_age_is_the_mean_of_its_plots_times_the_land() -> None:
    found = rows(arbor=False)
    # 10 plots of 50 with 20 m3/ha on 1000 ha: 4 m3/ha, 4000 m3
    assert found.loc[("stock_by_age:young", CITY), "value"] == pytest.approx(4_000)
    assert found.loc[("stock_by_age:mature", CITY), "value"] == pytest.approx(12_000)
    assert found.loc[("stock_by_age:unknown", CITY), "value"] == pytest.approx(4_000)
    y = np.r_[np.full(10, 20.0), np.zeros(40)]
    assert found.loc[("stock_by_age:young", CITY), "se"] == pytest.approx(1_000 * y.std(ddof=1) / math.sqrt(50))


@pytest.mark.parametrize("arbor", [False, True])
def test_groups_add_up_to_the_stock_and_the_area_in_every_zone(arbor: bool) -> None:
    found = rows(arbor)["value"]
    for zone in (CITY, *ZONES):
        parts = [found[f"stock_by_age:{group}", zone] for group in ("young", "mature", "unknown")]
        assert math.fsum(parts) == pytest.approx(found["growing_stock", zone], rel=1e-9)
    for group in ("young", "mature", "unknown"):
        for head in ("stock_by_age", "area_by_age"):
            zones = math.fsum(found[f"{head}:{group}", zone] for zone in ZONES)
            assert zones == pytest.approx(found[f"{head}:{group}", CITY], rel=1e-9)


def test_area_by_age_is_the_plots_share_of_the_area_by_points() -> None:
    found = rows(arbor=True)
    row = found.loc[("area_by_age:young", CITY)]
    # 10 of the 20 plots in arbor forest, of 440 ha by 44 of 100 points on 1000 ha
    assert row["value"] == pytest.approx(220)
    hit = np.r_[np.ones(44), np.zeros(56)]
    points = 1_000 * hit.std(ddof=1) / math.sqrt(100)
    # residuals of the ratio (Cochran 1977, 6.4): 0.5 for young, -0.5 for others in arbor forest, 0.4 of all plots
    residual = np.r_[np.full(10, 0.5), np.full(10, -0.5), np.zeros(30)]
    share = residual.std(ddof=1) / math.sqrt(50) / 0.4
    assert row["se"] == pytest.approx(math.hypot(440 * share, 0.5 * points), rel=0.02)
    assert row["method"] == "age_shares"
    assert row["low"] < 220 < row["high"]


def test_area_by_age_without_points_is_the_plots_own() -> None:
    found = rows(arbor=False)
    assert found.loc[("area_by_age:mature", CITY), "value"] == pytest.approx(120)  # 6 of 50 plots on 1000 ha
    assert found.loc[("area_by_age:mature", "b"), "value"] > found.loc[("area_by_age:mature", "a"), "value"]
