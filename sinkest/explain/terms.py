"""The terms of a number's formula, as they stand in the files of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from sinkest.explain.evidence import Evidence
from sinkest.report.names import Words, quantity_name
from sinkest.tidy import ESTIMATES_FILE

ESTIMATES = f"estimate/{ESTIMATES_FILE}"
ADDS_UP = 1e-3
"""Relative gap within which zones count as adding up to the whole."""


@dataclass(frozen=True)
class Term:
    """A number that enters another one.

    Attributes
    ----------
    name : Words
    value : float
    unit : str
    source : str
        File of the run folder it stands in.
    """

    name: Words
    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Chain:
    """Terms of a formula.

    Attributes
    ----------
    terms : tuple of Term
    result : float
        What the terms give; NaN where the run folder does not hold all that the estimator read.
    """

    terms: tuple[Term, ...] = ()
    result: float = math.nan


def estimate_term(evidence: Evidence, quantity: str, zone: str) -> Term | None:
    """A number of the estimates, None where the run has none."""
    rows = evidence.estimates[(evidence.estimates["quantity"] == quantity) & (evidence.estimates["zone"] == zone)]
    if rows.empty:
        return None
    name = quantity_name(evidence.data, quantity)
    return Term(name, float(rows["value"].iloc[0]), str(rows["unit"].iloc[0]), ESTIMATES)


def present(found: Iterable[Term | None]) -> tuple[Term, ...]:
    """The terms that are there."""
    return tuple(term for term in found if term is not None)


def land_term(evidence: Evidence, zone: str) -> Term:
    """True area of a zone."""
    return Term(Words.of("quantities.land_area"), evidence.area_ha(zone), "ha", "estimate/run.json")


def added(terms: tuple[Term, ...]) -> Chain:
    """Terms that add up to the number."""
    return Chain(terms, math.fsum(term.value for term in terms) if terms else math.nan)


def rows_of(evidence: Evidence, name: str, zone: str, **where: str) -> pd.DataFrame:
    """Rows of a table of the estimates for a zone, and for given values of further columns."""
    table = evidence.table(name)
    if table is None:
        return pd.DataFrame()
    keep = table["zone"] == zone
    for column, value in where.items():
        keep &= table[column].astype(str) == value
    return table[keep]
