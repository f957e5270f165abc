"""The Word document: complete, the same bytes for the same data, and read back as an office program prints it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import unicodedata
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import docx
import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from sinkest.messages import text
from sinkest.report.word import report_docx
from sinkest.report.wordparts import HEAD, TABLE
from tests.report_fixture import bare_data, report_data


@cache
def content() -> bytes:
    return report_docx(report_data())


@pytest.fixture(scope="module")
def document():
    return docx.Document(io.BytesIO(content()))


def everything(document) -> str:
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def test_the_same_data_give_the_same_bytes() -> None:
    assert report_docx(report_data()) == content()


def test_chinese_comes_first_and_both_languages_have_all_sections(document) -> None:
    heads = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert heads[0] == "一、结论"
    assert heads[11] == "十二、数据来源与可追溯性"
    assert heads[13] == "1  Verdict"
    assert len(heads) == 26  # twelve sections and the notes, twice


def test_text_is_in_styles_that_can_be_edited(document) -> None:
    styles = {paragraph.style.name for paragraph in document.paragraphs}
    assert {"Title", "Heading 1", "Heading 2", "Caption", "List Bullet", "Report Note", "Report Warning"} <= styles
    table = next(table for table in document.tables if len(table.rows) > 5)
    assert table.rows[0].cells[0].paragraphs[0].style.name == HEAD
    assert table.rows[1].cells[0].paragraphs[0].style.name == TABLE
    fonts = document.styles["Normal"].element.rPr.rFonts
    assert fonts.get("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}eastAsia") == "宋体"


def test_fonts_are_named_with_what_may_stand_in_for_them() -> None:
    with zipfile.ZipFile(io.BytesIO(content())) as parts:
        fonts = parts.read("word/fontTable.xml").decode()
    assert re.search('w:name="宋体"><w:altName w:val="SimSun,[^"]*Noto Serif CJK SC', fonts)
    assert re.search('w:name="黑体"><w:altName w:val="SimHei,[^"]*Noto Sans CJK SC', fonts)


def test_simulated_and_provisional_are_said_on_the_front_and_on_every_page(document) -> None:
    front = [paragraph.text for paragraph in document.paragraphs[:12]]
    assert any(text("report.simulated_head", "zh") in line for line in front)
    assert any(text("report.provisional_head", "zh") in line for line in front)
    assert document.sections[0].header.paragraphs[0].text == "模拟数据 SIMULATED"
    plain = docx.Document(io.BytesIO(report_docx(replace(bare_data(), run_id="real-1"))))
    assert plain.sections[0].header.paragraphs[0].text == ""
    assert "SIMULATED" not in everything(plain)


def test_each_target_is_a_sentence_with_what_would_settle_it(document) -> None:
    lines = [paragraph.text for paragraph in document.paragraphs if paragraph.style.name == "List Bullet"]
    assert any(line.startswith("森林覆盖率（2025年）：") and "估计值" in line for line in lines)
    open_ones = [line for line in lines if "cannot tell" in line and "estimate to hold" not in line]
    assert open_ones
    assert any("would settle it" in line for line in open_ones)


def test_pictures_and_tables_have_captions_that_count_themselves(document) -> None:
    captions = [p for p in document.paragraphs if p.style.name == "Caption"]
    codes = [c._p.xpath("./w:fldSimple/@w:instr")[0].split()[1] for c in captions]
    numbers = [int(c._p.xpath("./w:fldSimple//w:t/text()")[0]) for c in captions]
    for label in ("表", "图", "Table", "Figure"):
        mine = [number for code, number in zip(codes, numbers, strict=True) if code == label]
        assert mine == list(range(1, len(mine) + 1))
    pictures = document.element.xpath("//wp:docPr/@descr")
    assert len(pictures) == len(document.inline_shapes) >= 8
    assert all(pictures)
    # the same map in both parts is stored once
    images = [part for part in document.part.package.iter_parts() if part.partname.startswith("/word/media/")]
    assert len(images) < len(document.inline_shapes)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_run_without_anything_says_so_in_each_place(language: str) -> None:
    told = everything(docx.Document(io.BytesIO(report_docx(bare_data()))))
    for part in (
        "targets", "headline", "maps", "counties", "types", "carbon", "wetland", "trajectory", "confusion", "cv",
        "definition", "method", "factors", "provenance",
    ):  # fmt: skip
        assert text(f"report.missing_{part}", language) in told, part


# -- as an office program shows it ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as LibreOffice prints it."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("no LibreOffice on this machine; install libreoffice-writer to see the document tested in it")
    folder = tmp_path_factory.mktemp("word")
    (folder / "report.docx").write_bytes(content())
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = [program, "--headless", profile, "--convert-to", "pdf", "--outdir", str(folder)]
    done = subprocess.run([*command, str(folder / "report.docx")], capture_output=True, timeout=180)
    if not (folder / "report.pdf").is_file():
        pytest.skip(f"LibreOffice has no writer here; install libreoffice-writer ({done.stderr[-100:]!r})")
    return folder / "report.pdf"


def visible(shown: str) -> set[str]:
    """Letters but for spaces and the private ones that symbol fonts set bullets with."""
    letters = unicodedata.normalize("NFKC", shown)
    return {letter for letter in letters if not letter.isspace() and unicodedata.category(letter) != "Co"}


def test_every_letter_and_number_is_printed(printed: Path, document) -> None:
    told = "".join(page.extract_text() for page in PdfReader(printed).pages)
    assert "\ufffd" not in told
    assert visible(everything(document)) <= visible(told)
    assert told.count("SIMULATED") >= len(PdfReader(printed).pages)


def test_no_letter_is_a_box(printed: Path) -> None:
    """Each embedded font has a glyph for each letter that is set in it; the font of the machine is asked."""
    lister = shutil.which("fc-list")
    if lister is None:
        pytest.skip("no fontconfig on this machine; install it to see the glyphs tested")
    used: dict[str, set[str]] = {}

    def note(shown: str, _cm: object, _tm: object, font: dict | None, _size: object) -> None:
        if font is not None:
            used.setdefault(str(font["/BaseFont"]).split("+")[-1], set()).update(visible(shown))

    for page in PdfReader(printed).pages:
        page.extract_text(visitor_text=note)
    assert any("CJK" in name or ord(max(letters)) > 0x4E00 for name, letters in used.items())
    checked = 0
    for name, letters in used.items():
        file = font_file(lister, name)
        if file is None:
            continue
        known = letters_of(file)
        assert {letter for letter in letters if ord(letter) not in known} == set(), name
        checked += len(letters)
    assert checked > 300


def font_file(lister: str, name: str) -> str | None:
    """File of the font with a PostScript name; forms for kana and the like have a suffix that no file knows."""
    for asked in (name, "-".join(name.split("-")[:2])):
        query = [lister, f":postscriptname={asked}", "--format", "%{file}\n"]
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
        if found:
            return found[0]
    return None


@cache
def letters_of(file: str) -> frozenset[int]:
    """Code points that a font has a glyph for; the faces of a collection share them."""
    with TTFont(file, fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap())
