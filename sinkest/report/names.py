"""Names of quantities, classes, zones, methods and words of status, in both languages.

What the catalogue does not know is shown as it is written, never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sinkest.messages import Message, catalogue, text
from sinkest.report.data import CITY, ReportData
from sinkest.report.units import absent

# rooms whose catalogue may name a method, in the order they are asked
_METHOD_ROOMS = ("estimate", "smallarea", "inference", "account", "mapping", "quantities")
_PARTS = {
    "carbon": "pool",
    "carbon_pool": "pool",
    "wetland_area": "kind",
    "sink": "component",
    "greenness_gain": "treatment",
    "stock_by_age": "age",
    "area_by_age": "age",
}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Words:
    """A text in both languages."""

    zh: str
    en: str

    def __getitem__(self, language: str) -> str:
        return self.zh if language == "zh" else self.en

    @classmethod
    def of(cls, key: str, /, **fields: Any) -> Words:
        """Text of the catalogue; a field that is itself :class:`Words` is filled in its own language."""
        per = {lang: {k: v[lang] if isinstance(v, Words) else v for k, v in fields.items()} for lang in ("zh", "en")}
        return cls(text(key, "zh", **per["zh"]), text(key, "en", **per["en"]))

    @classmethod
    def same(cls, value: object) -> Words:
        """The same text in both, e.g. an id; characters that no document can hold are replaced."""
        shown = clean(str(value))
        return cls(shown, shown)


def clean(value: str) -> str:
    """The text without control characters and half pairs, which neither a page nor a workbook may hold."""
    return _UNPRINTABLE.sub("\ufffd", value)


def said(value: object) -> Words:
    """A note in words: a message, an id of the catalogue, or text that stands as it is."""
    if isinstance(value, Message):
        return Words(clean(value.text("zh")), clean(value.text("en")))
    if absent(value):
        return Words("", "")
    shown = str(value)
    if shown in catalogue():
        try:
            return Words.of(shown)
        except KeyError:  # a text with fields that a table cannot carry
            return Words.same(shown)
    return Words.same(shown)


def known(key: str, otherwise: object) -> Words:
    """Text of the catalogue, or the id itself where the catalogue has none."""
    return Words.of(key) if key in catalogue() else Words.same(otherwise)


def quantity_name(data: ReportData, quantity: str) -> Words:
    """Name of a quantity; the part after ``:`` is a class, pool or kind."""
    head, _, part = quantity.partition(":")
    if f"quantities.{head}" not in catalogue():
        return Words.same(quantity)
    if not part:
        return Words.of(f"quantities.{head}")
    own = f"quantities.{head}_part"
    return Words.of(own if own in catalogue() else f"quantities.{head}", name=part_name(data, quantity))


def part_name(data: ReportData, quantity: str) -> Words:
    """Name of the part of a quantity, e.g. of the class in ``class_area:fir``."""
    head, _, part = quantity.partition(":")
    if head in ("mean", "pixel_mean"):
        return said(response_message(part))
    if head in _PARTS:
        return known(f"quantities.{_PARTS[head]}_{part}", part)
    classes = class_names(data)
    return classes[part] if part in classes else known(f"quantities.pool_{part}", part)


def class_names(data: ReportData) -> dict[str, Words]:
    """Names of the land-cover classes by their ids."""
    return {item.id: Words(clean(item.zh), clean(item.en)) for item in data.legend}


def zone_name(data: ReportData, zone: str) -> Words:
    """Name of a zone; the whole has the city's."""
    if zone == CITY:
        return Words(clean(data.city_zh), clean(data.city_en))
    for code, zh, en in zip(data.zones["zone_id"], data.zones["name_zh"], data.zones["name_en"], strict=True):
        if str(code) == zone:
            return Words(clean(str(zh)), clean(str(en)))
    return Words.same(zone)


def zone_order(data: ReportData) -> list[str]:
    """Zone ids in the order of their codes."""
    return sorted(data.zones["zone_id"].astype(str))


def method_name(method: object) -> Words:
    """Name of an estimator."""
    if absent(method) or method == "":
        return Words("", "")
    for room in _METHOD_ROOMS:
        if f"{room}.method_{method}" in catalogue():
            return said(f"{room}.method_{method}")
    return Words.same(method)


def status_name(status: str) -> Words:
    """Word for the status of an estimate."""
    return known(f"quantities.status_{status}", status)


def factor_status_name(status: str) -> Words:
    """Word for the status of a coefficient."""
    return known(f"quantities.factor_{str(status).lower()}", status)


def metric_name(metric: str) -> Words:
    """Word for a measure of accuracy."""
    return known(f"quantities.metric_{metric}", metric)


def model_name(data: ReportData, model: str) -> Words:
    """Word for what a model maps."""
    if model == "stock":
        return Words.of("quantities.model_response", name=said(response_message(data.response)))
    return known(f"quantities.model_{model}", model)


def map_title(layer: str, response: str = "volume_m3_ha") -> Message:
    """Title of a map of a run."""
    return Message.of(f"maps.{layer}", what=response_message(response))


def response_message(response: str) -> Message:
    """What the model of the plots maps: a name of the catalogue, or the column's own."""
    own = f"quantities.response_{response}"
    return Message.of(own) if own in catalogue() else Message.of("quantities.response_other", name=clean(response))
