"""Trained models on disk: ``model.toml`` (the recipe), ``card.json`` (what is known of it), ``estimator.skops``.

Nothing is ever unpickled. The estimator's file is opened only if its hash is the card's, and loaded only if every type
in it is on a list of trusted ones.
"""

from __future__ import annotations

import hashlib
import io
import json
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Any

import skops.io
import skops.io.exceptions

from sinkest import limits
from sinkest.errors import ModelError
from sinkest.learn import canonical
from sinkest.learn.applicability import AreaOfApplicability
from sinkest.learn.imports import ALLOWED_ROOTS, is_allowed, trusted_names
from sinkest.learn.model import TrainedModel
from sinkest.learn.recipes import RECIPE_FILE, Recipe, parse, pickles
from sinkest.learn.spread import Spread
from sinkest.runstore import pretty_json, write_bytes

CARD_FILE = "card.json"
ESTIMATOR_FILE = "estimator.skops"
FORMAT = 1
MAX_BYTES = limits.MODEL_BYTES
_BROKEN = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ImportError,
    OSError,
    EOFError,
    SyntaxError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise of a damaged file: numpy reads heads of arrays as Python text, and sizes as they stand."""
PICKLE_STARTS = (b"\x80", b"x\x9c", b"x\x01", b"x^", b"x\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(", b"c")

TRUSTED = (
    "sinkest.learn.axes.WithDiscriminants",
    "sinkest.learn.linear.RowwiseDiscriminant",
    "sinkest.learn.linear.RowwiseRidge",
    "sinkest.learn.response.TransformedResponse",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Types that a model may hold besides those that skops itself trusts (numpy, scipy, public scikit-learn)."""


def save(folder: str | Path, model: TrainedModel) -> dict[str, str]:
    """Write a model; equal models give equal bytes.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    model : TrainedModel

    Returns
    -------
    dict
        File name -> SHA-256.

    Raises
    ------
    ModelError
        If the estimator cannot be stored without pickling, or holds a type that could not be loaded again.
    RunError
        If a file cannot be written.
    """
    target = Path(folder)
    try:
        content = canonical.dump(_content(model))
    except (skops.io.exceptions.UnsupportedTypeException, TypeError) as error:
        raise ModelError("learn.cannot_store", name=model.recipe.name, reason=str(error)) from error
    untrusted = _untrusted(content, model.recipe)
    if untrusted:
        raise ModelError("learn.cannot_trust", file=target / ESTIMATOR_FILE, types=", ".join(untrusted))
    recipe = model.recipe.text.encode()
    files = {ESTIMATOR_FILE: _sha256(content), RECIPE_FILE: _sha256(recipe)}
    card = pretty_json({**model.card, "format": FORMAT, "files": files})
    # The card last: a folder without it is no model, so an interrupted save leaves none behind.
    (target / CARD_FILE).unlink(missing_ok=True)
    write_bytes(target / ESTIMATOR_FILE, content)
    write_bytes(target / RECIPE_FILE, recipe)
    write_bytes(target / CARD_FILE, card)
    return {**files, CARD_FILE: _sha256(card)}


def is_trained(folder: str | Path) -> bool:
    """Whether a folder holds a trained model, not only a recipe."""
    return (Path(folder) / CARD_FILE).is_file()


def load(folder: str | Path, *, allow: Sequence[str] = (), classes: Sequence[str] = ()) -> TrainedModel:
    """Read a model.

    Parameters
    ----------
    folder : path
    allow : sequence of str
        Further packages that the model may hold types of; see ``recipes.load``.
    classes : sequence of str
        Single classes that it may hold besides; types inside them that are classes of their own have to be named too.

    Raises
    ------
    ModelError
        If a file is missing, changed, a pickle, or of another format; if it holds a type that is not trusted; or if it
        was made with another release of scikit-learn.
    """
    source = Path(folder)
    card = _read_card(source)
    recipe_bytes = _checked(source / RECIPE_FILE, card)
    content = _checked(source / ESTIMATOR_FILE, card)
    _check_release(source, card)
    try:
        text = recipe_bytes.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("learn.not_toml", file=source / RECIPE_FILE, reason=str(error)) from error
    recipe = parse(text, source / RECIPE_FILE, allow=allow, classes=classes)
    untrusted = _untrusted(content, recipe)
    if untrusted:
        raise ModelError("learn.untrusted", file=source / ESTIMATOR_FILE, types=", ".join(untrusted))
    try:
        parts = skops.io.loads(content, trusted=[*TRUSTED, *_extra(content, recipe)])
        recipe = recipe.with_response(card["response"]["name"], card["response"]["unit"])
        return _assembled(recipe, parts, card)
    except _BROKEN as error:
        raise ModelError("learn.broken_model", file=source / ESTIMATOR_FILE, reason=str(error)) from error


def _content(model: TrainedModel) -> dict[str, Any]:
    """What the estimator's file holds."""
    area, spread = model.area, model.spread
    content: dict[str, Any] = {
        "estimator": model.estimator,
        "area": {
            "center": area.center,
            "scale": area.scale,
            "weight": area.weight,
            "points": area.points,
            "mean_distance": area.mean_distance,
            "threshold": area.threshold,
            "training_di": area.training_di,
        },
    }
    if spread is not None:
        content["spread"] = {
            "kind": spread.kind,
            "base": spread.base,
            "slope": spread.slope,
            "middle": spread.middle,
            "variance": spread.variance,
        }
    return content


def _assembled(recipe: Any, parts: dict[str, Any], card: dict[str, Any]) -> TrainedModel:
    features = tuple(item["name"] for item in card["features"])
    units = {item["name"]: item["unit"] for item in card["features"]}
    area = AreaOfApplicability(**parts["area"])
    if area.weight.shape != (len(features),):
        raise ValueError(f"{len(features)} features, {area.weight.shape} weights")
    spread = Spread(**parts["spread"]) if "spread" in parts else None
    classes = dict(sorted(((str(name), int(code)) for name, code in card["classes"].items()), key=itemgetter(1)))
    kept = {key: value for key, value in card.items() if key not in {"files", "format"}}
    return TrainedModel(recipe, parts["estimator"], features, units, classes, spread, area, kept)


def _read_card(source: Path) -> dict[str, Any]:
    file = source / CARD_FILE
    if not file.is_file():
        pickled = pickles(source)
        if pickled:
            raise ModelError("learn.pickle", file=pickled[0])
        raise ModelError("learn.no_model", file=source)
    try:
        card = json.loads(file.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError("learn.broken_card", file=file, reason=str(error)) from error
    if not isinstance(card, dict) or not isinstance(card.get("files"), dict):
        raise ModelError("learn.broken_card", file=file, reason="files")
    if card.get("format") != FORMAT:
        raise ModelError("learn.model_format", file=file, given=card.get("format", "-"), expected=FORMAT)
    return card


def _checked(file: Path, card: dict[str, Any]) -> bytes:
    """Bytes of a file of the model, if they are what the card says."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ModelError("learn.model_too_large", file=file, limit=MAX_BYTES)
        content = file.read_bytes()
    except OSError as error:
        raise ModelError("learn.model_file_missing", file=file, reason=error.strerror or str(error)) from error
    if file.name == ESTIMATOR_FILE and not content.startswith(b"PK"):
        # A wrong hash would refuse it as well, but this is what went wrong.
        key = "learn.pickle" if content.startswith(PICKLE_STARTS) else "learn.no_skops"
        raise ModelError(key, file=file)
    expected = card["files"].get(file.name)
    if _sha256(content) != expected:
        raise ModelError("learn.changed", file=file, given=_sha256(content)[:12], expected=str(expected)[:12])
    return content


def _check_release(source: Path, card: dict[str, Any]) -> None:
    """Trees of another release of scikit-learn may load and yet predict something else."""
    made, here = str(card.get("versions", {}).get("scikit-learn", "-")), version("scikit-learn")
    if made.split(".")[:2] != here.split(".")[:2]:
        raise ModelError("learn.other_release", file=source, given=made, expected=here)


def _types(content: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > limits.MODEL_UNPACKED_BYTES:
            raise ModelError("learn.model_too_large", file=ESTIMATOR_FILE, limit=limits.MODEL_UNPACKED_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sorted(str(name) for name in skops.io.get_untrusted_types(data=content))
    except _BROKEN as error:
        raise ModelError("learn.broken_model", file=ESTIMATOR_FILE, reason=str(error)) from error


def _extra(content: bytes, recipe: Recipe) -> list[str]:
    """Types of packages and classes that the user has allowed beyond the usual."""
    own = [one for one in recipe.allowed if one not in ALLOWED_ROOTS]
    named = {*own, *trusted_names(recipe.file, own)} if own else set()
    return [name for name in _types(content) if is_allowed(name, named)]


def _untrusted(content: bytes, recipe: Recipe) -> list[str]:
    extra = _extra(content, recipe)
    return [name for name in _types(content) if name not in TRUSTED and name not in extra]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
