"""Models, configurations and run folders that cannot be right are refused, and nothing is unpickled."""

import fcntl
import os
import pickle
import shutil
from pathlib import Path

import pytest

from sinkest.runstore.store import OWNER
from tests.bad_input import Spoil, refused
from tests.project_fixture import CONFIG, call, edit, outputs, run_folder

Case = tuple[Spoil, tuple[str, ...], tuple[str, ...]]


class Harmful:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def trained(folder: Path, name: str) -> Path:
    """Put the trained model of the finished run in place of its recipe."""
    target = folder / "models" / name
    shutil.rmtree(target)
    shutil.copytree(run_folder(folder) / "train" / "models" / name, target)
    return target


def flipped(folder: Path) -> None:
    """Change one bit of a trained model."""
    file = trained(folder, "land_cover") / "estimator.skops"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))


def pickled_estimator(folder: Path) -> None:
    (trained(folder, "land_cover") / "estimator.skops").write_bytes(pickle.dumps(Harmful(folder / "harm")))


def only_a_pickle(folder: Path) -> None:
    (folder / "models" / "stock" / "model.toml").unlink()
    (folder / "models" / "stock" / "forest.pkl").write_bytes(pickle.dumps(Harmful(folder / "harm")))


def a_pickle_named(folder: Path) -> None:
    (folder / "models" / "stock.joblib").write_bytes(pickle.dumps(Harmful(folder / "harm")))
    edit(folder / CONFIG, 'model = "models/stock"', 'model = "models/stock.joblib"')


def other_features(folder: Path) -> None:
    trained(folder, "land_cover")
    edit(folder / CONFIG, 'indices = ["NDVI"]', "indices = []")


def exchanged(folder: Path) -> None:
    """A classification where growing stock is to be mapped."""
    shutil.copy(folder / "models" / "land_cover" / "model.toml", folder / "models" / "stock" / "model.toml")


def broken_card(folder: Path) -> None:
    (trained(folder, "land_cover") / "card.json").write_text("{")


def recipe(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / "models" / "stock" / "model.toml", old, new)


def setting(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / CONFIG, old, new)


PICKLED = ("is a pickle. Opening a pickle can run any program, so it is refused", "train the model again")
MODELS: dict[str, Case] = {
    "changed": (
        flipped,
        ("land_cover.model: ", "estimator.skops: has been changed since the model was saved", "restore it or train"),
        ("land_cover.model：", "estimator.skops"),
    ),
    "an estimator that is a pickle": (
        pickled_estimator,
        ("land_cover.model: ", "estimator.skops", *PICKLED),
        ("pickle",),
    ),
    "only a pickle": (only_a_pickle, ("stock.model: ", "forest.pkl", *PICKLED), ()),
    "a pickle named": (a_pickle_named, ("stock.model: ", "stock.joblib", *PICKLED), ()),
    "a broken card": (broken_card, ("land_cover.model: ", "card.json: is no model card"), ()),
    "no folder": (
        lambda folder: shutil.rmtree(folder / "models" / "stock"),
        ("stock.model: ", "no recipe (No such file or directory); a model folder needs a model.toml"),
        (),
    ),
    "trained on these plots": (
        lambda folder: trained(folder, "stock"),
        ("stock.model: ", "was trained on the very plots of this run", "name the recipe instead"),
        ("stock.model：", "正是用本次运行的样地训练的"),
    ),
    "of other features": (
        other_features,
        ("land_cover.model: ", "missing: summer_NDVI, winter_NDVI", "Train it again, or configure the features"),
        (),
    ),
    "of another kind": (
        exchanged,
        ("stock.model: ", "makes a classification model, but a regression model is needed here"),
        ("该模型为 classification，此处需要 regression",),
    ),
    "a recipe of another version": (
        recipe("version = 1", "version = 2"),
        ("stock.model: ", "version is 2, this program reads version = 1; see models/README.md"),
        (),
    ),
    "an unknown estimator": (
        recipe("ExtraTreesRegressor", "ExtraTreesRegresor"),
        ("stock.model: ", "'sklearn.ensemble.ExtraTreesRegresor' cannot be imported"),
        (),
    ),
    "an unknown feature": (
        recipe('features = "all"', 'features = ["summer_blue"]'),
        ("stock.model: ", "feature 'summer_blue' matches none of the features there are; perhaps: summer_red"),
        (),
    ),
}
CONFIGS: dict[str, Case] = {
    "another version": (
        setting("version = 1", "version = 3"),
        ("config.toml: version is 3, this program reads version = 1", "`sinkest init DIR`"),
        ("config.toml：version 为 3，本程序读取 version = 1",),
    ),
    "an unknown key": (
        setting("resolution_m", "resolutoin_m"),
        ("config.toml", "aoi.resolutoin_m: unknown key; did you mean 'resolution_m'?"),
        ("aoi.resolutoin_m：未知的键；是否应为“resolution_m”？",),
    ),
    "not TOML": (
        lambda folder: (folder / CONFIG).write_text("name: districts\n"),
        ("config.toml is not valid TOML", "at line 1, column 5", "mend the line named"),
        (),
    ),
    "not UTF-8": (
        lambda folder: (folder / CONFIG).write_bytes((folder / CONFIG).read_text(encoding="utf-8").encode("gb18030")),
        ("config.toml is not valid TOML", "Save it as UTF-8"),
        (),
    ),
    "a band twice": (
        setting('bands = ["red", "nir", "swir1"]', 'bands = ["red", "red", "nir"]'),
        ("config.toml", "features.bands: the same value stands twice"),
        (),
    ),
    "an unknown conversion set": (
        setting('"LI2016"', '"LI2061"'),
        ("account.conversion_set: ", "there is no set 'LI2061'; did you mean LI2016?"),
        ("account.conversion_set：", "没有系数组 'LI2061'"),
    ),
    "an unknown forest type": (
        setting('fir = "fir"', 'fir = "furr"'),
        ("account.forest_types.fir: ", "set LI2016 has no slope for: furr; it has: conifer_broadleaf"),
        (),
    ),
    "an unknown definition": (
        setting('definition = "forest_current_rule"', 'definition = "forest_curent_rule"'),
        ("forest.definition: there is no definition 'forest_curent_rule'; did you mean forest_current_rule?",),
        (),
    ),
    "points under an unknown definition": (
        setting('labelled_under = "forest_current_rule"', 'labelled_under = "forest_rule"'),
        ("estimate.labelled_under: there is no definition 'forest_rule'",),
        (),
    ),
    "classes unlike the definition": (
        setting('"bamboo", "oil_tea"]', '"bamboo"]'),
        ("forest.definition = forest_current_rule counts", "but forest.forest_classes counts"),
        (),
    ),
    "targets missing": (
        setting("shipped:configs/targets-zhuzhou.toml", "mine.toml"),
        ("mine.toml: no such file; check the path",),
        (),
    ),
    "not shipped": (
        setting("shipped:configs/targets-zhuzhou.toml", "shipped:configs/nope.toml"),
        ("configs/nope.toml does not ship with this installation",),
        (),
    ),
    "an unset variable": (
        setting('plots = "plots.csv"', 'plots = "$SINKEST_NOWHERE/plots.csv"'),
        ("$SINKEST_NOWHERE/plots.csv: the environment variable $SINKEST_NOWHERE is not set",),
        (),
    ),
}


@pytest.mark.parametrize("name", [*MODELS, *CONFIGS])
def test_a_bad_model_or_configuration_is_refused(
    name: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, english, chinese = {**MODELS, **CONFIGS}[name]
    spoil(copy)
    refused(copy, capsys, english, chinese)
    assert not (copy / "harm").exists(), "a pickle was opened"


def test_several_keys_are_told_at_once(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(copy / CONFIG, "resolution_m", "resolutoin_m")
    edit(copy / CONFIG, "year = 2025", 'year = "this"')
    refused(copy, capsys, ("aoi.resolutoin_m: unknown key", "year: given 'this', expected a whole number"), ())


# -- run folders ----------------------------------------------------------------------------------------------------


def test_two_configurations_cannot_share_a_run_folder(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(copy / CONFIG, copy / "other.toml")
    told = ("holds the run of another configuration, ", "config.toml; two configurations cannot share", "other.toml")
    refused(copy, capsys, told, ("两份配置不能共用一个运行文件夹",), config="other.toml")
    # Whoever renames the configuration keeps the run.
    (copy / CONFIG).unlink()
    assert call("report", copy / "other.toml") == 0


def test_a_run_without_a_readable_mark_of_its_owner_goes_on(copy: Path) -> None:
    (run_folder(copy) / OWNER).write_text("[]")
    assert call("run", copy / CONFIG) == 0
    assert "config.toml" in (run_folder(copy) / OWNER).read_text()


def test_two_programs_cannot_work_in_one_run_folder(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = outputs(run_folder(copy))
    with (run_folder(copy) / ".lock").open("w") as other:
        other.write("4711")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        assert call("run", copy / CONFIG) == 2
    assert "another sinkest is at work in this run folder (process 4711 " in capsys.readouterr().err
    assert outputs(run_folder(copy)) == before
    assert call("run", copy / CONFIG) == 0


def test_a_file_in_the_way_of_the_run_folder_is_named(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    edit(copy / CONFIG, "seed = 7\n", 'seed = 7\nruns = "plots.csv"\n')
    before = sorted(copy.rglob("*"))
    for command in ("check", "run"):
        assert call("--lang", "en", command, copy / CONFIG) == 2
        captured = capsys.readouterr()
        assert "the run's folder cannot be made, because" in captured.out + captured.err
        assert "plots.csv is a file; correct the key runs" in captured.out + captured.err
    assert sorted(copy.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_named(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_folder(copy).chmod(0o500)
    try:
        refused(copy, capsys, ("cannot be written in", "get the right to write there"), ("不可写",))
    finally:
        run_folder(copy).chmod(0o700)


def test_a_bad_new_project_leaves_no_run_folder(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    (copy / "reference.csv").unlink()
    before = sorted(copy.rglob("*"))
    assert call("run", copy / CONFIG) == 2
    assert "reference.csv: no such file" in capsys.readouterr().err
    assert sorted(copy.rglob("*")) == before


def test_a_stage_asks_only_for_what_it_needs(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    for name in ("plots.csv", "reference.csv", "labels.geojson"):
        (copy / name).unlink()
    assert call("compose", copy / CONFIG) == 0
    assert call("train", copy / CONFIG) == 2
