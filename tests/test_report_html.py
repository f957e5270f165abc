import base64
import hashlib
import math
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from sinkest.messages import catalogue, text
from sinkest.report.book import Book
from sinkest.report.data import CITY, Accuracy, MapLayer
from sinkest.report.html import report_html
from sinkest.report.names import map_title
from sinkest.report.units import unit_of
from tests.report_fixture import bare_data, page, report_data

CJK = re.compile("[\u2e80-\u9fff\uff00-\uffef]")
VOID = {"meta", "link", "br", "hr", "img", "input"}
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Element:
    def __init__(self, tag: str, attributes: dict[str, str], parent: "Element | None") -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Element | str] = []

    def walk(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def find(self, **wanted: str) -> list["Element"]:
        """Elements by tag and by a word of their class."""
        classes = wanted.pop("class_", None)
        tag = wanted.pop("tag", None)
        return [
            e
            for e in self.walk()
            if (tag is None or e.tag == tag)
            and (classes is None or classes in e.attributes.get("class", "").split())
            and all(e.attributes.get(key.replace("_", "-")) == value for key, value in wanted.items())
        ]

    def text(self, language: str | None = None) -> str:
        """Text, without that of the other language."""
        skip = {"zh": "le", "en": "lz"}.get(language or "", "-")
        if skip in self.attributes.get("class", "").split() or self.tag in ("script", "style"):
            return ""
        return "".join(c if isinstance(c, str) else c.text(language) for c in self.children)


class Tree(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.root = self._at = Element("root", {}, None)
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        new = Element(tag, {k: v or "" for k, v in attrs}, self._at)
        self._at.children.append(new)
        if tag not in VOID:
            self._at = new

    def handle_startendtag(self, tag, attrs):
        self._at.children.append(Element(tag, {k: v or "" for k, v in attrs}, self._at))

    def handle_endtag(self, tag):
        assert self._at.tag == tag, f"</{tag}> closes <{self._at.tag}>"
        self._at = self._at.parent

    def handle_data(self, data):
        self._at.children.append(data)


@pytest.fixture(scope="module")
def tree() -> Element:
    return Tree(page()).root


def drawn(**changes: object) -> Element:
    """A page with parts changed; without maps, which take the longest, unless they are asked for."""
    changes = {"maps": ()} | changes
    return Tree(report_html(report_data(**changes))).root


def said(key: str, language: str = "en") -> str:
    return text(f"report.{key}", language, what=text("quantities.response_volume_m3_ha", language))


# -- whole in itself ------------------------------------------------------------------------------------------------


def test_nothing_is_asked_of_the_network(tree: Element) -> None:
    assert set(re.findall(r"https?://[^\s\"'<]+", page())) == {"http://www.w3.org/2000/svg"}
    for element in tree.walk():
        for name in ("src", "href", "xlink:href", "action", "poster"):
            assert element.attributes.get(name, "#").startswith(("#", "data:")), element.attributes
    assert not re.search(r"@import|url\(", page())


def test_only_the_pages_own_script_may_run(tree: Element) -> None:
    (script,) = tree.find(tag="script")
    digest = base64.b64encode(hashlib.sha256(script.children[0].encode()).digest()).decode()
    (policy,) = tree.find(tag="meta", http_equiv="Content-Security-Policy")
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_the_same_data_give_the_same_page() -> None:
    assert report_html(report_data()) == page()


def test_the_page_says_which_run_definition_and_status_it_is_of(tree: Element) -> None:
    meta = {e.attributes["name"]: e.attributes["content"] for e in tree.find(tag="meta") if "name" in e.attributes}
    assert meta["run"] == "demo-2025-3f9c1a7e"
    assert meta["definition"] == "forest_current_rule"
    assert meta["status"] == "simulated provisional"


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="language 'fr'"):
        report_html(report_data(), "fr")


# -- two languages --------------------------------------------------------------------------------------------------


def test_every_text_stands_in_both_languages(tree: Element) -> None:
    zh, en = tree.find(class_="lz"), tree.find(class_="le")
    assert len(zh) == len(en) > 300
    # name groups of maps hold one text each; all others are texts themselves
    assert all(element.text().strip() for element in (*zh, *en))


def test_the_english_page_holds_no_chinese_but_names_of_sources_and_marks(tree: Element) -> None:
    allowed = {"中文", "模拟数据 SIMULATED", "模拟数据SIMULATED"}
    for element in tree.find(class_="le"):
        assert not CJK.search(element.text()), element.text()
    main = tree.find(tag="main")[0]
    for element in main.walk():
        for child in element.children:
            inside = {c for e in (element, *_above(element)) for c in e.attributes.get("class", "").split()}
            if isinstance(child, str) and CJK.search(child) and "lz" not in inside and element.tag != "script":
                assert child.strip() in allowed or element.tag in ("small", "td", "code", "dd"), child


def _above(element: Element):
    while element.parent is not None:
        element = element.parent
        yield element


def test_the_page_opens_in_the_language_asked_for() -> None:
    assert '<html lang="zh-CN">' in page()
    assert '<html lang="en">' in report_html(report_data(), "en")


# -- accessible -----------------------------------------------------------------------------------------------------


def test_ids_are_unique_and_every_reference_leads_somewhere(tree: Element) -> None:
    ids = Counter(e.attributes["id"] for e in tree.walk() if "id" in e.attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    for element in tree.walk():
        for name in element.attributes.get("aria-labelledby", "").split():
            assert name in ids
        link = element.attributes.get("href", "")
        assert not link.startswith("#") or link[1:] in ids


def test_every_picture_has_a_text_that_says_what_it_shows(tree: Element) -> None:
    by_id = {e.attributes["id"]: e for e in tree.walk() if "id" in e.attributes}
    pictures = tree.find(tag="svg", role="img")
    assert len(pictures) > 15
    for picture in pictures:
        caption = by_id[picture.attributes["aria-labelledby"]]
        assert caption.text("zh").strip()
        assert caption.text("en").strip()


def test_a_verdict_is_a_word_and_a_shape(tree: Element) -> None:
    shapes = {"met": "circle", "not_met": "rect", "cannot_tell": "polygon"}
    for article in tree.find(tag="article"):
        verdict = article.attributes["class"].split()[1]
        ground = article.find(class_="mark")[0].children[0]
        assert ground.tag == shapes[verdict]
        assert article.find(class_="word")[0].text("en") == text(f"quantities.verdict_{verdict}", "en")


# -- numbers --------------------------------------------------------------------------------------------------------


def read(shown: str) -> Decimal:
    return Decimal(shown.replace(",", ""))


def test_every_printed_estimate_is_the_tidy_tables_to_the_printed_digit(tree: Element) -> None:
    book = Book(report_data())
    table = report_data().estimates.set_index(["quantity", "zone"])["value"]
    cells = [e for e in tree.walk() if "data-q" in e.attributes]
    assert len(cells) > 150
    for cell in cells:
        quantity, zone = cell.attributes["data-q"], cell.attributes["data-zone"]
        value = cell.find(class_="value")[0] if cell.tag == "td" else cell
        if quantity == "land_area" or value.text("zh") == "—":
            continue
        power = unit_of(book.unit(quantity))
        zh, en = read(value.text("zh")).scaleb(power.zh), read(value.text("en")).scaleb(power.en)
        assert zh == en == book.entry(quantity, zone).value
        assert abs(zh - Decimal(repr(float(table[quantity, zone])))) < Decimal(1).scaleb(book.step(quantity))


def test_printed_counties_add_up_to_the_printed_city_in_every_table_that_says_so(tree: Element) -> None:
    checked = 0
    for table in tree.find(tag="table", class_="figures"):
        rows = [r for body in table.find(tag="tbody") for r in body.find(tag="tr")]
        foot = [r for f in table.find(tag="tfoot") for r in f.find(tag="tr")]
        if not foot or not rows:
            continue
        for place, total in enumerate(foot[0].find(tag="td")):
            column = [row.find(tag="td")[place] for row in rows]
            values = [c.find(class_="value") for c in (*column, total)]
            if not all(v and v[0].text("zh") != "—" for v in values):
                continue
            if total.attributes["data-q"].endswith(("coverage", "per_ha", "cover")):
                continue
            *parts, whole = (read(v[0].text("zh")) for v in values)
            assert sum(parts) == whole, total.attributes
            checked += 1
    assert checked > 20


def test_no_number_is_minus_zero_or_not_a_number(tree: Element) -> None:
    shown = " ".join(tree.text("en").split())
    assert not re.search(r"(?<![\w.])-0(?:\.0+)?(?![\d.])", shown)
    assert not re.search(r"\b(?:nan|None|inf)\b", shown)


def test_a_pixel_sum_is_called_one_where_it_stands(tree: Element) -> None:
    cells = tree.find(tag="td", class_="pixel")
    assert {e.attributes["data-q"] for e in cells} == {"pixel_forest_area", "pixel_growing_stock"}
    heads = [h.text("en") for h in tree.find(tag="th")]
    assert sum("map pixel sum (not an estimate)" in head for head in heads) >= 2


def test_counties_that_do_not_add_up_are_said_not_to() -> None:
    table = report_data().estimates
    off = table["value"].where(~((table["quantity"] == "forest_area") & (table["zone"] == CITY)), 650_000.0)
    shown = drawn(estimates=table.assign(value=off)).text("en")
    assert "The counties do not add up to the city in: Forest area." in shown


# -- what must not be overlooked ------------------------------------------------------------------------------------


def test_simulated_data_are_marked_on_the_page_and_on_every_picture(tree: Element) -> None:
    assert tree.find(class_="hazard")[0].text("en").startswith("模拟数据 SIMULATED")
    pictures = tree.find(tag="svg", role="img")
    assert all(picture.find(class_="watermark") for picture in pictures)


def test_real_data_carry_no_mark_of_simulation() -> None:
    root = drawn(simulated=False, maps=report_data().maps, estimates=report_data().estimates.assign(simulated=False))
    assert root.find(class_="hazard") == root.find(class_="watermark") == root.find(class_="stamp") == []
    assert "模拟" not in root.find(tag="main")[0].text("zh")


def test_provisional_coefficients_raise_a_banner_and_are_named() -> None:
    root = Tree(page()).root
    assert said("provisional_head") in root.find(class_="provisional")[0].text("en")
    warned = [row.text("en") for row in root.find(tag="tr", class_="warn")]
    assert len(warned) == 1
    assert "burial rate, lakes" in warned[0]
    assert drawn(provisional=False).find(class_="provisional") == []


# -- what is missing is said ----------------------------------------------------------------------------------------


SECTIONS = {
    "verdict": ["missing_targets"],
    "headline": ["missing_headline"],
    "maps": ["missing_maps"],
    "counties": ["missing_counties"],
    "types": ["missing_types", "missing_ages"],
    "carbon": ["missing_carbon"],
    "wetland": ["missing_wetland"],
    "trajectory": ["missing_trajectory"],
    "accuracy": ["missing_confusion", "missing_cv", "missing_bias", "missing_pairs"],
    "method": ["missing_definition", "missing_method"],
    "factors": ["missing_factors"],
    "provenance": ["missing_provenance"],
}


@pytest.fixture(scope="module")
def bare() -> Element:
    return Tree(report_html(bare_data())).root


@pytest.mark.parametrize("section", SECTIONS)
def test_a_run_with_nothing_says_so_in_every_section(section: str, bare: Element) -> None:
    (found,) = bare.find(tag="section", id=section)
    assert [e.text("en") for e in found.find(class_="missing")] == [said(key) for key in SECTIONS[section]]
    assert [e.text("zh") for e in found.find(class_="missing")] == [said(key, "zh") for key in SECTIONS[section]]


def test_maps_without_outlines_are_shown_and_say_so() -> None:
    root = drawn(outlines={}, pixel_size_m=None, maps=report_data().maps)
    (section,) = root.find(tag="section", id="maps")
    assert said("missing_outlines") in section.text("en")
    assert len(section.find(tag="svg", class_="map")) == 5


def test_a_stock_without_a_second_epoch_is_not_called_a_sink() -> None:
    table = report_data().estimates
    root = drawn(estimates=table[table["quantity"] != "sink"])
    assert said("missing_sink") in root.find(tag="section", id="carbon")[0].text("en")


def test_a_city_without_counties_keeps_its_tables() -> None:
    table = report_data().estimates
    root = drawn(estimates=table[table["zone"] == CITY])
    (section,) = root.find(tag="section", id="counties")
    assert said("missing_counties") in section.text("en")
    assert [c for c in section.find(tag="td") if c.attributes.get("data-q") == "forest_area"]


def test_an_estimate_that_was_not_given_says_why(tree: Element) -> None:
    (section,) = tree.find(tag="section", id="counties")
    (row,) = [r for r in section.find(tag="table")[0].find(tag="tr") if "石峰区" in r.text("zh")]
    assert text("quantities.status_insufficient", "zh") in row.text("zh")


def test_targets_without_an_estimate_stand_apart_with_their_reason(tree: Element) -> None:
    (table,) = tree.find(tag="table", class_="open")
    assert text("targets.reason_definition", "en") in table.text("en")
    assert text("targets.reason_no_estimate", "zh") in table.text("zh")


def test_parts_of_the_accuracy_may_be_absent_one_by_one() -> None:
    whole = report_data().accuracy
    for part, key in (("cv", "missing_cv"), ("bias", "missing_bias"), ("confusion", "missing_confusion")):
        root = drawn(accuracy=replace(whole, **{part: None}))
        assert [e.text("en") for e in root.find(class_="missing")] == [said("missing_maps"), said(key)]


def test_a_class_that_cannot_be_judged_is_a_dash() -> None:
    confusion = report_data().accuracy.confusion
    users = confusion.users.copy()
    users[0] = math.nan
    root = drawn(accuracy=Accuracy(confusion=replace(confusion, users=users)))
    (matrix,) = root.find(tag="table", class_="matrix")
    assert matrix.find(tag="td", class_="side")[0].text() == "—"


def test_empty_and_blank_layers_are_drawn() -> None:
    blank = MapLayer("b", map_title("stock"), "continuous", np.full((4, 3), np.nan, dtype=np.float32))
    root = drawn(maps=(blank,), outlines={})
    assert len(root.find(tag="svg", class_="map")) == 1


# -- hostile input --------------------------------------------------------------------------------------------------


def hostile() -> str:
    data = report_data()
    targets = data.targets.assign(wording_zh=NASTY, wording_en=NASTY, reason=NASTY, source=NASTY)
    factors = data.factors_used.assign(name_zh=NASTY, name_en=NASTY, unit=NASTY, source=NASTY, status=NASTY)
    return report_html(
        report_data(
            run_id=NASTY,
            name=NASTY,
            city_zh=NASTY,
            city_en=NASTY,
            title_zh=NASTY,
            title_en=NASTY,
            zones=data.zones.assign(name_zh=NASTY, name_en=NASTY),
            definition=replace(data.definition, id=NASTY, name_zh=NASTY, name_en=NASTY, text_zh=NASTY, text_en=NASTY),
            legend=tuple(replace(item, zh=NASTY, en=NASTY) for item in data.legend),
            maps=(replace(data.maps[0], legend=tuple(replace(i, zh=NASTY, en=NASTY) for i in data.legend)),),
            estimates=data.estimates.assign(method=NASTY, note=NASTY, status=data.estimates["status"]),
            targets=targets,
            factors_used=factors,
            provenance={NASTY: {NASTY: [NASTY]}, "versions": {NASTY: NASTY}, "inputs": [{NASTY: NASTY}]},
        )
    )


def test_nothing_that_a_file_says_becomes_markup() -> None:
    root = Tree(hostile()).root
    assert len(root.find(tag="script")) == 1
    assert root.find(tag="img") == []
    for element in root.walk():
        assert not [name for name in element.attributes if name.startswith("on")]


def test_characters_that_no_page_may_hold_are_replaced() -> None:
    zones = report_data().zones.assign(name_zh="县\x00", name_en="a\x1bb")
    strange = {"run_id": "r\x07", "city_zh": "市\ud800", "provenance": {"k\x00": "v"}}
    source = report_html(report_data(zones=zones, maps=(), **strange))
    source.encode("utf-8")
    assert not set("\x00\x07\x1b\ud800") & set(source)
    assert "a\ufffdb" in source


def test_a_quantity_that_nobody_named_is_still_shown() -> None:
    table = report_data().estimates
    odd = table[table["quantity"] == "tree_cover"].assign(quantity="moss_depth", unit="mm", value=3.0, se=0.2)
    root = drawn(estimates=pd.concat([table, odd]))
    assert "moss_depth" in root.find(tag="section", id="method")[0].text("en")


# -- texts ----------------------------------------------------------------------------------------------------------


def test_every_text_that_a_template_names_is_in_the_catalogue() -> None:
    folder = files("sinkest.report").joinpath("templates")
    named: set[str] = set()
    for template in ("report.html.j2", "_macros.html.j2"):
        source = folder.joinpath(template).read_text(encoding="utf-8")
        named |= set(re.findall(r"\bt\(\"([\w.]+)\"[,)]", source)) | set(re.findall(r"missing\(\"(\w+)\"", source))
    assert len(named) > 90
    assert {key for key in named if (key if "." in key else f"report.{key}") not in catalogue()} == set()


# -- courses, layers, notes -----------------------------------------------------------------------------------------


def test_targets_under_another_definition_are_not_drawn_with_the_estimates() -> None:
    courses = report_data().trajectory
    other = courses["definition_id"] == "other_plan_2025"
    assert other.any()
    drawing = drawn().find(tag="section", id="trajectory")[0]
    assert "56.12" in drawing.text("en")
    assert "56.7" not in drawing.text("en")


def test_a_single_year_is_no_course(tree: Element) -> None:
    (section,) = tree.find(tag="section", id="trajectory")
    assert len(section.find(tag="figure")) == 2  # coverage and stock; the wetland targets have one year only


def test_the_first_continuous_layer_stands_beside_the_first_layer() -> None:
    layers = report_data().maps
    root = drawn(maps=(layers[0], layers[3], layers[1]))
    assert [f.attributes["data-side"] for f in root.find(tag="figure", class_="layer")] == ["1", "0", "2"]


def test_a_later_target_is_on_course_rather_than_met() -> None:
    rows = report_data().targets.assign(verdict="met")
    articles = drawn(targets=rows).find(tag="article")
    words = {a.find(class_="year")[0].text(): a.find(class_="word")[0].text("en") for a in articles}
    assert words == {"2025": "met", "2030": "on course"}


def test_a_note_names_the_columns_it_is_about() -> None:
    table = report_data().estimates
    about = table["note"].mask(table["quantity"] == "growing_stock", "targets.reason_declined")
    shown = drawn(estimates=table.assign(note=about)).find(tag="section", id="counties")[0].text("en")
    assert f"Growing stock: {text('targets.reason_declined', 'en')}" in shown


def test_shares_of_the_variance_are_drawn_with_the_largest_first() -> None:
    shares = pd.DataFrame(
        {"quantity": "sink", "source": ["account.source_sampling", "account.source_coefficients"], "share": [0.3, 0.6]}
    )
    figures = [figure.text("en") for figure in drawn(variance_shares=shares).find(tag="figure")]
    (shown,) = [figure for figure in figures if "Shares of the variance: Yearly carbon sink" in figure]
    assert shown.index("60 %") < shown.index("30 %")
