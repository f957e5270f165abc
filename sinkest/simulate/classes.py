"""The land-cover classes of the landscape."""

from __future__ import annotations

import numpy as np

CODES = {
    "fir": 1,
    "masson_pine": 2,
    "broadleaf": 3,
    "mixed": 4,
    "bamboo": 5,
    "oil_tea": 6,
    "shrub": 7,
    "orchard": 8,
    "urban_trees": 9,
    "paddy": 10,
    "dry_crop": 11,
    "built_up": 12,
    "bare": 13,
    "water": 14,
    "marsh": 15,
}
"""Land-cover classes of the landscape: id to code."""

ARBOR = (1, 2, 3, 4)
FOREST = (1, 2, 3, 4, 5, 6)

NAMES = np.array(["", *CODES])
"""Class ids by code."""

CONFUSED = {
    "fir": "masson_pine",
    "masson_pine": "fir",
    "broadleaf": "mixed",
    "mixed": "broadleaf",
    "bamboo": "broadleaf",
    "oil_tea": "shrub",
    "shrub": "oil_tea",
    "orchard": "shrub",
    "urban_trees": "built_up",
    "paddy": "dry_crop",
    "dry_crop": "paddy",
    "built_up": "bare",
    "bare": "built_up",
    "water": "marsh",
    "marsh": "water",
}
"""What people take each class for when in doubt; mostly mutual, so that areas are barely biased."""

CONFUSED_CODE = np.array([0, *(CODES[CONFUSED[kind]] for kind in CODES)], dtype=np.uint8)
"""The same by code."""
