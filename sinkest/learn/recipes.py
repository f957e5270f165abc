"""Model recipes: ``models/<name>/model.toml`` says which estimator learns what from which features.

A researcher adds a model by adding a folder with such a file; the package stays untouched.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier, is_regressor

from sinkest.errors import ModelError
from sinkest.learn.imports import ALLOWED_ROOTS, estimator_class
from sinkest.learn.response import TRANSFORMS, TransformedResponse
from sinkest.limits import RECIPE_BYTES

PICKLES = (".pkl", ".pickle", ".joblib", ".p", ".sav")
RECIPE_FILE = "model.toml"
RECIPE_VERSION = 1
WEIGHTS = ("none", "balanced", "group")
COLUMN_WEIGHT = "column:"
BY_FEATURE = "monotonic_cst"
"""Parameter of estimators that a recipe gives by feature name."""
MAX_BYTES = RECIPE_BYTES

_KEYS = {
    "": {"version", "name", "kind", "title", "features", "weights", "response", "estimator"},
    "title": {"zh", "en"},
    "response": {"name", "unit", "transform", "minimum", "maximum", "bounded"},
    "estimator": {"class", "parameters"},
}

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes
    ----------
    name : str
    kind : str
        ``classification`` or ``regression``.
    title : mapping
        Language -> what a person reads.
    features : tuple of str
        Names or patterns (``*`` and ``?``) of the features used; ``("*",)`` is all.
    response, unit : str
        What is predicted, and its unit.
    transform : str
        The response is learned as it is (``none``), as its square root (``sqrt``) or as ``log(1 + y)`` (``log1p``),
        and turned back without bias (see ``TransformedResponse``).
    minimum, maximum : float or None
        Predictions are kept within.
    bounded : bool
        Predictions are also kept within the range of the training response, which a linear part would leave.
    weights : str
        ``none``; ``balanced``, every class weighs the same; ``group``, every polygon weighs the same; or
        ``column:<name>``, as a column of the field table says.
    estimator : mapping
        ``class`` (import path) and ``parameters``; a parameter may itself be such a table, or a list with them.
    allowed : tuple of str
        Packages (with a dot at the end) and single classes that it may import.
    text : str
        The file as it stands; saved with the model.
    file : Path
        Named in messages.
    """

    name: str
    kind: Kind
    title: Mapping[str, str]
    features: tuple[str, ...]
    response: str
    unit: str
    transform: str
    minimum: float | None
    maximum: float | None
    bounded: bool
    weights: str
    estimator: Mapping[str, Any]
    allowed: tuple[str, ...]
    text: str
    file: Path

    def build(self, seed: int) -> BaseEstimator:
        """A fresh estimator.

        Parameters
        ----------
        seed : int
            Sets every ``random_state`` inside, each to a number of its own; equal seeds give equal models.

        Raises
        ------
        ModelError
            If the class cannot be imported, is no estimator of the recipe's kind, or refuses a parameter.
        """
        estimator = self._make(self.estimator, "estimator")
        fits = is_classifier(estimator) if self.kind == "classification" else is_regressor(estimator)
        if not fits:
            raise ModelError("learn.wrong_kind", file=self.file, given=self.estimator["class"], kind=self.kind)
        for method in ("fit", "predict"):
            if not callable(getattr(estimator, method, None)):
                raise ModelError("learn.no_method", file=self.file, given=self.estimator["class"], method=method)
        if self.transform != "none":
            estimator = TransformedResponse(estimator, scale=self.transform)
        return _seeded(estimator, seed)

    def select(self, names: Sequence[str]) -> tuple[str, ...]:
        """The features used, out of those there are, in the order of ``names``.

        Raises
        ------
        ModelError
            If a name or pattern of the recipe matches none of them.
        """
        for pattern in self.features:
            if not any(fnmatchcase(name, pattern) for name in names):
                near = get_close_matches(pattern, names, 1)
                hint = near[0] if near else ", ".join(names)
                raise ModelError("learn.no_such_feature", file=self.file, feature=pattern, hint=hint)
        return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in self.features))

    def bound(self, names: Sequence[str]) -> Recipe:
        """The recipe for features in this order: settings by feature name become settings by position.

        ``monotonic_cst = { NBR = 1 }`` says that the response may only rise with NBR, whatever its column.

        Raises
        ------
        ModelError
            If a setting names a feature that there is not.
        """
        return replace(self, estimator=self._by_position(self.estimator, list(names)))

    def limits(self, observed: ArrayLike) -> tuple[float, float]:
        """Least and greatest prediction, given the training response or its least and greatest value."""
        low = -np.inf if self.minimum is None else self.minimum
        high = np.inf if self.maximum is None else self.maximum
        if self.bounded:
            low, high = max(low, float(np.min(observed))), min(high, float(np.max(observed)))
        return low, high

    def with_response(self, name: str, unit: str) -> Recipe:
        """The same recipe for another response; bounds of the old response don't carry over."""
        if (name, unit) == (self.response, self.unit):
            return self
        return replace(self, response=name, unit=unit, minimum=None, maximum=None)

    def _by_position(self, value: Any, names: list[str]) -> Any:
        if isinstance(value, list):
            return [self._by_position(item, names) for item in value]
        if not isinstance(value, Mapping):
            return value
        made = {key: self._by_position(item, names) for key, item in value.items()}
        signs = made.get(BY_FEATURE)
        if isinstance(signs, Mapping):
            for name in signs:
                if name not in names:
                    hint = ", ".join(get_close_matches(name, names, 1) or names)
                    raise ModelError("learn.no_such_feature", file=self.file, feature=name, hint=hint)
            made[BY_FEATURE] = [signs.get(name, 0) for name in names]
        return made

    def _make(self, spec: Mapping[str, Any], key: str) -> BaseEstimator:
        unknown = set(spec) - _KEYS["estimator"]
        if unknown:
            raise _unknown_key(self.file, key, sorted(unknown)[0], _KEYS["estimator"])
        kind = estimator_class(self.file, key, spec["class"], self.allowed)
        parameters = spec.get("parameters", {})
        if not isinstance(parameters, Mapping):
            raise ModelError("learn.recipe_value", file=self.file, key=f"{key}.parameters", expected="table")
        made = {name: self._made(value, f"{key}.parameters.{name}") for name, value in parameters.items()}
        valid = sorted(kind._get_param_names())
        for name in made:
            if name not in valid:
                raise _unknown_key(self.file, f"{key}.parameters", name, valid)
        try:
            return kind(**made)
        except (TypeError, ValueError) as error:
            raise ModelError("learn.bad_parameters", file=self.file, key=key, reason=str(error)) from error

    def _made(self, value: Any, key: str) -> Any:
        """A parameter, with the estimators in it made; a pair of name and estimator becomes a tuple."""
        if isinstance(value, Mapping) and "class" in value:
            return self._make(value, key)
        if isinstance(value, Mapping):
            return {name: self._made(item, f"{key}.{name}") for name, item in value.items()}
        if isinstance(value, list):
            items = [self._made(item, f"{key}[{i}]") for i, item in enumerate(value)]
            is_pair = len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], BaseEstimator)
            return tuple(items) if is_pair else items
        return value


def load(folder: str | Path, *, allow: Sequence[str] = (), classes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    folder : path
        Folder with a ``model.toml``, or the file itself.
    allow : sequence of str
        Further packages, e.g. ``"lightgbm."``, that the recipe may import from. What it imports is run, so name only
        packages you trust.
    classes : sequence of str
        Single classes beyond these, ``"package.module.Class"``; nothing else of their module is allowed.

    Raises
    ------
    ModelError
        If the file is missing (or there is a pickle in its place), no TOML, or has unknown keys or wrong values.
    """
    file = Path(folder)
    if file.suffix != ".toml":
        file = file / RECIPE_FILE
    try:
        content = file.read_bytes()
    except OSError as error:
        pickled = pickles(Path(folder))
        if pickled:
            raise ModelError("learn.pickle", file=pickled[0]) from error
        raise ModelError("learn.no_recipe", file=file, reason=error.strerror or str(error)) from error
    try:
        if len(content) > MAX_BYTES:
            raise ModelError("learn.not_toml", file=file, reason=f"{len(content)} bytes")
        text = content.decode("utf-8-sig")
        return parse(text, file, allow=allow, classes=classes)
    except UnicodeDecodeError as error:
        raise ModelError("learn.not_toml", file=file, reason=str(error)) from error


def pickles(folder: Path) -> list[Path]:
    """Files of a folder that look like pickled models; the path itself if it does."""
    if folder.suffix in PICKLES:
        return [folder]
    return sorted(path for path in folder.glob("*") if path.suffix in PICKLES)


def parse(text: str, file: Path, *, allow: Sequence[str] = (), classes: Sequence[str] = ()) -> Recipe:
    """A recipe from its text; ``file`` is named in messages. See ``load``."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ModelError("learn.not_toml", file=file, reason=str(error)) from error
    _check_keys(file, raw)
    if raw.get("version") != RECIPE_VERSION:
        raise ModelError("learn.recipe_version", file=file, given=raw.get("version", "-"), expected=RECIPE_VERSION)
    response = raw["response"]
    features = raw.get("features", "all")
    recipe = Recipe(
        name=_text(file, raw, "name"),
        kind=_choice(file, raw, "kind", ("classification", "regression")),
        title=dict(raw.get("title", {})),
        features=("*",) if features == "all" else _texts(file, raw, "features"),
        response=_text(file, response, "name", "response."),
        unit=str(response.get("unit", "")),
        transform=_choice(file, response, "transform", TRANSFORMS, "response.", "none"),
        minimum=_number(file, response, "minimum"),
        maximum=_number(file, response, "maximum"),
        bounded=_flag(file, response, "bounded", True),
        weights=_weights(file, raw),
        estimator=raw["estimator"],
        allowed=(*ALLOWED_ROOTS, *(root if root.endswith(".") else f"{root}." for root in allow), *classes),
        text=text,
        file=file,
    )
    if recipe.kind == "classification" and recipe.transform != "none":
        raise ModelError(
            "learn.recipe_choice", file=file, key="response.transform", given=recipe.transform, valid="none"
        )
    recipe.build(0)
    return recipe


def _check_keys(file: Path, raw: Mapping[str, Any]) -> None:
    for section, valid in _KEYS.items():
        table = raw if not section else raw.get(section, {})
        if not isinstance(table, Mapping):
            raise ModelError("learn.recipe_value", file=file, key=section, expected="table")
        for key in table:
            if key not in valid:
                raise _unknown_key(file, section, key, valid)
    for section, key in (("", "response"), ("", "estimator"), ("estimator.", "class")):
        table = raw["estimator"] if section else raw
        if key not in table:
            raise ModelError("learn.recipe_missing", file=file, key=f"{section}{key}")


def _unknown_key(file: Path, section: str, key: str, valid: Sequence[str] | set[str]) -> ModelError:
    near = get_close_matches(key, sorted(valid), 1)
    name = f"{section}.{key}" if section else key
    hint = near[0] if near else ", ".join(sorted(valid))
    return ModelError("learn.recipe_unknown_key", file=file, key=name, hint=hint)


def _text(file: Path, table: Mapping[str, Any], key: str, section: str = "") -> str:
    value = table.get(key)
    if value is None:
        raise ModelError("learn.recipe_missing", file=file, key=f"{section}{key}")
    if not isinstance(value, str) or not value.strip():
        raise ModelError("learn.recipe_value", file=file, key=f"{section}{key}", expected="text")
    return value


def _texts(file: Path, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise ModelError("learn.recipe_value", file=file, key=key, expected='"all", ["...", "..."]')
    return tuple(value)


def _choice(
    file: Path, table: Mapping[str, Any], key: str, valid: Sequence[str], section: str = "", default: str | None = None
) -> Any:
    value = table.get(key, default)
    if value is None:
        raise ModelError("learn.recipe_missing", file=file, key=f"{section}{key}")
    if value not in valid:
        raise ModelError("learn.recipe_choice", file=file, key=f"{section}{key}", given=value, valid=", ".join(valid))
    return value


def _number(file: Path, table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # whole numbers have no largest
            number = float(value)
    if not math.isfinite(number):
        raise ModelError("learn.recipe_value", file=file, key=f"response.{key}", expected="number")
    return number


def _flag(file: Path, table: Mapping[str, Any], key: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ModelError("learn.recipe_value", file=file, key=f"response.{key}", expected="true, false")
    return value


def _weights(file: Path, raw: Mapping[str, Any]) -> str:
    value = raw.get("weights", "none")
    named = isinstance(value, str) and value.startswith(COLUMN_WEIGHT) and len(value) > len(COLUMN_WEIGHT)
    valid = WEIGHTS if raw.get("kind") == "classification" else tuple(item for item in WEIGHTS if item != "balanced")
    if not named and value not in valid:
        choices = ", ".join((*valid, f"{COLUMN_WEIGHT}<name>"))
        raise ModelError("learn.recipe_choice", file=file, key="weights", given=value, valid=choices)
    return str(value)


def _seeded(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Set every random state inside to a number drawn from the seed, and every ``n_jobs`` that is set to one."""
    settings: dict[str, Any] = {}
    for name, value in sorted(estimator.get_params(deep=True).items(), key=lambda item: item[0]):
        if name == "random_state" or name.endswith("__random_state"):
            draw = np.random.default_rng([seed, len(settings)])
            settings[name] = int(draw.integers(2**31 - 1))
        elif value is not None and (name == "n_jobs" or name.endswith("__n_jobs")):
            settings[name] = 1
    return estimator.set_params(**settings)
