"""Estimator classes of one's own: allowed by name alone, in recipes, in saved models and in a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sinkest.config import load_config
from sinkest.errors import ModelError, RunError
from sinkest.finished.replay import replay
from sinkest.learn import artefact, recipes
from sinkest.learn.imports import source_hashes
from sinkest.learn.train import Observations, train
from sinkest.progress import Silent
from sinkest.runstore.durable import content_key, file_sha256, pretty_json
from tests.project_fixture import CONFIG, call, edit, run_folder

MODULE = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Line(RegressorMixin, BaseEstimator):
    \"\"\"Least squares on the first feature, and the mean where there is no slope.\"\"\"

    def __init__(self, slope=True):
        self.slope = slope

    def fit(self, X, y):
        x = X[:, 0] - X[:, 0].mean()
        self.at_, self.mean_ = float(X[:, 0].mean()), float(np.mean(y))
        self.slope_ = float(x @ (y - self.mean_) / max(float(x @ x), 1e-12)) if self.slope else 0.0
        return self

    def predict(self, X):
        return self.mean_ + self.slope_ * (np.asarray(X)[:, 0] - self.at_)


class Mute(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        return self


class Plain:
    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]
"""
RECIPE = """version = 1
name = "line"
kind = "regression"
[response]
name = "volume_m3_ha"
unit = "m3/ha"
[estimator]
class = "{path}"
"""
LINE = "own_line_module.Line"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of modules, with classes of one's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own_line_module.py").write_text(MODULE, encoding="utf-8")
    (folder / "own_broken_module.py").write_text("raise OSError('no licence')", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return folder


def parse(path: str, *classes: str) -> recipes.Recipe:
    return recipes.parse(RECIPE.format(path=path), Path("model.toml"), classes=classes)


def refusal(path: str, *classes: str) -> tuple[str, str]:
    with pytest.raises(ModelError) as caught:
        parse(path, *classes)
    return caught.value.key.removeprefix("learn."), str(caught.value)


@pytest.mark.usefixtures("own")
def test_a_class_of_ones_own_is_taken_where_it_is_named_and_only_it() -> None:
    key, said = refusal(LINE)
    assert key == "root_not_allowed"
    assert f'[models] allow = ["{LINE}"]' in said
    assert type(parse(LINE, LINE).build(0)).__name__ == "Line"
    assert refusal("own_line_module.Mute", LINE)[0] == "root_not_allowed"
    assert refusal(f"{LINE}.Inner", LINE)[0] == "root_not_allowed"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "key", "said"),
    [
        ("own_line_module.Mute", "no_method", "predict"),
        ("own_line_module.Plain", "no_estimator", "BaseEstimator"),
        ("own_line_module.Lines", "no_such_class", "AttributeError"),
        ("own_absent_module.Line", "no_such_class", "PYTHONPATH"),
        ("own_broken_module.Line", "no_such_class", "OSError: no licence"),
    ],
)
def test_what_is_wrong_with_an_allowed_class_is_named(path: str, key: str, said: str) -> None:
    found, told = refusal(path, path)
    assert found == key
    assert said in told


@pytest.mark.usefixtures("own")
def test_a_saved_model_holds_the_class_only_for_who_allows_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 2)).astype(np.float32)
    data = Observations(X=X, y=50 + 10 * X[:, 0], features=("a", "b"), x_m=X[:, 0] * 2e4, y_m=X[:, 1] * 2e4)
    made = train(parse(LINE, LINE), data, seed=1).model
    artefact.save(tmp_path / "model", made)
    with pytest.raises(ModelError) as caught:
        artefact.load(tmp_path / "model")
    assert caught.value.key == "learn.root_not_allowed"
    again = artefact.load(tmp_path / "model", classes=[LINE])
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    np.testing.assert_allclose(again.predict(X), 50 + 10 * X[:, 0], atol=1e-4)


def test_the_file_of_a_class_is_told_without_running_it(own: Path) -> None:
    found = source_hashes([LINE, "own_broken_module.Line", "own_absent_module.Line"])
    files = {LINE: "own_line_module.py", "own_broken_module.Line": "own_broken_module.py"}
    assert found == {"own_absent_module.Line": ""} | {name: file_sha256(own / file) for name, file in files.items()}


def test_a_run_takes_it_by_its_configuration_records_it_and_is_not_replayed_unseen(own: Path, copy: Path) -> None:
    (copy / "models" / "stock" / "model.toml").write_text(RECIPE.format(path=LINE), encoding="utf-8")
    assert call("-q", "train", copy / CONFIG) == 2
    edit(copy / CONFIG, "[land_cover]", f'[models]\nallow = ["{LINE}"]\n\n[land_cover]')
    assert call("-q", "train", copy / CONFIG) == 0
    run = run_folder(copy)
    seal = json.loads((run / "stages" / "train.json").read_text(encoding="utf-8"))
    assert seal["parts"]["own_classes"] == {LINE: file_sha256(own / "own_line_module.py")}
    assert load_config(copy / CONFIG).spec.models.allow == (LINE,)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["config"]["settings"]["models"] = {"allow": [LINE]}
    del manifest["manifest_sha256"]
    path = copy / "manifest.json"
    path.write_bytes(pretty_json({**manifest, "manifest_sha256": content_key(manifest)}))
    with pytest.raises(RunError, match=f"--allow {LINE}"):
        replay(path, copy / "again", progress=Silent(), inputs=copy)
