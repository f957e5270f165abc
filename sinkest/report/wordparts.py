"""Parts of a Word document: styles that a bureau can edit, captions that count themselves, tables and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt, RGBColor

from sinkest.messages import text
from sinkest.report.names import clean

TABLE, HEAD, NOTE, WARNING, COVER = (
    "Report Table",
    "Report Table Head",
    "Report Note",
    "Report Warning",
    "Report Cover",
)
WIDTH_CM = 16.6
"""Between the margins of an A4 page."""
_TWIPS = 567
"""Of a centimetre."""
_SHADE, _TOTAL = "E3ECE5", "F1F5F1"
_INK, _QUIET, _ALARM = RGBColor(0x1B, 0x2A, 0x22), RGBColor(0x52, 0x61, 0x59), RGBColor(0xB3, 0x13, 0x4F)
_FONTS = {
    "宋体": ("SimSun,Songti SC,Noto Serif CJK SC,Source Han Serif SC,Noto Sans CJK SC", "roman"),
    "黑体": ("SimHei,Heiti SC,Noto Sans CJK SC,Source Han Sans SC,Microsoft YaHei", "swiss"),
    "Times New Roman": ("Liberation Serif,DejaVu Serif", "roman"),
    "Arial": ("Liberation Sans,DejaVu Sans", "swiss"),
}
"""Fonts of the document, and in what order a machine without them looks for others."""


def font_table() -> bytes:
    """The part of the file that names its fonts and what may stand in for them."""
    rows = "".join(
        f'<w:font w:name="{escape(name)}"><w:altName w:val="{escape(others)}"/>'
        f'<w:family w:val="{family}"/><w:pitch w:val="variable"/></w:font>'
        for name, (others, family) in _FONTS.items()
    )
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    return f'{head}<w:fonts xmlns:w="{space}">{rows}</w:fonts>'.encode()


class Writer:
    """A document that grows from top to bottom in one language at a time.

    Parameters
    ----------
    language : {"zh", "en"}
        Of captions; may be changed between two parts.
    """

    def __init__(self, language: str) -> None:
        self.document: Any = docx.Document()
        self.language = language
        self._counts: dict[str, int] = {}
        _styles(self.document)
        self._ids = {str(style.name): str(style.style_id) for style in self.document.styles}
        section = self.document.sections[0]
        section.page_width, section.page_height = Cm(21.0), Cm(29.7)
        section.left_margin = section.right_margin = Cm(2.2)
        section.top_margin = section.bottom_margin = Cm(2.2)

    def words(self, key: str, **fields: Any) -> str:
        """A text of the catalogue in the language in force."""
        return clean(text(key, self.language, **fields))

    def say(self, shown: str, style: str = "Normal") -> Any:
        """A paragraph in a style by name; its id is set at once, since the library looks for it at length."""
        paragraph = self.document.add_paragraph(clean(shown))
        paragraph._p.style = self._ids[style]
        return paragraph

    def heading(self, shown: str, level: int) -> None:
        """A heading; level 0 is the title."""
        self.say(shown, f"Heading {level}" if level else "Title")

    def bullets(self, lines: Iterable[str]) -> None:
        """A list."""
        for shown in lines:
            self.say(shown, "List Bullet")

    def caption(self, kind: str, shown: str, *, above: bool) -> None:
        """A caption with a number that Word counts on: ``kind`` is ``table`` or ``figure``."""
        label = text(f"document.{kind}", self.language)
        self._counts[label] = number = self._counts.get(label, 0) + 1
        paragraph = self.say(f"{label} ", "Caption")
        paragraph.paragraph_format.keep_with_next = above
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), f" SEQ {label} \\* ARABIC ")
        run = OxmlElement("w:r")
        shown_number = OxmlElement("w:t")
        shown_number.text = str(number)
        run.append(shown_number)
        field.append(run)
        paragraph._p.append(field)
        paragraph.add_run(f"  {clean(shown)}")

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        caption: str,
        total: bool = False,
        left: Sequence[int] = (0,),
        widths: Sequence[float] | None = None,
    ) -> None:
        """A table under its caption; the heading row is repeated on each page.

        Parameters
        ----------
        heads : sequence of str
        rows : sequence of sequence of str
            A line break within a cell is kept.
        caption : str
        total : bool
            Whether the last row is the whole.
        left : sequence of int
            Columns of words; the others hold numbers.
        widths : sequence of float, optional
            Parts of the page's width; default: names a little wider than numbers.
        """
        self.caption("table", caption, above=True)
        parts = widths or [1.3 if place in left else 1.0 for place in range(len(heads))]
        wide = [round(WIDTH_CM * _TWIPS * part / sum(parts)) for part in parts]
        body = [_row(heads, wide, left, self._ids[HEAD], fill=_SHADE, more="<w:tblHeader/>")]
        for line, cells in enumerate(rows, 1):
            last = total and line == len(rows)
            body.append(_row(cells, wide, left, self._ids[TABLE], fill=_TOTAL if last else "", bold=last))
        self._add_table("TableGrid", wide, body)

    def picture(self, png: bytes, caption: str, width_cm: float) -> None:
        """A picture over its caption, which is also its alternative text."""
        paragraph = self.say("")
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.paragraph_format.keep_with_next = True
        picture = paragraph.add_run().add_picture(io.BytesIO(png), width=Cm(width_cm))
        picture._inline.docPr.set("descr", clean(caption))
        self.caption("figure", caption, above=False)

    def legend(self, swatches: Sequence[tuple[str, str]], columns: int) -> None:
        """Colours with their names, as shaded cells beside words."""
        rows, style = -(-len(swatches) // columns), self._ids[TABLE]
        name_width = round(((WIDTH_CM - 2) / columns - 0.9) * _TWIPS)
        body = []
        for line in range(rows):
            cells = [
                _cell("", round(0.9 * _TWIPS), style, fill=colour.removeprefix("#").upper())
                + _cell(name, name_width, style)
                for colour, name in swatches[line::rows]
            ]
            body.append(f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>")
        self._add_table("TableNormal", [round(0.9 * _TWIPS), name_width] * columns, body)

    def _add_table(self, style: str, wide: Sequence[int], rows: Sequence[str]) -> None:
        """Put a table at the end, before the section's own properties; a paragraph after it keeps tables apart."""
        grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in wide)
        properties = f'<w:tblStyle w:val="{style}"/><w:jc w:val="center"/><w:tblLayout w:type="fixed"/>'
        table = (
            f"<w:tbl {nsdecls('w')}><w:tblPr>{properties}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"
        )
        self.document.element.body.insert_element_before(parse_xml(table), "w:sectPr")
        self.say("", NOTE)

    def break_page(self) -> None:
        """Go on with the next page."""
        self.document.add_page_break()

    def bands(self, header: str, footer: str) -> None:
        """What stands at the top and the foot of every page; the page's number follows."""
        section = self.document.sections[0]
        above, below = section.header.paragraphs[0], section.footer.paragraphs[0]
        above.text, below.text = clean(header), f"{clean(footer)}\t\t"
        above.style = WARNING if header else above.style
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), " PAGE ")
        below._p.append(field)


def _styles(document: Any) -> None:
    """Set the fonts of the template's styles, and add our own."""
    fonts, titles = (
        (text(f"document.font_{part}", "en"), text(f"document.font_{part}", "zh")) for part in ("body", "head")
    )
    styles = document.styles
    for name, size, bold, colour, family in (
        ("Normal", 10.5, False, _INK, fonts),
        ("Title", 22, True, _INK, titles),
        ("Heading 1", 15, True, _INK, titles),
        ("Heading 2", 12.5, True, _INK, titles),
        ("Heading 3", 11, True, _INK, titles),
        ("Caption", 9, True, _INK, titles),
        ("List Bullet", 10.5, False, _INK, fonts),
        (TABLE, 8.5, False, _INK, fonts),
        (HEAD, 8.5, True, _INK, titles),
        (NOTE, 9, False, _QUIET, fonts),
        (WARNING, 11, True, _ALARM, titles),
        (COVER, 12, False, _INK, fonts),
    ):
        if name not in [style.name for style in styles]:
            styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH).base_style = styles["Normal"]
        style = styles[name]
        style.font.size, style.font.bold, style.font.italic, style.font.color.rgb = Pt(size), bold, False, colour
        _fonts_of(style, *family)
    for name in (TABLE, HEAD):
        styles[name].paragraph_format.space_after = styles[name].paragraph_format.space_before = Pt(1)
    for language in styles.element.iter(qn("w:lang")):
        language.set(qn("w:eastAsia"), "zh-CN")  # or a pan-Chinese font is taken in its Japanese form
    styles["Normal"].paragraph_format.space_after = Pt(5)
    styles[NOTE].paragraph_format.space_after = Pt(3)
    styles["Caption"].paragraph_format.space_before = Pt(6)


def _fonts_of(style: Any, latin: str, chinese: str) -> None:
    """Name the fonts for Latin and for Chinese; the template's theme would win otherwise."""
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in list(fonts.attrib):
        del fonts.attrib[name]
    for name, value in (("ascii", latin), ("hAnsi", latin), ("cs", latin), ("eastAsia", chinese)):
        fonts.set(qn(f"w:{name}"), value)


def _row(
    cells: Sequence[str],
    wide: Sequence[int],
    left: Sequence[int],
    style: str,
    *,
    fill: str,
    bold: bool = False,
    more: str = "",
) -> str:
    """A row that stays on one page. Written as text: the library's own cells take seconds for a long table."""
    inner = "".join(
        _cell(shown, width, style, fill=fill, bold=bold, right=place not in left)
        for place, (shown, width) in enumerate(zip(cells, wide, strict=True))
    )
    return f"<w:tr><w:trPr><w:cantSplit/>{more}</w:trPr>{inner}</w:tr>"


def _cell(shown: str, width: int, style: str, *, fill: str = "", bold: bool = False, right: bool = False) -> str:
    lines = [f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in clean(shown).split("\n")]
    shade = f'<w:shd w:val="clear" w:color="auto" w:fill="{fill}"/>' if fill else ""
    side = '<w:jc w:val="right"/>' if right else ""
    run = f"<w:r>{'<w:rPr><w:b/></w:rPr>' if bold else ''}{'<w:br/>'.join(lines)}</w:r>"
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{shade}</w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{side}</w:pPr>{run}</w:p></w:tc>'
    )
