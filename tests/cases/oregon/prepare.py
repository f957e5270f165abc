"""Join the two tables of the Oregon plots beside a copy of the configuration: ``python prepare.py FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent


def prepare(folder: Path, data: Path) -> Path:
    """Write ``plots.csv`` and ``config.toml`` into a folder; return the configuration."""
    source = data / "inventory" / "sknnr"
    predictors, species = (pd.read_csv(source / f"swo_ecoplot_{part}.csv") for part in ("env", "spp"))
    cover = species.filter(like="_COV").sum(axis=1)
    plots = predictors.rename(columns={"FCID": "plot_id"}).merge(
        pd.DataFrame({"plot_id": species["FCID"], "tree_cover": cover}), on="plot_id", validate="one_to_one"
    )
    folder.mkdir(parents=True, exist_ok=True)
    plots.to_csv(folder / "plots.csv", index=False)
    config = folder / "config.toml"
    config.write_bytes((HERE / "config.toml").read_bytes())
    return config


if __name__ == "__main__":
    default = HERE.parents[3] / "shared" / "data"
    print(prepare(Path(sys.argv[1]), Path(os.environ.get("SINKEST_TEST_DATA", default))))
