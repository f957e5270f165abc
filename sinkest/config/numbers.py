"""Sections on numbers: inference, the carbon account, targets and scenarios."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sinkest.config.base import ClassId, Section, Text, problem


class CroplandSection(Section):
    """Soil of cropland, and the methane of paddies; left out unless a table is named."""

    table: Text | None = Field(None, description="fields whose use, tillage or input changed")


class RestorationSection(Section):
    """Treatment polygons of rocky desertification, corridors and greenways; left out unless a file is named."""

    treatments: Text | None = Field(None, description="polygons with treatment_id, kind, method, year")
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    season: ClassId | None = Field(None, description="season whose greenness is compared with account.previous_run")


class EstimateSection(Section):
    """Reference sample, field inference, intervals."""

    reference: Text | None = Field(None, description="interpreted reference points")
    strata: Text | None = Field(None, description="areas of the strata the points were drawn from")
    reference_datum: Literal["wgs84", "gcj02"] = "wgs84"
    labelled_under: Text | None = Field(None, description="definition id under which the points were interpreted")
    level: float = Field(0.95, gt=0.5, lt=1)
    min_plots: int = Field(10, ge=2, description="a zone with fewer plots gets no estimate of its own")


class AccountSection(Section):
    """From stock to carbon and sink."""

    conversion_set: Text = Field("LI2016", description="volume-to-biomass set")
    ensemble: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="conversion set -> weight in the draws; default: the verified sets"
    )
    accept_provisional: bool = Field(False, description="print what rests on coefficients not checked at their source")
    forest_types: dict[ClassId, str] = Field(default_factory=dict, description="map class -> factor type")
    bamboo_class: ClassId | None = None
    oil_tea_class: ClassId | None = None
    shrub_class: ClassId | None = None
    bamboo_culms_per_ha: float | None = Field(
        None, gt=0, le=30_000, description="culms a hectare, in place of a density"
    )
    removals_m3_yr: float | None = Field(None, ge=0, description="cut and dead volume a year, for the gain-loss check")
    removals_se_m3_yr: float = Field(0.0, ge=0, description="its standard error")
    stand_ages: dict[ClassId, Annotated[float, Field(ge=0, le=300)]] = Field(
        default_factory=dict, description="map class -> mean age in years, for the gain-loss check"
    )
    definition_doubt: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="chance that the rule treats oil tea the other way; default 0.5 under an unverified rule, else 0",
    )
    draws: int = Field(10_000, ge=10_000, le=200_000)
    previous_run: Text | None = Field(None, description="folder of an earlier year's run; change and sink since then")


class TargetsSection(Section):
    """What the estimates are held against."""

    path: Text = "shipped:configs/targets-zhuzhou.toml"
    coverage_definition: Text | None = Field(
        None, description="definition id the plan's coverage is judged under, where not the id in its file"
    )
    coverage_band_pp: float | None = Field(None, gt=0, description="half width of 'about', in points")


class RateSection(Section):
    """A rate a year and its standard deviation."""

    mean: float
    sd: float = Field(0.0, ge=0)


class ScenarioSection(Section):
    """What is assumed of the years until the targets; one ``[[scenarios]]`` each, none by default."""

    id: ClassId
    zh: Text
    en: Text
    growth_percent: RateSection | None = Field(
        None, description="growth of the stock in percent a year before harvest; else the measured change goes on"
    )
    harvest_m3: RateSection = Field(RateSection(mean=0), description="volume cut a year, m3")
    planting_ha: RateSection = Field(RateSection(mean=0), description="land that becomes forest a year, ha")
    loss_ha: RateSection = Field(RateSection(mean=0), description="forest lost a year, ha")
    young_m3_ha: RateSection = Field(RateSection(mean=0), description="growth a year on planted land, m3/ha")

    @model_validator(mode="after")
    def _possible(self) -> ScenarioSection:
        for name in ("harvest_m3", "planting_ha", "loss_ha", "young_m3_ha"):
            if getattr(self, name).mean < 0:
                raise problem("negative_rate", key=f"scenarios.{self.id}.{name}")
        return self
