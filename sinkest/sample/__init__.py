"""Samples to be looked at or measured: reference points by the strata of a run's map, and new field plots.

`draw` writes what interpreters and crews work with; the stages read it back as the tables ``estimate.reference``,
``estimate.strata`` and ``stock.plots``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from sinkest.errors import InputError
from sinkest.sample.output import Drawn
from sinkest.sample.plots import PlotOptions, draw_plots
from sinkest.sample.reference import ReferenceOptions, draw_reference

__all__ = ["Drawn", "PlotOptions", "ReferenceOptions", "draw", "draw_plots", "draw_reference"]


def draw(
    config: Path, kind: Literal["reference", "plots"], out: Path | None = None, given: Mapping[str, Any] | None = None
) -> Drawn:
    """Draw a sample of one kind or the other.

    Parameters
    ----------
    config : Path
    kind : {"reference", "plots"}
    out : Path, optional
        Folder; ``sample`` beside the configuration where left out.
    given : mapping, optional
        Fields of `ReferenceOptions` or `PlotOptions`; None stands for the default.

    Raises
    ------
    InputError
        If an option belongs to the other kind.
    SinkestError
        As `draw_reference` and `draw_plots`.
    """
    options = {name: value for name, value in (given or {}).items() if value is not None}
    known = {item.name for item in fields(ReferenceOptions if kind == "reference" else PlotOptions)}
    for name in options:
        if name not in known:
            option = "--" + name.removesuffix("_m").replace("_", "-")
            raise InputError("sample.other_kind", option=option, kind=kind)
    if kind == "reference":
        return draw_reference(config, out, ReferenceOptions(**options))
    return draw_plots(config, out, PlotOptions(**options))
