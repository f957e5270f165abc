"""Points as KML, for Google Earth and other viewers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

NAMESPACE = "http://www.opengis.net/kml/2.2"
ICON = "http://maps.google.com/mapfiles/kml/shapes/placemark_circle.png"
_STYLE = "point"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even escaped."""


@dataclass(frozen=True)
class Placemark:
    """A point of a KML file.

    Attributes
    ----------
    name : str
    folder : str
        Heading it is listed under.
    about : str
        Shown when it is clicked.
    lon, lat : float
        Degrees, WGS84.
    """

    name: str
    folder: str
    about: str
    lon: float
    lat: float


def kml(title: str, about: str, placemarks: Sequence[Placemark]) -> bytes:
    """A KML document in UTF-8.

    Parameters
    ----------
    title, about : str
        Of the document.
    placemarks : sequence of Placemark
        Folders are listed as they first come, points in the given order.
    """
    root = ElementTree.Element("kml", xmlns=NAMESPACE)
    document = ElementTree.SubElement(root, "Document")
    _text(document, "name", title)
    _text(document, "description", about)
    style = ElementTree.SubElement(document, "Style", id=_STYLE)
    icon_style = ElementTree.SubElement(style, "IconStyle")
    _text(icon_style, "scale", "0.8")
    _text(ElementTree.SubElement(icon_style, "Icon"), "href", ICON)
    _text(ElementTree.SubElement(style, "LabelStyle"), "scale", "0.7")
    folders: dict[str, ElementTree.Element] = {}
    for place in placemarks:
        if place.folder not in folders:
            folders[place.folder] = ElementTree.SubElement(document, "Folder")
            _text(folders[place.folder], "name", place.folder)
        mark = ElementTree.SubElement(folders[place.folder], "Placemark")
        _text(mark, "name", place.name)
        _text(mark, "description", place.about)
        _text(mark, "styleUrl", f"#{_STYLE}")
        _text(ElementTree.SubElement(mark, "Point"), "coordinates", f"{place.lon:.7f},{place.lat:.7f}")
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = _NOT_XML.sub("", text)
