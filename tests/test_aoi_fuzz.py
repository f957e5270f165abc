"""Whatever stands in a GeoJSON file, reading it gives zones or one clear refusal."""

import json
import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinkest.aoi import read_zones
from sinkest.errors import InputError


def feature(code: str, kind: str, coordinates: list) -> dict:
    properties = {"adcode": code, "name": "区" + code, "name_en": code}
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def square(x: float) -> list:
    return [[[x, 27.0], [x + 0.1, 27.0], [x + 0.1, 27.1], [x, 27.1], [x, 27.0]]]


GOOD = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [feature("a", "Polygon", square(113.0)), feature("b", "MultiPolygon", [square(113.1)])],
    },
    ensure_ascii=False,
)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
PAIR = re.compile(r"\[[^\[\]]*\]")
WORD = re.compile(r'"[A-Za-z_]+"')
ODD = ["1e400", "NaN", "null", '"x"', "[]", "{}", "1e308", "-0", "181", "91", "true", "27.05", "113.05", "[[[]]]"]
ODD_PAIRS = ["[]", "[113.05]", "[113,27,5]", "[113,27,5,6]", "[null,null]", "[[113,27]]", '["113","27"]']


def swap_one(text: str, pattern: re.Pattern[str], place: int, new: str) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = found[place % len(found)]
    return text[: match.start()] + new + text[match.end() :]


def mutated(text: str, kind: str, place: int, length: int, odd: int) -> str:
    start = place % max(len(text), 1)
    end = start + length
    if kind == "cut":
        return text[:start] + text[end:]
    if kind == "repeat":
        return text[:end] + text[start:]
    if kind == "insert":
        return text[:start] + ODD[odd % len(ODD)] + text[start:]
    if kind == "number":
        return swap_one(text, NUMBER, place, ODD[odd % len(ODD)])
    if kind == "pair":
        return swap_one(text, PAIR, place, ODD_PAIRS[odd % len(ODD_PAIRS)])
    words = WORD.findall(text) or ['""']
    return swap_one(text, WORD, place, words[odd % len(words)])


MUTATION = st.tuples(
    st.sampled_from(["cut", "repeat", "insert", "number", "pair", "word"]),
    st.integers(0, 2000),
    st.integers(1, 60),
    st.integers(0, 100),
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_geojson_is_read_or_refused(mutations: list[tuple[str, int, int, int]]) -> None:
    text = GOOD
    for mutation in mutations:
        text = mutated(text, *mutation)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zones.geojson"
        path.write_text(text, encoding="utf-8")
        try:
            zones = read_zones(path)
        except InputError as error:
            assert str(path) in error.message.text("zh")
            assert str(path) in error.message.text("en")
        else:
            assert len(set(zones.ids)) == len(zones) > 0
            assert zones.frame["area_m2"].min() >= 1.0
            assert zones.frame.geometry.is_valid.all()


def test_the_unchanged_text_is_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zones.geojson"
        path.write_text(GOOD, encoding="utf-8")
        assert read_zones(path).ids == ("a", "b")
