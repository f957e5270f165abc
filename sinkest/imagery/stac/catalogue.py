"""Finding items: in a catalogue online, or in an ItemCollection that was saved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pystac
import requests
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3.util import Retry

from sinkest.addresses import plain
from sinkest.errors import SourceError
from sinkest.imagery.source import Period
from sinkest.imagery.stac.patience import PASSING, Patience, why

PAGE = 100
MAX_ITEMS = 20_000
"""More items than a city's decade has; beyond it a server repeats itself."""

_NO_ITEMS = (ValueError, KeyError, TypeError, AttributeError, pystac.STACError, pystac.STACTypeError)
"""What the parsers raise on answers that are no STAC."""

Box = tuple[float, float, float, float]
Result = TypeVar("Result")


class Online:
    """A STAC API.

    Parameters
    ----------
    url : str
    patience : Patience
    sleep : callable
        Waits some seconds.
    """

    def __init__(self, url: str, patience: Patience, sleep: Callable[[float], object] = time.sleep) -> None:
        self.url, self._patience, self._sleep = url, patience, sleep

    def find(self, collection: str, box: Box, period: Period | None) -> list[pystac.Item]:
        """Items of a collection that touch a box in degrees, within a period.

        Raises
        ------
        SourceError
            If the catalogue cannot be asked, does not know the collection, or breaks off.
        """
        return self._asked(collection, lambda client: self._find(client, collection, box, period))

    def check_extent(self, collection: str, box: Box, area: str) -> None:
        """Refuse a collection that the catalogue has not, or that lies elsewhere.

        Raises
        ------
        SourceError
            Names the collection, and what there is or where it lies.
        """
        told = self._asked(collection, lambda client: client.get_collection(collection))
        if told is None:
            there = self._asked(collection, lambda client: sorted(one.id for one in client.get_collections()))
            raise SourceError(
                "stac.no_collection",
                kind="missing",
                url=plain(self.url),
                collection=collection,
                there=", ".join(there) or "-",
            )
        boxes = [list(map(float, one)) for one in told.extent.spatial.bboxes]
        if boxes and not any(_meets(one, box) for one in boxes):
            extent = ", ".join(f"{number:.4g}" for number in boxes[0])
            raise SourceError("stac.outside", kind="mismatch", collection=collection, extent=extent, grid=area)

    def _asked(self, collection: str, ask: Callable[[Client], Result]) -> Result:
        for wait in self._patience.waits():
            try:
                return ask(self._client())
            except SourceError:
                raise
            except (*_NO_ITEMS, APIError, requests.RequestException) as error:
                reason, status, passing = why(error)
                if wait is None or not passing:
                    raise SourceError(
                        "stac.no_answer",
                        kind="network" if status is None or passing else "access",
                        status=status,
                        retryable=passing,
                        url=plain(self.url),
                        reason=reason,
                        collection=collection,
                    ) from error
                self._sleep(wait)
        raise AssertionError  # the last wait is None

    def _client(self) -> Client:
        retry = Retry(
            total=min(self._patience.retries, 2),  # of one page; the whole search is tried again beside
            respect_retry_after_header=False,
            backoff_factor=self._patience.delay_s,
            status_forcelist=sorted(PASSING),
            allowed_methods=None,
            raise_on_status=False,
        )
        return Client.open(self.url, stac_io=StacApiIO(max_retries=retry, timeout=self._patience.timeout_s))

    def _find(self, client: Client, collection: str, box: Box, period: Period | None) -> list[pystac.Item]:
        search = client.search(
            collections=[collection], bbox=box, datetime=None if period is None else str(period), limit=PAGE
        )
        found: dict[str, pystac.Item] = {}
        announced = None
        for page in search.pages_as_dicts():
            announced = page.get("numberMatched", announced)
            found |= {str(one["id"]): pystac.Item.from_dict(one) for one in page["features"]}
            if len(found) > MAX_ITEMS:
                raise SourceError("stac.endless", kind="mismatch", url=plain(self.url), limit=MAX_ITEMS)
        if isinstance(announced, int) and announced > len(found):
            raise SourceError(
                "stac.pages", kind="network", retryable=True, url=plain(self.url), announced=announced, found=len(found)
            )
        return list(found.values())


class Saved:
    """An ItemCollection in a file; assets may be named relative to it.

    Parameters
    ----------
    path : path

    Raises
    ------
    SourceError
        If the file is missing or no ItemCollection.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            self._items = [self._item(one) for one in told["features"]]
        except FileNotFoundError as error:
            raise SourceError("stac.no_items_file", kind="missing", file=self.path) from error
        except (*_NO_ITEMS, OSError) as error:
            reason = str(error)[:200] or type(error).__name__
            raise SourceError("stac.not_items", kind="unreadable", file=self.path, reason=reason) from error

    @property
    def collections(self) -> tuple[str, ...]:
        """Collections of the items."""
        return tuple(sorted({str(item.collection_id) for item in self._items}))

    def find(self, collection: str, box: Box, period: Period | None) -> list[pystac.Item]:
        """Items of a collection that touch a box in degrees, within a period."""
        return [
            item
            for item in self._items
            if item.collection_id == collection
            and _meets(item.bbox, box)
            and (period is None or period.holds(time_of(item)))
        ]

    def check_extent(self, collection: str, box: Box, area: str) -> None:
        """Refuse a collection of which no item was saved, or whose items lie elsewhere."""
        own = [item for item in self._items if item.collection_id == collection]
        if not own:
            there = ", ".join(self.collections) or "-"
            raise SourceError("stac.no_collection", kind="missing", url=self.path, collection=collection, there=there)
        if not any(_meets(item.bbox, box) for item in own):
            extent = ", ".join(f"{number:.4g}" for number in own[0].bbox or ())
            raise SourceError("stac.outside", kind="mismatch", collection=collection, extent=extent, grid=area)

    def local_files(self) -> tuple[Path, ...]:
        """Assets that lie on this machine."""
        places = (asset.href for item in self._items for asset in item.assets.values())
        return tuple(sorted({Path(place) for place in places if Path(place).is_file()}))

    def _item(self, told: Mapping[str, Any]) -> pystac.Item:
        item = pystac.Item.from_dict(dict(told))
        for asset in item.assets.values():
            if "://" not in asset.href and not asset.href.startswith("/vsi"):
                asset.href = str((self.path.parent / asset.href).resolve())
        time_of(item)
        return item


def time_of(item: pystac.Item) -> datetime:
    """Time of acquisition in UTC, without a time zone attached; of a span its beginning."""
    when = item.datetime or item.common_metadata.start_datetime
    if when is None:
        raise SourceError("stac.no_time", kind="mismatch", item=item.id)
    return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo is not None else when


def _meets(own: Sequence[float] | None, box: Box) -> bool:
    if own is None:
        return True
    left, bottom, right, top = (*own[:2], *own[len(own) // 2 : len(own) // 2 + 2])
    return left <= box[2] and right >= box[0] and bottom <= box[3] and top >= box[1]
