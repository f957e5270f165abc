"""Spectral indices as expressions that the service evaluates."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import ee
import spyndex

from sinkest.errors import InputError
from sinkest.imagery.earthengine.assets import OPTICAL

_STEPS: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "pow",
}


def index_image(name: str, reflectance: ee.Image) -> ee.Image:
    """An index of spyndex, computed in double precision; masked where a denominator is zero.

    The service gives zero for a division by zero; here, as in `sinkest.features.indices`, there is no value then.

    Parameters
    ----------
    name : str
        Name of spyndex.
    reflectance : ee.Image
        Surface reflectance with the common band names.

    Raises
    ------
    InputError
        If the formula has more than sums, products, quotients and powers of bands and known constants.
    """
    common = {band: ours for ours, band in OPTICAL.items()}
    symbols: dict[str, ee.Image] = {}
    for symbol in spyndex.indices[name].bands:
        if symbol in spyndex.bands:
            band = common.get(getattr(getattr(spyndex.bands[symbol], "sentinel2a", None), "band", ""))
            if band is not None:
                symbols[symbol] = reflectance.select(band).toDouble()
        elif symbol in spyndex.constants and spyndex.constants[symbol].default is not None:
            symbols[symbol] = ee.Image.constant(float(spyndex.constants[symbol].default)).toDouble()
    tree = ast.parse(spyndex.indices[name].formula, mode="eval").body
    return _image(tree, symbols, name).toFloat().rename(name)


def _image(node: ast.expr, symbols: Mapping[str, ee.Image], name: str) -> ee.Image:
    if isinstance(node, ast.Name) and node.id in symbols:
        return symbols[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return ee.Image.constant(float(node.value)).toDouble()
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _image(node.operand, symbols, name).multiply(-1.0)
    if isinstance(node, ast.BinOp) and type(node.op) in _STEPS:
        left, right = _image(node.left, symbols, name), _image(node.right, symbols, name)
        value = getattr(left, _STEPS[type(node.op)])(right)
        return value.updateMask(right.neq(0)) if isinstance(node.op, ast.Div) else value
    raise InputError("earthengine.formula", index=name, part=ast.unparse(node))
