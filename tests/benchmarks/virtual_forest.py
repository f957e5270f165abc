"""The virtual city as a finite population of which everything is known, and samples of it.

Pixels are the units, all of one size. Nothing is measured with error here, so whatever the estimates do comes from
sampling alone. Imagery, land-cover map and stock model are those of the demo; the stock model was trained on plots of
its own that no sample shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.learn import validate
from sinkest.learn.spread import moments
from sinkest.simulate.classes import ARBOR, FOREST
from sinkest.simulate.population import prior_map
from tests.benchmarks.resampling import YEARS_BETWEEN, virtual_city

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

STRATA_SHARES = (0.46, 0.24, 0.30)
"""Of the reference points, by stratum of the earlier map: forest, other trees, the rest."""

FIRST_PHASE = 6
"""Units of the largest phase for each ground plot."""

TRAINING_PLOTS = 800
FEATURES = 6
LAST_TREE_CLASS = 9
SEED = 20250101


@dataclass(frozen=True)
class Forest:
    """All pixels of the city; arrays of shape (n,).

    Attributes
    ----------
    stock, before : float64 array
        Growing stock now and five years ago, m3/ha of all land.
    forest : bool array
        Whether the pixel is forest.
    county : int array
    predicted : float64 array
        Growing stock by the map, m3/ha.
    arbor_map : bool array
        Whether the map shows arbor forest.
    map_class, prior : int arrays
        0 forest, 1 other trees, 2 the rest; by this year's map and by a map five years old.
    features : float64 array (n, FEATURES)
        What a model of its own may use: the layers of the imagery that tell most of the stock.
    x_m, y_m : float64 arrays
    position : int array (rows, columns)
        Position of each pixel of the grid, -1 outside; one row and column of -1 at the far edges.
    row, column : int arrays
    """

    stock: Floats
    before: Floats
    forest: NDArray[np.bool_]
    county: NDArray[np.intp]
    predicted: Floats
    arbor_map: NDArray[np.bool_]
    map_class: NDArray[np.intp]
    prior: NDArray[np.intp]
    features: Floats
    x_m: Floats
    y_m: Floats
    position: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.stock)

    @cached_property
    def counties(self) -> tuple[int, ...]:
        """Counties in order, from 0."""
        return tuple(range(int(self.county.max()) + 1))

    def county_means(self, values: Floats) -> dict[int, float]:
        """Mean by county."""
        return dict(enumerate((np.bincount(self.county, values) / np.bincount(self.county)).tolist()))

    @cached_property
    def county_size(self) -> dict[int, float]:
        """Pixels by county."""
        return dict(enumerate(np.bincount(self.county).astype(float).tolist()))

    @cached_property
    def predicted_by_county(self) -> dict[int, float]:
        """Mean of the map by county."""
        return self.county_means(self.predicted)

    @cached_property
    def prior_by_county(self) -> pd.DataFrame:
        """Pixels of the strata of the earlier map (columns) in the counties."""
        return pd.crosstab(self.county, self.prior).astype(float)

    @cached_property
    def class_size(self) -> dict[int, int]:
        """Pixels of each class of this year's map."""
        return dict(enumerate(np.bincount(self.map_class).tolist()))

    @cached_property
    def class_share(self) -> dict[int, float]:
        """Share of each class of this year's map."""
        return {label: size / len(self) for label, size in self.class_size.items()}

    @cached_property
    def map_forest(self) -> NDArray[np.bool_]:
        """Whether this year's map shows forest: strata to be laid over samples that may be small."""
        return self.map_class == 0

    @cached_property
    def forest_size(self) -> dict[bool, int]:
        """Pixels that the map shows as forest and not."""
        return {True: int(self.map_forest.sum()), False: int((~self.map_forest).sum())}

    @cached_property
    def prior_size(self) -> dict[int, int]:
        """Pixels of each stratum of the earlier map."""
        return dict(enumerate(np.bincount(self.prior).tolist()))

    @cached_property
    def auxiliaries(self) -> Floats:
        """Whether the map shows arbor forest, and its stock; shape (n, 2)."""
        return np.column_stack([self.arbor_map, self.predicted]).astype(np.float64)

    @cached_property
    def auxiliary_means(self) -> Floats:
        """Their means."""
        return self.auxiliaries.mean(axis=0)

    def coordinates(self, rows: Rows) -> Floats:
        """Positions of some pixels, metres."""
        return np.column_stack([self.x_m[rows], self.y_m[rows]])


def virtual_forest(folder: Path, resolution_m: float, trees: int = 30) -> Forest:
    """Compose and map the city, and train the stock model once.

    Parameters
    ----------
    folder : Path
        Empty; the composite is written there.
    resolution_m : float
    trees : int
        Size of the forests in the stock recipe.
    """
    city = virtual_city(folder, resolution_m, 10 * resolution_m, trees)
    pixels, year = city.pixels, city.spec.year
    stock = pixels.volume_m3_ha[year].astype(np.float64)
    known = np.isfinite(city.features).all(axis=1)
    arbor = np.isin(city.mapped, ARBOR) & known
    candidates = np.flatnonzero(arbor & (stock > 0))
    plots = np.random.default_rng(SEED).choice(candidates, min(TRAINING_PLOTS, len(candidates) // 2), replace=False)
    model = validate.fit(city.recipe, city.features[plots], stock[plots], seed=SEED)
    predicted = np.zeros(len(stock))
    predicted[arbor] = np.clip(moments(model, city.features[arbor])[0], city.recipe.minimum, city.recipe.maximum)
    layers = np.where(np.isfinite(city.features), city.features, 0.0).astype(np.float64)
    told = np.abs(np.nan_to_num(np.corrcoef(layers.T, stock)[-1, :-1]))
    best = np.sort(np.argsort(-told, kind="stable")[:FEATURES])
    position = np.full((pixels.row.max() + 2, pixels.column.max() + 2), -1, dtype=np.intp)
    position[pixels.row, pixels.column] = np.arange(len(stock))
    code = pixels.land_cover[year]
    shown = np.where(np.isin(city.mapped, FOREST), 0, np.where(city.mapped <= LAST_TREE_CLASS, 1, 2))
    return Forest(
        stock=stock,
        before=pixels.volume_m3_ha[year - YEARS_BETWEEN].astype(np.float64),
        forest=np.isin(code, FOREST),
        county=pixels.zone.astype(np.intp),
        predicted=predicted,
        arbor_map=arbor,
        map_class=shown.astype(np.intp),
        prior=prior_map(pixels, year - YEARS_BETWEEN, city.spec.seed).astype(np.intp),
        features=layers[:, best],
        x_m=pixels.x,
        y_m=pixels.y,
        position=position,
        row=pixels.row.astype(np.intp),
        column=pixels.column.astype(np.intp),
    )


@dataclass(frozen=True)
class Draw:
    """One sample of each design, drawn when it is asked for; the same whatever else is asked.

    Attributes
    ----------
    forest : Forest
    n : int
        Units wanted.
    number : int
        Which sample.
    """

    forest: Forest
    n: int
    number: int

    def rng(self, stream: int) -> np.random.Generator:
        """A generator of the sample's own."""
        return np.random.default_rng([SEED, self.n, self.number, stream])

    @cached_property
    def random(self) -> Rows:
        """Simple random sample without replacement, in random order."""
        return self.rng(0).choice(len(self.forest), self.n, replace=False, shuffle=True)

    @cached_property
    def grid(self) -> Rows:
        """Square grid of about n points with a random start and a random orientation."""
        forest, rng = self.forest, self.rng(1)
        spacing = np.sqrt(len(forest) / self.n)
        height, width = forest.position.shape
        angle, (shift_x, shift_y) = rng.uniform(0.0, np.pi / 2), rng.uniform(0.0, spacing, 2)
        reach = int(np.hypot(height, width) / spacing) + 2
        u, v = (axis.ravel() * spacing for axis in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        u, v = u + shift_x, v + shift_y
        row = np.floor(u * np.cos(angle) - v * np.sin(angle) + height / 2).astype(np.intp)
        column = np.floor(u * np.sin(angle) + v * np.cos(angle) + width / 2).astype(np.intp)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = forest.position[row[inside], column[inside]]
        return np.unique(found[found >= 0])

    @cached_property
    def second(self) -> Rows:
        """Another simple random sample."""
        return self.rng(2).choice(len(self.forest), self.n, replace=False, shuffle=True)

    @cached_property
    def stratified(self) -> Rows:
        """Fixed numbers of points from the strata of the earlier map."""
        return _from_strata(self.forest.prior, self.n, self.rng(3))

    @cached_property
    def by_map(self) -> Rows:
        """Fixed numbers of points from the classes of this year's map."""
        return _from_strata(self.forest.map_class, self.n, self.rng(4))

    @cached_property
    def phases(self) -> Rows:
        """Simple random sample of ``FIRST_PHASE * n`` units, those of ``random`` first."""
        free = np.ones(len(self.forest), dtype=bool)
        free[self.random] = False
        rest = np.flatnonzero(free)
        more = self.rng(5).choice(rest, min((FIRST_PHASE - 1) * self.n, len(rest)), replace=False, shuffle=True)
        return np.concatenate([self.random, more])

    @cached_property
    def clusters(self) -> tuple[Rows, NDArray[np.intp]]:
        """Units, and cluster of each: squares of 2 x 2 plots two pixels apart at random places, about n plots in all.

        Clusters that reach over the border lose the plots outside; every plot has the same chance.
        """
        position, rng, wanted = np.pad(self.forest.position, 2, constant_values=-1), self.rng(6), round(self.n / 4)
        height, width = self.forest.position.shape
        # the city fills half of its bounding box, so eight times as many corners are enough
        corner = np.column_stack([rng.integers(0, height + 2, 8 * wanted), rng.integers(0, width + 2, 8 * wanted)])
        steps = np.array([(0, 0), (0, 2), (2, 0), (2, 2)])
        place = corner[:, None, :] + steps
        found = position[place[..., 0], place[..., 1]]
        found = found[(found >= 0).any(axis=1)][:wanted]
        inside = found >= 0
        return found[inside], np.nonzero(inside)[0]


def draws(forest: Forest, n: int, count: int) -> Iterator[Draw]:
    """So many samples of about n units."""
    return (Draw(forest, n, number) for number in range(count))


def _from_strata(stratum: NDArray[np.intp], n: int, rng: np.random.Generator) -> Rows:
    parts = [
        rng.choice(np.flatnonzero(stratum == h), round(n * share), replace=False)
        for h, share in enumerate(STRATA_SHARES)
    ]
    return np.concatenate(parts)
