"""Shots as the first phase of an estimate: pairing with plots, variance between tracks, intervals that hold."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from sinkest.errors import InputError
from sinkest.estimate.tracks import two_phase_tracks
from sinkest.estimate.twophase import two_phase
from sinkest.imagery.gedi import as_table
from sinkest.shots import pair
from tests.gedi_granules import write_granule
from tests.project_fixture import call


def orbits(rng: np.random.Generator, tracks: int, length: int, noise: float) -> dict[str, np.ndarray]:
    """Units along tracks: a track has a level of its own, its units vary about it, and plots are met by chance."""
    track = np.repeat(np.arange(tracks), length)
    truth = 80.0 + 20.0 * rng.standard_normal(tracks)[track] + 10.0 * rng.standard_normal(tracks * length)
    return {
        "track": track,
        "y": truth,
        "z": 0.8 * truth + 10.0 + noise * rng.standard_normal(len(track)),
        "phase2": rng.random(len(track)) < 0.1,
    }


def estimated(units: dict[str, np.ndarray], *, by_track: bool):
    y = np.where(units["phase2"], units["y"], np.nan)
    z = pd.DataFrame({"agbd_t_ha": units["z"]})
    if by_track:
        return two_phase_tracks(y, z, units["phase2"], units["track"])
    return two_phase(y, z, units["phase2"])


def test_the_estimate_is_that_of_two_phases_and_the_variance_is_between_tracks() -> None:
    units = orbits(np.random.default_rng(1), 8, 50, 4.0)
    plain, found = estimated(units, by_track=False), estimated(units, by_track=True)
    assert found.estimate == plain.estimate
    predicted = found.coefficients["Intercept"] + found.coefficients["agbd_t_ha"] * units["z"]
    # tracks of equal length: the variance of the mean of 8 track means, in place of that of 400 single units
    means = predicted.reshape(8, 50).mean(axis=1)
    expected = plain.variance - predicted.var(ddof=1) / 400 + means.var(ddof=1) / 8
    assert found.variance == pytest.approx(expected, rel=1e-9)
    assert found.df == 7.0
    assert found.method_label("en").endswith("along tracks")


def test_tracks_of_unequal_length_count_by_their_units() -> None:
    z = np.array([10.0, 12.0, 14.0, 11.0, 13.0, 9.0, 10.0, 16.0, 12.0, 11.0])
    track = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
    y = np.where(np.arange(10) < 6, 2.0 * z + 1.0, np.nan)
    found = two_phase_tracks(y, pd.DataFrame({"z": z}), np.arange(10) < 6, track)
    # y = 2 z + 1 without error, so all variance is that of the mean of 2 z + 1, whose mean is 24.6: totals off by
    # 125 - 123 = 2, 73 - 73.8 = -0.8 and 48 - 49.2 = -1.2, mean length 10 / 3
    v = (2.0**2 + 0.8**2 + 1.2**2) / (10 / 3) ** 2 / (3 * 2)
    simple = np.var(2 * z + 1, ddof=1) / 10
    assert found.estimate == pytest.approx(24.6)
    assert found.variance == pytest.approx(max(v, simple), rel=1e-9)


def test_intervals_hold_the_truth_only_with_tracks_as_units() -> None:
    held = {True: 0, False: 0}
    for seed in range(150):
        units = orbits(np.random.default_rng(seed), 12, 40, 5.0)
        for by_track in held:
            low, high = estimated(units, by_track=by_track).interval(0.95)
            held[by_track] += low <= 80.0 <= high
    assert held[True] >= 0.91 * 150
    assert held[False] < 0.75 * 150


def test_two_tracks_do_not_tell_their_spread() -> None:
    with pytest.raises(InputError, match=r"2 track\(s\) of GEDI shots"):
        estimated(orbits(np.random.default_rng(1), 2, 40, 4.0), by_track=True)


# -- pairing --------------------------------------------------------------------------------------------------------


def shots(lon: list[float], **more: object) -> gpd.GeoDataFrame:
    count = len(lon)
    columns = {
        "shot_number": np.arange(1, count + 1),
        "beam": ["BEAM0101"] * count,
        "granule": ["g"] * count,
        "time": np.full(count, np.datetime64("2024-06-01", "ms")),
        "lon": lon,
        "lat": [27.5] * count,
        "agbd_t_ha": np.linspace(50.0, 120.0, count),
        "agbd_se_t_ha": [9.0] * count,
        "l4_quality_flag": [1] * count,
        "degrade_flag": [0] * count,
    }
    return as_table({**columns, **more}, where="test")


def plots(lon: list[float]) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(lon, [27.5] * len(lon), crs="EPSG:4326")
    return gpd.GeoDataFrame({"volume_m3_ha": 100.0 + np.arange(len(lon))}, geometry=points)


def test_each_plot_goes_to_its_nearest_usable_shot() -> None:
    # a degree has 98.8 km here: 0.0001 are 9.9 m. The third shot is degraded; the last plot lies 99 m off.
    table = shots([113.0, 113.001, 113.002, 113.003, 113.004, 113.005], degrade_flag=[0, 0, 3, 0, 0, 0])
    found = pair(
        table, plots([113.0001, 113.0011, 113.002, 113.0031, 113.0041, 113.0051, 113.00001, 113.006]), "volume_m3_ha"
    )
    assert len(found.y) == 5
    # of the two plots at the first shot (99 m, 1 m off in turn: 0.0001 and 0.00001 degrees) the nearer counts
    assert found.y.tolist() == [106.0, 101.0, 103.0, 104.0, 105.0]
    assert found.phase2.all()
    assert set(found.track) == {"g BEAM0101"}


def test_too_few_plots_hit_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 plot\(s\) of 2 have a usable GEDI shot within 25 m"):
        pair(shots([113.0, 113.001]), plots([113.0, 114.0]), "volume_m3_ha")
    with pytest.raises(InputError) as refused:
        pair(shots([113.0], degrade_flag=[1]), plots([113.0]), "volume_m3_ha")
    assert refused.value.key == "gedi.few_pairs"


def test_the_command_tells_what_the_plots_say_with_shots_and_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(8)
    beams, rows = {}, []
    for k, beam in enumerate(("BEAM0000", "BEAM0101", "BEAM0110", "BEAM1011")):
        lon, lat = np.full(60, 113.0 + 0.01 * k), 27.0 + 0.001 * np.arange(60)
        agbd = rng.uniform(40.0, 160.0, 60)
        beams[beam] = {"lon": lon, "lat": lat, "agbd": agbd}
        rows += [
            {"plot_id": f"{beam}{i}", "lon": lon[i], "lat": lat[i], "date": "2024-07-01", "volume_m3_ha": 1.5 * agbd[i]}
            for i in range(0, 60, 10)
        ]
    granule = write_granule(tmp_path / "g.h5", beams)
    pd.DataFrame(rows).to_csv(tmp_path / "plots.csv", index=False)
    assert call("gedi", granule, "--out", tmp_path / "s.parquet", "--plots", tmp_path / "plots.csv") == 0
    said = capsys.readouterr().out
    truth = 1.5 * np.concatenate([one["agbd"] for one in beams.values()]).mean()
    assert f"volume_m3_ha, mean over the ground that the usable shots sample: {truth:.1f} m3/ha" in said
    assert "24 plots among 240 shots on 4 tracks" in said
    assert "not ground truth" in said
