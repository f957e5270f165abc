"""sinkest: from a year of satellite imagery and field plots to a statement on forests, carbon and wetlands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sinkest.finished.opened import OpenRun, open_run
    from sinkest.lazy import predict

__version__ = "0.1.0"
__all__ = ["OpenRun", "__version__", "open_run", "predict"]


def __getattr__(name: str) -> Any:
    """Import what opens runs and asks models when it is first asked for: the command line has to answer at once."""
    if name in ("OpenRun", "open_run"):
        from sinkest.finished import opened

        return getattr(opened, name)
    if name == "predict":
        from sinkest.lazy import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
