"""From what a user tells to a source: preset, address or saved items, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sinkest.errors import InputError
from sinkest.imagery.stac.catalogue import Online, Saved
from sinkest.imagery.stac.patience import Patience
from sinkest.imagery.stac.presets import PRESETS, Layout, Preset
from sinkest.imagery.stac.remote import RemoteFiles
from sinkest.imagery.stac.signing import BLOB_HOST, Signer
from sinkest.imagery.stac.source import StacSource


def make_source(
    preset: str | None = None,
    *,
    url: str | None = None,
    items: Path | str | None = None,
    collection: str | None = None,
    layout: Mapping[str, Any] | None = None,
    radar_collection: str | None = None,
    elevation: Path | str | None = None,
    token_url: str | None = None,
    token_host: str = BLOB_HOST,
    patience: Patience | None = None,
    **options: Any,
) -> StacSource:
    """Make a source from a preset, an address or a saved collection, and what is told beside it.

    Parameters
    ----------
    preset : {"earth-search", "planetary-computer"}, optional
    url : str, optional
        Address of a catalogue, instead of the preset's.
    items : path, optional
        Saved ItemCollection to be used instead of a catalogue.
    collection, radar_collection : str, optional
        Instead of the preset's.
    layout : mapping, optional
        Fields of `Layout` that replace the preset's for the optical collection.
    elevation : path or ``"catalogue"`` or ``"collection:<id>"``, optional
    token_url, token_host : str, optional
        Service of access tokens, and end of the hosts that need them, instead of the preset's.
    patience : Patience, optional
    **options
        Of `StacSource`.

    Raises
    ------
    InputError
        If neither preset, address nor file is given, or the assets of a collection are not known.
    """
    patience = patience or Patience()
    known = PRESETS[preset] if preset is not None else Preset(url or "", "")
    catalogue = Saved(items) if items is not None else Online(url or known.url, patience)
    if isinstance(catalogue, Online) and not catalogue.url:
        raise InputError("stac.no_catalogue")
    if collection is None and isinstance(catalogue, Saved) and known.collection not in catalogue.collections:
        collection = catalogue.collections[0] if len(catalogue.collections) == 1 else None
    chosen = collection or known.collection
    base = known.layouts.get(chosen)
    told = {key: value for key, value in (layout or {}).items() if value is not None}
    if base is None and not {"sensor", "assets"} <= set(told):
        raise InputError("stac.no_layout", collection=chosen or "-")
    radar = radar_collection if radar_collection is not None else known.radar
    radar_layout = known.layouts.get(radar) or Layout("sentinel-1", {"vv": "vv", "vh": "vh"})
    place = f"collection:{known.elevation}" if elevation == "catalogue" else elevation
    service = token_url or known.sas
    signer = Signer(service, patience, token_host) if service else None
    return StacSource(
        catalogue,
        chosen,
        replace(base, **told) if base is not None else Layout(**told),
        RemoteFiles(patience, signer),
        radar=(radar, radar_layout) if radar else None,
        elevation=place,
        **options,
    )
