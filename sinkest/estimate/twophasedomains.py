"""Two-phase regression estimates for parts of the inventoried area: synthetic, extended synthetic and small-area.

All of them predict with one model fitted on the whole area. They differ in how they treat its error in the domain:
the synthetic ones leave it (a bias nobody sees), the extended ones fit the domain's own level along, the small-area
ones add the mean residual of the domain's plots. Sources: D. Mandallaz, Can. J. For. Res. 43 (2013) 441-449;
D. Mandallaz, J. Breschan and A. Hill, ibid. 1023-1031 (means known for some auxiliaries only); A. Hill, A. Massey and
D. Mandallaz, J. Stat. Softw. 97(4) (2021), sec. 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.checks import Floats
from sinkest.estimate.domainmeans import DomainMeans, domain_labels, domain_means, in_domain, require_overlap
from sinkest.estimate.phases import Booleans, Phase, Plots, without_missing
from sinkest.estimate.regression import Fit, auxiliaries, keep_independent
from sinkest.estimate.result import quantile
from sinkest.estimate.strata import ordered
from sinkest.messages import Message

Kind = Literal["synthetic", "extended", "small"]
ClusterExternal = Literal["residual", "response"]
COLUMNS = ("estimate", "se", "variance_external", "variance_g", "n1", "n2", "df", "note")


@dataclass(frozen=True)
class _Model:
    """A working model: its design columns, the measured units it was fitted on, and the fit."""

    columns: list[int]
    ground: Phase
    fit: Fit
    base: Phase

    @classmethod
    def of(
        cls, ground: Phase, base: Phase, names: tuple[str, ...], columns: list[int]
    ) -> tuple[_Model, tuple[Message, ...]]:
        part = ground.columns(columns)
        kept, notes = keep_independent(part.design, tuple(names[i - 1] for i in columns[1:]), part.size)
        chosen = [columns[i] for i in kept]
        part = part.columns(kept)
        return cls(chosen, part, part.fit(), base.columns(chosen)), notes

    def predict(self, mean: Floats) -> float:
        """Prediction at a full row of design means."""
        return float(mean[self.columns] @ self.fit.beta)

    def variance(self, mean: Floats) -> float:
        """Variance of that prediction that comes from the coefficients."""
        return self.ground.g_variance(self.fit, mean[self.columns], self.base)

    def residuals(self, units: Phase) -> Floats:
        """Observed minus predicted response of measured units."""
        return units.y - units.design[:, self.columns] @ self.fit.beta


@dataclass(frozen=True)
class _Models:
    """The full model; and the one on the auxiliaries with known means, the same where all or none are known."""

    full: _Model
    reduced: _Model
    share: float
    across: bool
    notes: tuple[Message, ...]


@dataclass(frozen=True)
class _Setting:
    """What is the same for every domain of one call."""

    plots: Plots
    design: Floats
    names: tuple[str, ...]
    code: NDArray[np.intp]
    codes: dict[Any, int]
    kind: Kind
    means: DomainMeans | None
    cluster_external: ClusterExternal

    @property
    def partial(self) -> bool:
        """Whether means are known for some auxiliaries only."""
        return self.means is not None and len(self.means.columns) < len(self.names)

    @property
    def exhaustive(self) -> bool:
        """Whether means are known for all auxiliaries."""
        return self.means is not None and not self.partial

    def known(self, label: Any) -> Floats | None:
        """Full row of design means of a domain, zero where one is not known; ``None`` without known means."""
        row = None if self.means is None else self.means.row(label)
        if row is None or self.means is None:
            return None
        full = np.zeros(self.design.shape[1])
        full[[0, *(self.means.columns + 1)]] = row
        return full

    def inside(self, label: Any) -> Booleans:
        """Which plots lie in a domain."""
        return np.asarray(self.code == self.codes.get(label, -2), dtype=np.bool_)

    def models(self, inside: Booleans | None, label: str = "") -> _Models:
        """Fit the models, with the indicator of a domain as a further auxiliary if one is given."""
        design, names, across = self.design, self.names, False
        if inside is not None:
            design, names = np.column_stack([design, inside]), (*names, f"indicator of {label}")
        ground, everything = self.plots.phase(design, 2), self.plots.phase(design, 1)
        if inside is not None and self.plots.cluster is not None:
            ground = self._with_share(ground, inside, 2)
            everything = self._with_share(everything, inside, 1)
            across = bool(((ground.design[:, -1] > 0) & (ground.design[:, -1] < 1)).any())
        full, notes = _Model.of(ground, ground, names, list(range(design.shape[1])))
        reduced = full
        if self.partial and self.means is not None:
            columns = [0, *(self.means.columns + 1).tolist(), *([] if inside is None else [design.shape[1] - 1])]
            # as published: single plots take the moments of the reduced auxiliaries from phase 1, clusters from phase 2
            base = everything if self.plots.cluster is None else ground
            reduced, _ = _Model.of(ground, base, names, columns)
        return _Models(full, reduced, ground.n / everything.n, across, notes)

    def _with_share(self, phase: Phase, inside: Booleans, depth: int) -> Phase:
        """Let the indicator of a cluster be the share of its plots in the domain, whatever their boundary weights."""
        even = replace(self.plots, weight=np.ones(len(inside)))
        share = even.phase(inside[:, None].astype(np.float64), depth).design
        return replace(phase, design=np.column_stack([phase.design[:, :-1], share]))


def domain_table(
    kind: Kind,
    y: ArrayLike,
    z: ArrayLike | pd.DataFrame,
    phase2: ArrayLike,
    domain: ArrayLike,
    true_means: pd.DataFrame | pd.Series | Mapping[Any, Any] | None,
    boundary_weights: ArrayLike | None,
    cluster: ArrayLike | None,
    cluster_external: ClusterExternal = "residual",
) -> pd.DataFrame:
    """Estimate every domain with one of the three kinds of estimator; see the functions of `smallarea`."""
    if cluster_external not in ("residual", "response"):
        allowed = "residual, response"
        raise InputError("smallarea.unknown_choice", name="cluster_external", given=cluster_external, allowed=allowed)
    table = auxiliaries("z", z, allow_nan=True)
    n = len(table.values)
    flags = checks.vector("phase2", phase2, n)
    odd = np.flatnonzero((flags != 0) & (flags != 1))
    if len(odd):
        raise InputError("smallarea.not_a_flag", row=int(odd[0]), value=float(flags[odd[0]]))
    plots = Plots.of(y, 1 + flags.astype(np.intp), 2, boundary_weights, cluster)
    labels = domain_labels(domain, n)
    complete, missing = without_missing(table.values, plots, 2)
    present = ordered(np.array([label for label in labels if label is not None], dtype=object))
    means, domains = None, present
    if true_means is not None:
        means = domain_means("true_means", true_means, table, z, partial=True)
        require_overlap("true_means", means.domains, labels)
        domains = means.domains + tuple(label for label in present if label not in means.domains)
    if not domains:
        raise InputError("smallarea.no_domain")
    code, known = pd.factorize(labels[complete], use_na_sentinel=True)
    setting = _Setting(
        plots.where(complete),
        table.design[complete],
        table.names,
        code,
        {label: i for i, label in enumerate(known)},
        kind,
        means,
        cluster_external,
    )
    shared = None if kind == "extended" else setting.models(None)
    rows = [_domain(setting, label, shared) for label in domains]
    index = pd.Index(domains, name="domain", tupleize_cols=False)
    result = pd.DataFrame([row.cells for row in rows], index=index, columns=list(COLUMNS))
    notes = missing + (() if means is None else means.notes) + tuple(note for row in rows for note in row.notes)
    result.attrs["notes"] = tuple(dict.fromkeys(notes))
    return result


@dataclass
class _Row:
    """One domain's row of the table while it is being filled."""

    label: Any
    cells: dict[str, Any]
    notes: list[Message]

    def note(self, key: str) -> None:
        self.notes.append(in_domain(self.label, key))
        self.cells["note"] = self.cells["note"] or key


@dataclass(frozen=True)
class _Local:
    """The units of one domain: the first phase (absent where there is none), and the measured ones."""

    first: Phase | None
    ground: Phase | None

    @property
    def n1(self) -> int:
        return 0 if self.first is None else self.first.n

    @property
    def n2(self) -> int:
        return 0 if self.ground is None else self.ground.n


def _local(setting: _Setting, inside: Booleans) -> _Local:
    plots, design = setting.plots.where(inside), setting.design[inside]
    if setting.kind == "extended":
        design = np.column_stack([design, np.ones(len(design))])
    measured = plots.depth == 2
    first = plots.phase(design, 1) if plots.weight.sum() > 0 else None
    ground = plots.phase(design, 2) if plots.weight[measured].sum() > 0 else None
    return _Local(first, ground)


def _domain(setting: _Setting, label: Any, shared: _Models | None) -> _Row:
    """Estimate one domain, or say why that cannot be done."""
    inside = setting.inside(label)
    local = _local(setting, inside)
    n1 = math.inf if setting.exhaustive else float(local.n1)
    row = _Row(label, dict.fromkeys(COLUMNS, math.nan) | {"n1": n1, "n2": local.n2, "note": ""}, [])
    known = setting.known(label)
    if setting.means is not None and known is None:
        row.note("smallarea.no_true_means")
    elif not setting.exhaustive and local.first is None:
        row.note("smallarea.no_first_phase")
    elif setting.kind != "synthetic" and local.ground is None:
        row.note("smallarea.no_plots_in_domain")
    else:
        models = setting.models(inside, str(label)) if shared is None else shared
        if shared is None and known is not None:
            known = np.append(known, 1.0)
        if models.across:
            row.note("smallarea.cluster_across_domains")
        row.notes.extend(models.notes)
        _fill(setting, row, models, local, known)
    return row


def _fill(setting: _Setting, row: _Row, models: _Models, local: _Local, known: Floats | None) -> None:
    """Compute a domain's estimate and variances and withdraw those the sample cannot tell."""
    full, first, ground = models.full, local.first, local.ground
    if known is not None and (setting.exhaustive or first is None):
        estimate, variance = full.predict(known), full.variance(known)
    elif known is not None and first is not None:
        estimate = models.reduced.predict(known) - models.reduced.predict(first.mean) + full.predict(first.mean)
        variance = models.share * models.reduced.variance(known) + (1.0 - models.share) * full.variance(first.mean)
    else:
        estimate, variance = _from_first_phase(row, full, first)
    df = float(full.ground.n - len(full.columns))
    if setting.kind != "synthetic" and ground is not None:
        residual, df = full.residuals(ground), float(ground.n - 1)
        if setting.kind == "small":
            estimate += float(np.average(residual, weights=ground.size))
        if ground.n == 1:
            # a model that knows the domain's level follows a single plot exactly; that says nothing on the spread
            variance = math.nan
            row.note("smallarea.one_plot_in_domain")
        else:
            variance += ground.spread(residual) if setting.kind == "small" else 0.0
            row.cells["variance_external"] = _external(setting, row, models, local, ground)
    se = math.sqrt(variance) if variance >= 0 else math.nan
    row.cells.update(estimate=estimate, se=se, variance_g=variance, df=df)


def _from_first_phase(row: _Row, full: _Model, first: Phase | None) -> tuple[float, float]:
    """Prediction at the domain's first-phase means; its variance counts how those were sampled, too."""
    if first is None:
        return math.nan, math.nan
    estimate = full.predict(first.mean)
    if first.n == 1:
        row.note("smallarea.one_first_phase_unit")
        return estimate, math.nan
    predicted = first.design[:, full.columns] @ full.fit.beta
    return estimate, full.variance(first.mean) + first.spread(predicted, estimate)


def _external(setting: _Setting, row: _Row, models: _Models, local: _Local, ground: Phase) -> float:
    """Variance as if the model had come from elsewhere: first phase, and second phase within it."""
    residual = models.full.residuals(ground)
    second = ground.spread(residual)
    if setting.exhaustive:
        return second
    if setting.partial:
        first = ground.spread(models.reduced.residuals(ground))
    elif setting.plots.cluster is not None and setting.cluster_external == "residual":
        first = ground.spread(residual, 0.0)
        row.note("smallarea.external_of_clusters")
    else:
        first = ground.spread(ground.y)
    share = ground.n / local.n1
    return share * first + (1.0 - share) * second


def intervals(table: pd.DataFrame, level: float = 0.95, variance: str = "variance_g") -> pd.DataFrame:
    """Add the columns ``low`` and ``high`` to a table of domains.

    Student's t with the table's ``df`` where it has one, else the normal quantile.

    Parameters
    ----------
    table : DataFrame
        With the columns ``estimate`` and the given variance.
    level : float
        Confidence level.
    variance : str
        Column of the variance to use.

    Raises
    ------
    InputError
        If a column is missing or the level is not between 0 and 1.
    """
    missing = [column for column in ("estimate", variance) if column not in table]
    if missing:
        raise InputError("smallarea.missing_column", missing=", ".join(missing), given=", ".join(map(str, table)))
    df = table["df"] if "df" in table else pd.Series(math.inf, index=table.index)
    factor = np.array([quantile(level, value) if value > 0 else math.nan for value in df])
    half = factor * np.sqrt(table[variance].to_numpy(dtype=np.float64))
    return table.assign(low=table["estimate"] - half, high=table["estimate"] + half)
