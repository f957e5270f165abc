"""What the demo's pixel size may be: its strata must fit the counties, or the run refuses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sinkest.config import load_config
from sinkest.demo import RESOLUTION_LINE
from sinkest.mapping.zonal import ZoneIndex, zone_labels
from sinkest.shipped import shipped
from sinkest.simulate.population import pixel_area_m2
from sinkest.stages.context import place
from sinkest.stages.tables import STRATA_TOLERANCE
from tests.project_fixture import call


def test_pixels_by_their_centres_fill_every_county_at_the_largest_size(tmp_path: Path) -> None:
    template = shipped("configs/demo.toml").read_text(encoding="utf-8")
    assert RESOLUTION_LINE in template
    (tmp_path / "config.toml").write_text(template.replace(RESOLUTION_LINE, "resolution_m = 250"), encoding="utf-8")
    zones, grid = place(load_config(tmp_path / "config.toml"))
    labels = zone_labels(ZoneIndex(zones, grid))
    areas = np.broadcast_to(pixel_area_m2(grid), labels.shape)
    first = int(labels[labels >= 0].min())
    known = zones.frame["area_m2"].to_numpy()
    found = np.array([areas[labels == first + place].sum() for place in range(len(zones.ids))])
    assert np.abs(found / known - 1).max() < STRATA_TOLERANCE


def test_a_size_at_which_strata_do_not_fit_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--lang", "en", "demo", tmp_path / "demo", "--resolution", "400") == 2
    assert "10<=x<=250" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
