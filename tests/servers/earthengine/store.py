"""The assets that the stand-in has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.servers.earthengine.values import Collection, Feature, Image, RefusedError


@dataclass
class Store:
    """Images, collections of images, and tables, by their ids."""

    images: dict[str, Image] = field(default_factory=dict)
    collections: dict[str, list[Image]] = field(default_factory=dict)
    tables: dict[str, list[Feature]] = field(default_factory=dict)

    def add(self, collection: str, image: Image) -> None:
        """Put an image into a collection; its ``system:index`` names it there."""
        self.collections.setdefault(collection, []).append(image)
        self.images[f"{collection}/{image.properties['system:index']}"] = image

    def image(self, name: str) -> Image:
        if name not in self.images:
            raise _missing("Image.load: Image", name)
        return replace(self.images[name])

    def collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise _missing("ImageCollection.load: ImageCollection", name)
        # Copies, so that what one request computes does not stay in memory.
        return Collection(tuple(replace(image) for image in self.collections[name]))

    def table(self, name: str) -> Collection:
        if name not in self.tables:
            raise _missing("Collection.loadTable: Collection", name)
        return Collection(tuple(self.tables[name]))


def _missing(what: str, name: str) -> RefusedError:
    message = f"{what} asset '{name}' not found (does not exist or caller does not have access)."
    return RefusedError(message, 404, "NOT_FOUND")
