"""What a report is made of: one frozen value that a run fills and that every output reads.

Whatever a run did not produce is ``None`` or empty here, and the outputs say so in the place where it would stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest import tidy
from sinkest.errors import InputError
from sinkest.messages import Message

WITHHELD = tidy.WITHHELD
CITY = tidy.CITY

ZONE_COLUMNS = ("zone_id", "name_zh", "name_en", "area_ha")
ESTIMATE_COLUMNS = tidy.COLUMNS
TARGET_COLUMNS = (
    "target_id",
    "quantity",
    "zone",
    "target_year",
    "target_value",
    "unit",
    "comparison",
    "wording_zh",
    "wording_en",
    "estimate",
    "se",
    "low",
    "high",
    "probability",
    "verdict",
    "reason",
    "required_per_year",
    "trajectory_value",
)
TRAJECTORY_COLUMNS = ("quantity", "zone", "year", "kind", "value", "unit", "low", "high")
TRAJECTORY_KINDS = ("estimate", "path", "target", "projection")
FACTOR_COLUMNS = ("name", "value", "unit", "source", "status")
CV_COLUMNS = ("model", "scheme", "metric", "value", "unit")
BIAS_COLUMNS = ("low", "high", "n", "bias")
VARIANCE_COLUMNS = ("quantity", "source", "share")
_COLOUR = re.compile("#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class Definition:
    """The definition of forest that the areas follow; an empty id says that the run has none.

    Parameters
    ----------
    id : str
        The definition id that travels with every area.
    name_zh, name_en : str
        Its name.
    text_zh, text_en : str
        The rule in words.
    """

    id: str
    name_zh: str
    name_en: str
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class LegendClass:
    """One class of a map: code in the raster (1..254), id, names and colour ``#rrggbb``."""

    code: int
    id: str
    zh: str
    en: str
    colour: str

    def __post_init__(self) -> None:
        if not 1 <= self.code <= 254 or not _COLOUR.fullmatch(self.colour):
            raise InputError("report.legend_class", id=self.id, code=self.code, colour=self.colour)


@dataclass(frozen=True, eq=False)
class MapLayer:
    """A map reduced to the size of a page.

    Parameters
    ----------
    id : str
        Stable id, e.g. ``"land_cover"`` or ``"stock"``.
    title : Message
        Heading of the map.
    kind : {"classes", "continuous"}
        ``classes``: uint8 codes, 0 = no data. ``continuous``: float32, NaN = no data.
    array : ndarray (y, x)
        North up; all layers of a report have one shape.
    legend : tuple of LegendClass
        For ``classes``.
    vmin, vmax : float
        For ``continuous``: the ends of the colour scale, in ``unit``.
    unit : str
        For ``continuous``.
    colormap : str
        For ``continuous``: a name that matplotlib knows.
    caption : Message, optional
        What a reader should know before trusting the map.
    """

    id: str
    title: Message
    kind: Literal["classes", "continuous"]
    array: NDArray[Any]
    legend: tuple[LegendClass, ...] = ()
    vmin: float = 0.0
    vmax: float = 1.0
    unit: str = ""
    colormap: str = "viridis"
    caption: Message | None = None

    def __post_init__(self) -> None:
        if self.array.ndim != 2 or 0 in self.array.shape:
            raise InputError("report.map_shape", layer=self.id, shape=self.array.shape)
        if self.kind == "classes":
            if self.array.dtype != np.uint8:
                raise InputError("report.map_dtype", layer=self.id, dtype=self.array.dtype)
            unknown = sorted(set(np.unique(self.array).tolist()) - {0} - {c.code for c in self.legend})
            if unknown:
                raise InputError("report.map_codes", layer=self.id, codes=", ".join(map(str, unknown)))
        elif not (np.isfinite(self.vmin) and np.isfinite(self.vmax) and self.vmin < self.vmax):
            raise InputError("report.map_range", layer=self.id, vmin=self.vmin, vmax=self.vmax)


@dataclass(frozen=True, eq=False)
class Confusion:
    """Design-based accuracy of the land-cover map from a reference sample.

    Parameters
    ----------
    class_ids : tuple of str
        The classes, in the order of the arrays.
    counts : ndarray (k, k)
        Sample counts; rows are map classes, columns reference classes.
    users, users_se, producers, producers_se : ndarray (k,)
        Shares 0..1; NaN where a class cannot be judged.
    overall, overall_se : float
        Overall accuracy, a share.
    n : int
        Number of reference points.
    design : Message, optional
        How the sample was drawn and judged.
    """

    class_ids: tuple[str, ...]
    counts: NDArray[Any]
    users: NDArray[np.float64]
    users_se: NDArray[np.float64]
    producers: NDArray[np.float64]
    producers_se: NDArray[np.float64]
    overall: float
    overall_se: float
    n: int
    design: Message | None = None

    def __post_init__(self) -> None:
        k = len(self.class_ids)
        per_class = (self.users, self.users_se, self.producers, self.producers_se)
        if self.counts.shape != (k, k) or any(a.shape != (k,) for a in per_class):
            raise InputError("report.confusion_shape", classes=k, shape=self.counts.shape)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How good the maps behind the estimates are; each part may be absent.

    Parameters
    ----------
    confusion : Confusion, optional
    cv : DataFrame, optional
        ``model`` ("land_cover", "stock"), ``scheme`` ("spatial", "random"), ``metric``, ``value``, ``unit``.
    bias : DataFrame, optional
        By bin of the observed response: ``low``, ``high`` (ends of the bin), ``n``, ``bias`` (mean of predicted minus
        observed), in its unit.
    observed, predicted : ndarray (n,), optional
        Out-of-fold pairs of the model of the plots, in the response's unit.
    """

    confusion: Confusion | None = None
    cv: pd.DataFrame | None = None
    bias: pd.DataFrame | None = None
    observed: NDArray[np.float64] | None = None
    predicted: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        _require(self.cv, CV_COLUMNS, "accuracy.cv")
        _require(self.bias, BIAS_COLUMNS, "accuracy.bias")
        pair = (self.observed, self.predicted)
        if any(a is None for a in pair) != all(a is None for a in pair):
            raise InputError("report.pairs", observed=_length(self.observed), predicted=_length(self.predicted))
        if self.observed is not None and self.predicted is not None and self.observed.shape != self.predicted.shape:
            raise InputError("report.pairs", observed=_length(self.observed), predicted=_length(self.predicted))


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report reads.

    Parameters
    ----------
    run_id, name : str
        Of the run; printed on every output.
    year : int
        The year assessed; rows of ``estimates`` of other years are not printed in the tables.
    city_zh, city_en : str
        The whole, in words.
    simulated, provisional : bool
        Whether the imagery or field data came from the simulator; whether a provisional coefficient was used.
    definition : Definition
    zones : DataFrame
        ``zone_id`` (str), ``name_zh``, ``name_en``, ``area_ha``.
    estimates : DataFrame
        The tidy table, columns :data:`ESTIMATE_COLUMNS`; zone :data:`CITY` is the whole.
    targets : DataFrame, optional
        The assessment, columns :data:`TARGET_COLUMNS`; optional ``band`` (half-width of "about"), ``assessed``,
        ``assessed_low``, ``assessed_high`` (the estimate carried to the target's year), ``settling_se`` (the standard
        error at which the verdict would be clear) and ``source``.
    trajectory : DataFrame, optional
        Columns :data:`TRAJECTORY_COLUMNS`; kinds: ``estimate`` (a year's estimate), ``path`` (what the plan requires),
        ``target``, ``projection``.
    accuracy : Accuracy
    legend : tuple of LegendClass
        The land-cover classes; gives the class ids of quantities their names.
    maps : tuple of MapLayer
    outlines : mapping
        zone_id to rings, each ndarray (k, 2) of x, y in pixel coordinates of the maps (x right, y down, corner 0, 0).
    pixel_size_m : float, optional
        Side of a pixel of the maps.
    factors_used : DataFrame, optional
        Columns :data:`FACTOR_COLUMNS`, optional ``name_zh`` and ``name_en``; status SRC, SRC2, DER or MEM.
    provenance : mapping
        JSON-able; the keys ``versions`` (mapping), ``inputs`` (list of mappings with ``sha256``), ``source`` (mapping)
        and ``models`` (list) have a place of their own, others follow.
    notes : tuple of Message
        What the reader must know.
    relative_efficiency : float, optional
        Variance of the plots alone over the variance with the map, for growing stock.
    n_plots, n_reference : int, optional
        Sample sizes.
    variance_shares : DataFrame, optional
        ``quantity``, ``source``, ``share`` 0..1.
    details : mapping
        Tables of the account that stand behind the main ones, by name; see :mod:`sinkest.report.listings`.
    response, response_unit : str
        What the model of the plots maps: a column of the plots, and its unit.
    roles : mapping
        Land-cover classes by what they are in the survey: ``forest``, ``arbor``, ``bamboo``, ``oil_tea``, ``shrub``.
    title_zh, title_en : str, optional
        Heading of the report; default: the standing title with the city and the year.
    """

    run_id: str
    name: str
    year: int
    city_zh: str
    city_en: str
    simulated: bool
    provisional: bool
    definition: Definition
    zones: pd.DataFrame
    estimates: pd.DataFrame
    targets: pd.DataFrame | None = None
    trajectory: pd.DataFrame | None = None
    accuracy: Accuracy = field(default_factory=Accuracy)
    legend: tuple[LegendClass, ...] = ()
    maps: tuple[MapLayer, ...] = ()
    outlines: Mapping[str, Sequence[NDArray[np.float64]]] = field(default_factory=dict)
    pixel_size_m: float | None = None
    factors_used: pd.DataFrame | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Message, ...] = ()
    relative_efficiency: float | None = None
    n_plots: int | None = None
    n_reference: int | None = None
    variance_shares: pd.DataFrame | None = None
    details: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    response: str = "volume_m3_ha"
    response_unit: str = "m3/ha"
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    title_zh: str | None = None
    title_en: str | None = None

    def __post_init__(self) -> None:
        _require(self.zones, ZONE_COLUMNS, "zones")
        _require(self.estimates, ESTIMATE_COLUMNS, "estimates")
        _require(self.targets, TARGET_COLUMNS, "targets")
        _require(self.trajectory, TRAJECTORY_COLUMNS, "trajectory")
        _require(self.factors_used, FACTOR_COLUMNS, "factors_used")
        _require(self.variance_shares, VARIANCE_COLUMNS, "variance_shares")
        shapes = {layer.array.shape for layer in self.maps}
        if len(shapes) > 1:
            raise InputError("report.map_shapes", shapes=", ".join(sorted(map(str, shapes))))

    @property
    def provisional_accepted(self) -> bool:
        """Whether values that rest on unchecked coefficients may be printed; they are withheld otherwise."""
        return not bool((self.estimates["status"] == WITHHELD).any())

    def city(self, language: str) -> str:
        """Name of the whole in a language."""
        return self.city_zh if language == "zh" else self.city_en


def _require(table: pd.DataFrame | None, columns: Sequence[str], name: str) -> None:
    if table is None:
        return
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError("report.missing_columns", table=name, columns=", ".join(missing))


def _length(array: NDArray[Any] | None) -> str:
    return "-" if array is None else str(len(array))
