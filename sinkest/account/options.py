"""How an account is made: the choices of a user, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sinkest.account.conversion import DEFAULT_ENSEMBLE, DEFAULT_SET
from sinkest.account.forest import MIN_VOLUME_M3_HA
from sinkest.account.growth import Removals
from sinkest.account.montecarlo import MAX_DRAWS, MIN_DRAWS
from sinkest.errors import InputError

MAX_CULMS_PER_HA = 30_000.0


MOST_DOUBT = 0.5
"""Above it the other definition is the one to declare."""


@dataclass(frozen=True, kw_only=True)
class AccountOptions:
    """How an account is made.

    Attributes
    ----------
    year : int
        Year of the stock.
    definition_id : str
        Definition the forest areas were estimated under; it travels with every forest figure.
    conversion_set : str
        Volume-to-biomass set that gives the values.
    ensemble : mapping, optional
        Set to its weight in the draws. By default the chosen set weighs as much as all its alternatives together, and
        the alternatives are the default sets without provisional coefficients.
    type_map : mapping
        Forest type of the stock table to factor type, where it differs from the default map.
    bamboo_class, oil_tea_class, shrub_class : str or None
        Land-cover classes of the pools without growing stock; None leaves a pool out.
    bamboo_culms_per_ha : float, optional
        Mean number of culms (立竹度); bamboo then follows culms in place of a carbon density per hectare.
    water_classes, marsh_classes : tuple of str
        Land-cover classes of open water and marsh.
    min_volume_m3_ha : float
        Below this mean volume a stratum is converted by the slope alone.
    gwp_set : str
        Methane's global warming potential: ``"AR5"`` (28, the default), ``"AR6"`` (27.0 non-fossil), ...
    corridor_included : bool
        Whether corridor sites count among the small wetlands; by default they are counted apart.
    removals : Removals, optional
        What was cut and what died, for the gain-loss check.
    stand_ages : mapping
        Forest type to the mean age of its stands, for the gain-loss check.
    definition_doubt : float
        Chance that the definition treats oil tea the other way, 0..0.5.
    oil_tea_counted : bool
        Whether oil tea is part of all carbon under the definition.
    accept_provisional : bool
        Whether values that rest on coefficients not checked against their source may stand in final tables.
    level : float
        Of the intervals.
    draws : int
        Realisations, at least 10,000.
    simulated : bool
        Whether the input comes from a simulation; carried into every row.
    factor_tables : mapping
        Table name to the path of a table of one's own.
    """

    year: int
    definition_id: str
    conversion_set: str = DEFAULT_SET
    ensemble: Mapping[str, float] | None = None
    type_map: Mapping[str, str] = field(default_factory=dict)
    bamboo_class: str | None = "bamboo"
    oil_tea_class: str | None = "oil_tea"
    shrub_class: str | None = "shrub"
    bamboo_culms_per_ha: float | None = None
    water_classes: tuple[str, ...] = ("water",)
    marsh_classes: tuple[str, ...] = ("marsh",)
    min_volume_m3_ha: float = MIN_VOLUME_M3_HA
    gwp_set: str = "AR5"
    corridor_included: bool = False
    removals: Removals | None = None
    stand_ages: Mapping[str, float] = field(default_factory=dict)
    definition_doubt: float = 0.0
    oil_tea_counted: bool = True
    accept_provisional: bool = False
    level: float = 0.95
    draws: int = MIN_DRAWS
    simulated: bool = False
    factor_tables: Mapping[str, str | Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not MIN_DRAWS <= self.draws <= MAX_DRAWS:
            raise InputError("account.draws", given=self.draws, least=MIN_DRAWS, most=MAX_DRAWS)
        if not 0 <= self.definition_doubt <= MOST_DOUBT:
            raise InputError("account.doubt", given=self.definition_doubt)
        if not 0.5 < self.level < 1:
            raise InputError("account.level", given=self.level)
        if not self.min_volume_m3_ha >= 0:
            raise InputError("account.min_volume", given=self.min_volume_m3_ha)
        culms = self.bamboo_culms_per_ha
        if culms is not None and not 0 < culms <= MAX_CULMS_PER_HA:
            raise InputError("account.culms", given=culms, most=MAX_CULMS_PER_HA)

    def weights(self) -> dict[str, float]:
        """Weight of each conversion set in the draws."""
        if self.ensemble is not None:
            return dict(self.ensemble)
        others = [name for name in DEFAULT_ENSEMBLE if name != self.conversion_set]
        return {self.conversion_set: 0.5, **{name: 0.5 / len(others) for name in others}}

    def pool_classes(self) -> dict[str, str]:
        """Pool to its land-cover class."""
        given = {"bamboo": self.bamboo_class, "oil_tea": self.oil_tea_class, "shrub": self.shrub_class}
        return {name: value for name, value in given.items() if value is not None}
