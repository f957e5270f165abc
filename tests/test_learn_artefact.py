"""Trained models on disk: the same bytes for the same model, and nothing loaded that is not what was saved."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesRegressor

from sinkest.errors import ModelError
from sinkest.learn import artefact, canonical, recipes
from sinkest.learn.model import TrainedModel
from sinkest.learn.train import Observations, train

ESTIMATORS = {
    "trees": 'class = "sklearn.ensemble.ExtraTreesRegressor"\nparameters = { n_estimators = 5 }',
    "boosting": 'class = "sklearn.ensemble.HistGradientBoostingRegressor"\nparameters = { max_iter = 5 }',
    "neighbours": 'class = "sklearn.neighbors.KNeighborsRegressor"',
    "ridge": 'class = "sklearn.linear_model.Ridge"',
    "process": 'class = "sklearn.gaussian_process.GaussianProcessRegressor"\n'
    "parameters = { alpha = 0.1, normalize_y = true }",
    "average": 'class = "sklearn.ensemble.VotingRegressor"\nparameters.estimators = [["a", { class = '
    '"sklearn.ensemble.RandomForestRegressor", parameters = { n_estimators = 4 } }], '
    '["b", { class = "sklearn.linear_model.Ridge" }]]',
}


def trained(estimator: str = ESTIMATORS["trees"], response: str = "", allow: tuple[str, ...] = ()) -> TrainedModel:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)).astype(np.float32)
    y = np.maximum(0, 70 + 30 * X[:, 1] + rng.normal(0, 10, 60))
    text = (
        f'version = 1\nname = "t"\nkind = "regression"\n[response]\nname = "volume_m3_ha"\nunit = "m3/ha"\n{response}\n'
        f"[estimator]\n{estimator}\n"
    )
    data = Observations(X=X, y=y, features=("a", "b", "c"), x_m=X[:, 0] * 20_000, y_m=X[:, 2] * 20_000)
    return train(recipes.parse(text, Path("t"), allow=allow), data, seed=3).model


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return trained()


@pytest.fixture
def saved(model: TrainedModel, tmp_path: Path) -> Path:
    artefact.save(tmp_path / "m", model)
    return tmp_path / "m"


def refusal(folder: Path, **options) -> tuple[str, str]:
    with pytest.raises(ModelError) as caught:
        artefact.load(folder, **options)
    return caught.value.key.removeprefix("learn."), str(caught.value)


def rewrite_card(folder: Path, **changes: object) -> None:
    """Change the card as somebody would who wants a file of theirs to be loaded."""
    card = json.loads((folder / "card.json").read_text())
    for name in ("estimator.skops", "model.toml"):
        card["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_loaded_predicts_what_was_saved(tmp_path: Path, name: str) -> None:
    before = trained(ESTIMATORS[name])
    artefact.save(tmp_path, before)
    after = artefact.load(tmp_path)
    X = np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)
    for left, right in zip(before.predict_with_sd(X), after.predict_with_sd(X), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(before.applicability(X), after.applicability(X), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (after.features, after.classes, after.units) == (before.features, before.classes, before.units)
    assert after.card == json.loads(json.dumps(before.card))


def test_a_transformed_response_is_saved(tmp_path: Path) -> None:
    before = trained(response='transform = "sqrt"')
    artefact.save(tmp_path, before)
    X = np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_array_equal(artefact.load(tmp_path).predict(X), before.predict(X))


def test_another_response_than_the_recipes_is_kept(tmp_path: Path, model: TrainedModel) -> None:
    other = replace(model, recipe=model.recipe.with_response("biomass", "t/ha"))
    other = replace(other, card={**model.card, "response": {"name": "biomass", "unit": "t/ha"}})
    artefact.save(tmp_path, other)
    assert artefact.load(tmp_path).recipe.response == "biomass"


def test_equal_models_give_equal_bytes(tmp_path: Path, model: TrainedModel) -> None:
    hashes = [artefact.save(tmp_path / name, one) for name, one in (("a", model), ("b", trained()))]
    assert hashes[0] == hashes[1]
    artefact.save(tmp_path / "c", artefact.load(tmp_path / "a"))
    for name in ("model.toml", "card.json", "estimator.skops"):
        assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_equal_models_give_equal_bytes_in_another_process(saved: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_learn_artefact import trained\nfrom sinkest.learn import artefact\n"
        f"artefact.save({str(tmp_path / 'again')!r}, trained())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in ("card.json", "estimator.skops"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_the_file_holds_no_time_and_no_padding() -> None:
    # Tree nodes are 57 bytes in 64; what lies between is not part of the model.
    forest = ExtraTreesRegressor(3, random_state=0).fit(np.arange(20.0)[:, None], np.arange(20.0))
    with zipfile.ZipFile(io.BytesIO(canonical.dump({"forest": forest}))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        contents = [archive.read(name) for name in archive.namelist() if name.endswith(".npy")]
    nodes = 0
    for content in contents:
        array = np.load(io.BytesIO(content))
        if array.dtype.names:
            used = array.dtype.fields["missing_go_to_left"][1] + 1
            raw = np.frombuffer(content[-array.nbytes :], dtype=np.uint8).reshape(len(array), array.dtype.itemsize)
            assert not raw[:, used:].any()
            nodes += 1
    assert nodes == 3


def test_an_interrupted_save_leaves_no_model(saved: Path, model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(artefact, "write_bytes", full)
    with pytest.raises(OSError, match="space"):
        artefact.save(saved, model)
    assert not artefact.is_trained(saved)
    assert refusal(saved)[0] == "no_model"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_recipe_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("version = 1")
    assert refusal(tmp_path)[0] == "no_model"
    assert not artefact.is_trained(tmp_path)


@pytest.mark.parametrize("name", ["estimator.skops", "model.toml"])
def test_a_changed_file_is_refused_before_it_is_opened(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[-5] ^= 1
    (saved / name).write_bytes(bytes(content))
    key, text = refusal(saved)
    assert key == "changed"
    assert name in text


@pytest.mark.parametrize("name", ["estimator.skops", "model.toml"])
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    assert refusal(saved)[0] == "model_file_missing"


class Evil:
    def __reduce__(self) -> tuple:
        return Path("owned").touch, ()


@pytest.mark.parametrize("how", ["pickle", "joblib", "joblib compressed"])
def test_a_pickle_in_place_of_the_estimator_is_refused(
    saved: Path, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = saved / "estimator.skops"
    if how == "pickle":
        target.write_bytes(pickle.dumps(Evil()))
    else:
        joblib.dump(Evil(), target, compress=3 if "compressed" in how else 0)
    rewrite_card(saved)
    key, text = refusal(saved)
    assert key == "pickle"
    assert "can run any program" in text
    assert not (tmp_path / "owned").exists()


def test_a_pickle_beside_nothing_is_named(tmp_path: Path) -> None:
    joblib.dump([1], tmp_path / "model.joblib")
    key, text = refusal(tmp_path)
    assert key == "pickle"
    assert "model.joblib" in text


def test_something_else_in_place_of_the_estimator(saved: Path) -> None:
    (saved / "estimator.skops").write_bytes(b"<html>")
    rewrite_card(saved)
    assert refusal(saved)[0] == "no_skops"


def test_types_that_are_not_trusted_are_refused_even_with_the_right_hash(saved: Path) -> None:
    (saved / "estimator.skops").write_bytes(skops.io.dumps({"estimator": Path("x")}))
    rewrite_card(saved)
    key, text = refusal(saved)
    assert key == "untrusted"
    assert "PosixPath" in text


@pytest.mark.parametrize("content", [{"estimator": 1}, {"estimator": 1, "area": {}}, [1, 2]])
def test_a_file_with_other_content_is_refused(saved: Path, content: object) -> None:
    (saved / "estimator.skops").write_bytes(skops.io.dumps(content))
    rewrite_card(saved)
    assert refusal(saved)[0] == "broken_model"


def test_a_cut_archive_is_refused(saved: Path) -> None:
    content = (saved / "estimator.skops").read_bytes()
    (saved / "estimator.skops").write_bytes(content[: len(content) // 2])
    rewrite_card(saved)
    assert refusal(saved)[0] == "broken_model"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 3}', "{", "\xff"])
def test_a_broken_card_is_refused(saved: Path, content: str) -> None:
    (saved / "card.json").write_text(content, encoding="latin-1")
    assert refusal(saved)[0] == "broken_card"


def test_another_format_and_another_release_are_refused(saved: Path) -> None:
    rewrite_card(saved, format=99)
    assert refusal(saved)[0] == "model_format"
    rewrite_card(saved, format=1, versions={"scikit-learn": "0.20.1"})
    key, text = refusal(saved)
    assert key == "other_release"
    assert "0.20.1" in text


def test_features_that_do_not_fit_the_arrays_are_refused(saved: Path) -> None:
    rewrite_card(saved, features=[{"name": "a", "unit": ""}])
    assert refusal(saved)[0] == "broken_model"


def test_a_model_of_another_package_needs_to_be_allowed_again(tmp_path: Path) -> None:
    pytest.importorskip("sknnr")
    allowed = trained('class = "sknnr.EuclideanKNNRegressor"', allow=("sknnr",))
    artefact.save(tmp_path, allowed)
    assert refusal(tmp_path)[0] == "root_not_allowed"
    X = np.zeros((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(artefact.load(tmp_path, allow=["sknnr"]).predict(X), allowed.predict(X))


def test_an_estimator_of_types_that_could_not_be_loaded_is_not_saved(tmp_path: Path, model: TrainedModel) -> None:
    with pytest.raises(ModelError) as caught:
        artefact.save(tmp_path / "m", replace(model, estimator=Path("x")))
    assert caught.value.key == "learn.cannot_trust"
    with pytest.raises(ModelError) as caught:
        artefact.save(tmp_path / "m", replace(model, estimator=(i for i in range(3))))
    assert caught.value.key == "learn.cannot_store"
    assert not (tmp_path / "m").exists()


def test_a_moved_folder_is_still_a_model(saved: Path, tmp_path: Path) -> None:
    shutil.move(saved, tmp_path / "elsewhere")
    assert artefact.load(tmp_path / "elsewhere").recipe.name == "t"
