"""The same account in the categories and the sign of a national inventory, and what a carbon-inclusion scheme asks."""

from __future__ import annotations

from sinkest.report.data import WITHHELD, ReportData
from sinkest.report.leafs import HUNDREDTH, Cell, Leafs, added
from sinkest.report.names import Words
from sinkest.report.survey import Head, SurveyTable, head_of
from sinkest.report.units import rounded

LINES = (
    ("4a1", ("sink:remaining",), -1),
    ("4a2", ("sink:converted",), -1),
    ("4a_unsplit", ("sink:unsplit",), -1),
    ("4x_from_forest", ("sink:lost",), -1),
    ("4b_soil", ("cropland_soil",), -1),
    ("4d_flooding", ("wetland_flooding",), -1),
    ("4d_methane", ("wetland_methane_co2e",), -1),
    ("3c_rice", ("paddy_methane_co2e",), -1),
)
"""Categories, the quantities they hold, and the factor from our sign (positive = sink) to theirs."""
NOT_ESTIMATED = ("4a_layers", "4d_burial", "4g_hwp", "definition_change")
"""What is left out of the totals on purpose, and said so."""


def inventory_table(data: ReportData) -> SurveyTable:
    """Emissions and removals by category, removals negative, kt CO2 equivalent."""
    leafs = Leafs(data)
    rows: list[tuple[Words, tuple[Cell, ...]]] = []
    numbers: list[Cell] = []
    for name, quantities, sign in LINES:
        if not any(leafs.known(quantity) for quantity in quantities):
            if name not in ("4a_unsplit",):
                rows.append((Words.of(f"survey.crt_{name}"), (Words.of("survey.crt_ne"), Words("", ""))))
            continue
        cells = [_kilotonnes(leafs, quantity, sign) for quantity in quantities]
        cell = added(cells)
        numbers.append(cell)
        rows.append((Words.of(f"survey.crt_{name}"), (cell, Words.same(", ".join(quantities)))))
    for name in NOT_ESTIMATED:
        rows.append((Words.of(f"survey.crt_{name}"), (Words.of(f"survey.crt_{name}_why"), Words("", ""))))
    heads = (head_of("crt_value", "kt_co2e"), Head(Words.of("survey.head_crt_from"), Words("", ""), sums=False))
    notes = tuple(Words.of(f"survey.{name}") for name in ("crt_sign", "crt_scope", "rounding"))
    total: tuple[Cell, ...] = (added(numbers), Words("", ""))
    return SurveyTable("crt", Words.of("survey.crt_category"), heads, tuple(rows), total, False, notes)


def _kilotonnes(leafs: Leafs, quantity: str, sign: int) -> Cell:
    value = leafs.value(quantity)
    return leafs.words(quantity) if value is None else rounded(sign * value / 1e3, HUNDREDTH)


def inclusion_table(data: ReportData) -> SurveyTable:
    """What a carbon-inclusion scheme needs to know, and what of it this account does and does not say."""
    leafs = Leafs(data)

    def shown(quantity: str, power: int) -> Cell:
        value = leafs.value(quantity)
        return leafs.words(quantity) if value is None else rounded(value / 10.0**power, HUNDREDTH)

    figures = (
        ("stock", shown("co2_total", 4)),
        ("change", shown("sink", 4)),
        ("new_forest", shown("sink:converted", 4)),
        ("credit", Words.of("survey.inclusion_none")),
    )
    rows = [(Words.of(f"survey.inclusion_{key}"), (cell, _says(key))) for key, cell in figures]
    statements = ("baseline", "additionality", "double_counting", "permanence", "uncertainty", "verification")
    rows += [(Words.of(f"survey.inclusion_{key}"), (Words("", ""), _says(key))) for key in statements]
    heads = (
        head_of("inclusion_value", "t_co2", sums=False),
        Head(Words.of("survey.head_says"), Words("", ""), sums=False),
    )
    notes = [Words.of("survey.inclusion_note")]
    if (data.estimates["status"] == WITHHELD).any():
        notes.append(Words.of("survey.inclusion_withheld"))
    return SurveyTable("inclusion", Words.of("survey.inclusion_item"), heads, tuple(rows), None, False, tuple(notes))


def _says(key: str) -> Words:
    return Words.of(f"survey.inclusion_{key}_says")


def method_table(data: ReportData) -> SurveyTable:
    """Table 9: definition, data, methods and how sure their coefficients are."""
    rows: list[tuple[Words, tuple[Cell, ...]]] = []

    def say(key: str, words: Words) -> None:
        rows.append((Words.of(f"survey.method_{key}"), (words,)))

    rule = data.definition
    say(
        "definition",
        Words(f"{rule.name_zh}：{rule.text_zh}", f"{rule.name_en}: {rule.text_en}") if rule.id else _nothing(),
    )
    say("definition_id", Words.same(rule.id) if rule.id else _nothing())
    source = data.provenance.get("source", {})
    kind = source.get("source", source.get("name", "—")) if hasattr(source, "get") else "—"
    say("imagery", Words.same(f"{kind}{' · SIMULATED 模拟数据' if data.simulated else ''}"))
    say("plots", _count(data.n_plots))
    say("reference", _count(data.n_reference))
    say("area", Words.of("survey.method_area_text"))
    say("stock", Words.of("survey.method_stock_text"))
    say("carbon", Words.of("survey.method_carbon_text"))
    say("sink", Words.of("survey.method_sink_text"))
    say("wetland", Words.of("survey.method_wetland_text"))
    say("coefficients", _coefficients(data))
    say("map", Words.of("survey.method_map_text"))
    say("trace", Words.of("survey.method_trace_text"))
    heads = (Head(Words.of("survey.head_method"), Words("", ""), sums=False),)
    return SurveyTable("9", Words.of("survey.method_item"), heads, tuple(rows), None, False)


def _nothing() -> Words:
    return Words.of("survey.no_data")


def _count(number: int | None) -> Words:
    return _nothing() if number is None else Words.same(f"{number:,}")


def _coefficients(data: ReportData) -> Words:
    """How many coefficients there are of each status."""
    if data.factors_used is None or data.factors_used.empty:
        return _nothing()
    counts = data.factors_used["status"].astype(str).str.upper().value_counts().to_dict()
    parts = [
        Words.of("survey.method_count", status=Words.of(f"quantities.factor_{status.lower()}"), count=counts[status])
        for status in ("SRC", "SRC2", "DER", "MEM")
        if status in counts
    ]
    return Words("；".join(part.zh for part in parts), "; ".join(part.en for part in parts))
