"""Maps of a cube as lazy xarray objects, with the kernels that a run uses."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.learn import artefact
from sinkest.learn.model import TrainedModel, check_features

BAND, FEATURE = "band", "feature"
OF_CLASSES = ("land_cover",)
OF_RESPONSE = ("prediction", "sd", "dissimilarity", "applicable")


def predict(cube: xr.DataArray | xr.Dataset, model: TrainedModel | str | Path) -> xr.Dataset:
    """Ask a trained model about every pixel of a cube; nothing is computed before it is asked for.

    Parameters
    ----------
    cube : DataArray or Dataset
        Features by name: a Dataset with one variable each, all of the same two dimensions; or a DataArray with a
        dimension ``band`` or ``feature`` whose coordinate holds the names. NaN is no data. In memory or in chunks of
        dask; chunks are kept in space.
    model : TrainedModel or path
        A model, or the folder of one, as ``train`` writes it and ``models/`` holds it.

    Returns
    -------
    Dataset
        float32 ``prediction``, its standard deviation ``sd`` (both in the unit in ``attrs["units"]``), or, of a
        classification, ``land_cover``: class codes as float32, their names in ``attrs["flag_meanings"]`` and
        ``attrs["flag_values"]``. For both ``dissimilarity`` and ``applicable``, 1 inside the area of applicability and
        0 outside. NaN everywhere where a feature is NaN. ``sd`` is the error of one pixel: errors of neighbours
        resemble each other, so sums need the estimators.

    Raises
    ------
    InputError
        If the cube has no names of features.
    ModelError
        If features are missing, or a unit in ``attrs["units"]`` of a Dataset's variable is not the model's.

    Examples
    --------
    >>> import rioxarray
    >>> import sinkest
    >>> cube = rioxarray.open_rasterio("composite.tif", chunks=512, masked=True, mask_and_scale=True)
    >>> cube["band"] = list(cube.attrs["long_name"])
    >>> maps = sinkest.predict(cube, "runs/city-2025/train/models/stock")  # doctest: +SKIP
    >>> maps["prediction"].rio.to_raster("stock.tif")  # doctest: +SKIP
    """
    trained = model if isinstance(model, TrainedModel) else artefact.load(model)
    stacked, units = _stacked(cube)
    names = [str(name) for name in stacked[FEATURE].values]
    columns = check_features(trained, names, units=units)
    chosen = stacked.isel({FEATURE: columns}).astype(np.float32)
    if chosen.chunks is not None:
        chosen = chosen.chunk({FEATURE: -1})
    layers = OF_CLASSES + OF_RESPONSE[2:] if trained.is_classifier else OF_RESPONSE
    made = xr.apply_ufunc(
        partial(_layers, model=trained, layers=layers),
        chosen,
        input_core_dims=[[FEATURE]],
        output_core_dims=[["layer"]],
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": {"layer": len(layers)}},
    )
    found = xr.Dataset({name: made.isel(layer=k) for k, name in enumerate(layers)})
    for name in layers:
        found[name].attrs = _attributes(trained, name)
    return found


def _stacked(cube: xr.DataArray | xr.Dataset) -> tuple[xr.DataArray, dict[str, str]]:
    """The cube with a dimension of features, and the units it declares."""
    if isinstance(cube, xr.Dataset):
        units = {str(name): str(one.attrs["units"]) for name, one in cube.items() if "units" in one.attrs}
        return cube.to_dataarray(FEATURE), units
    stacked = cube.rename({BAND: FEATURE}) if BAND in cube.dims else cube
    if FEATURE not in stacked.dims or FEATURE not in stacked.coords or stacked[FEATURE].dtype.kind not in "UO":
        raise InputError("learn.cube_unnamed", dims=", ".join(map(str, cube.dims)))
    return stacked, {}


def _layers(values: NDArray[np.float32], *, model: TrainedModel, layers: tuple[str, ...]) -> NDArray[np.float32]:
    """Layers of a block (..., features) as (..., layers)."""
    rows = np.ascontiguousarray(values.reshape(-1, values.shape[-1]))
    found: dict[str, NDArray[Any]] = {}
    if model.is_classifier:
        codes = model.predict(rows)
        found["land_cover"] = np.where(codes == 0, np.nan, codes.astype(np.float32))
    else:
        found["prediction"], found["sd"] = model.predict_with_sd(rows)
    index, inside = model.applicability(rows)
    found |= {"dissimilarity": index, "applicable": np.where(np.isnan(index), np.nan, inside)}
    made = np.stack([found[name] for name in layers], axis=-1).astype(np.float32)
    return made.reshape(*values.shape[:-1], len(layers))


def _attributes(model: TrainedModel, name: str) -> dict[str, Any]:
    simulated = {"simulated": "SIMULATED 模拟数据"} if model.card.get("training", {}).get("simulated") else {}
    if name in {"prediction", "sd"}:
        what = model.recipe.response if name == "prediction" else f"standard deviation of {model.recipe.response}"
        return {"long_name": what, "units": model.recipe.unit, **simulated}
    if name == "land_cover":
        flags = {"flag_values": list(model.classes.values()), "flag_meanings": " ".join(model.classes)}
        return {"long_name": "land cover", **flags, **simulated}
    if name == "dissimilarity":
        return {"long_name": "dissimilarity index", "units": "1", "threshold": model.area.threshold, **simulated}
    flags = {"flag_values": [0, 1], "flag_meanings": "outside inside"}
    return {"long_name": "area of applicability", **flags, **simulated}
