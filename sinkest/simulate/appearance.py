"""How the ground looks apart from the weather: the looks of the classes, and what differs for no reason."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from sinkest.simulate.classes import CODES
from sinkest.simulate.noise import SOURCE_STAMP, gauss, kernel, lattice, normal, smooth

# Salts 100-109.
_LOOK, _LOOK_WIDE, _TONE, _VIGOUR, _MOISTURE, _NEAR, _GRAIN, _HERBS = 100, 101, 102, 103, 104, 105, 106, 107

FEATURES = 7
"""Rows of :func:`hidden`: look, tone, vigour, moisture, and the shares of herbs, of dead matter and of other leaves."""


class Looks(NamedTuple):
    """What ``signatures.toml`` says of one date.

    Attributes
    ----------
    reflectance : ndarray of float64, shape (classes + 1, 2, bands)
        Of the two looks of each class code, full cover.
    understorey : ndarray of float64, shape (bands,)
    admixture : ndarray of float64, shape (3, bands)
        Herbs, dead matter and other leaves.
    """

    reflectance: np.ndarray
    understorey: np.ndarray
    admixture: np.ndarray


@lru_cache(maxsize=1)
def signatures() -> dict[str, Any]:
    """The contents of ``signatures.toml``."""
    return tomllib.loads(files(__package__).joinpath("signatures.toml").read_text(encoding="utf-8"))


def season_weights(day: date) -> np.ndarray:
    """Weights of winter, spring, summer and autumn on a day: smooth between two neighbours, round the year."""
    days = signatures()["days"]
    today = day.timetuple().tm_yday
    weights = np.zeros(4)
    for first in range(4):
        second = (first + 1) % 4
        length = (days[second] - days[first]) % 365
        passed = (today - days[first]) % 365
        if passed < length:
            share = 0.5 - 0.5 * np.cos(np.pi * passed / length)
            weights[first], weights[second] = 1.0 - share, share
    return weights


def looks_on(day: date) -> Looks:
    """Reflectance of the looks on a day."""
    weights = season_weights(day)
    by_season, below, mixed_in = _mixtures()
    return Looks(
        np.einsum("s,sclb->clb", weights, by_season), weights @ below, np.einsum("s,smb->mb", weights, mixed_in)
    )


def admixture_shares() -> np.ndarray:
    """Usual share of each of the admixtures."""
    return np.array([part["share"] for part in signatures()["admixture"].values()])


def backscatter_on(day: date) -> np.ndarray:
    """Backscatter (dB) of the looks on a day, shape (classes + 1, 2, 2): look, then vv and vh."""
    weights = season_weights(day)
    found = np.zeros((len(CODES) + 1, 2, 2))
    for polarisation, name in enumerate(("vv", "vh")):
        for kind, code in CODES.items():
            found[code, :, polarisation] = np.array(signatures()["radar"][name][kind]) @ weights
    return found


@lru_cache(maxsize=1)
def _mixtures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    given = signatures()
    seasons = ("winter", "spring", "summer", "autumn")
    found = np.zeros((4, len(CODES) + 1, 2, len(given["bands"])))
    for kind, code in CODES.items():
        for variant, look in enumerate(("a", "b")):
            for s, season in enumerate(seasons):
                found[s, code, variant] = _mixture(given["looks"][kind][look][season])
    below = np.array([_mixture(given["understorey"][season]) for season in seasons])
    mixed_in = np.array([[_mixture(part[season]) for part in given["admixture"].values()] for season in seasons])
    return found, below, mixed_in


def _mixture(shares: dict[str, float]) -> np.ndarray:
    material = signatures()["material"]
    total = sum(shares.values())
    return np.sum([(share / total) * np.array(material[name]) for name, share in shares.items()], axis=0)


def _kernels(stamp: int) -> Any:
    @kernel
    def hidden(x, y, stand, salts, shares, found):
        """Fill ``found`` (7, n): where between its looks a point lies, and its hidden numbers (about unit variance).

        Each number is part stand, part neighbourhood and part pixel, so that it neither averages out over a stand nor
        stops at its border.
        """
        for i in range(x.size if stamp else 0):
            u, v = x[i], y[i]
            grain = lattice(np.int64(np.rint(10.0 * u)), np.int64(np.rint(10.0 * v)), salts[_GRAIN])
            found[0, i] = min(
                max(
                    0.5
                    + 0.27 * gauss(stand[i], salts[_LOOK])
                    + 0.13 * smooth(u, v, 3200.0, salts[_LOOK_WIDE])
                    + 0.08 * normal(grain),
                    0.0,
                ),
                1.0,
            )
            near, across = smooth(u, v, 1800.0, salts[_NEAR]), smooth(v, u, 1800.0, salts[_NEAR])
            found[1, i] = 0.75 * gauss(stand[i], salts[_TONE]) + 0.45 * near + 0.45 * gauss(grain, salts[_TONE])
            found[2, i] = 0.75 * gauss(stand[i], salts[_VIGOUR]) + 0.45 * across + 0.45 * gauss(grain, salts[_VIGOUR])
            found[3, i] = 0.80 * gauss(stand[i], salts[_MOISTURE]) + 0.40 * (near - across)
            for k in range(3):
                found[4 + k, i] = shares[k] * abs(
                    0.9 * gauss(stand[i], salts[_HERBS + k]) + 0.4 * gauss(grain, salts[_HERBS + k])
                )

    return hidden


hidden = _kernels(SOURCE_STAMP)
