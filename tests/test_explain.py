"""Where a number comes from: every quantity has its chain, and what can be reckoned again gives the table's number."""

import shutil
from pathlib import Path

import pytest

from sinkest.errors import InputError, RunError
from sinkest.explain import Explanation, explain
from sinkest.explain.chain import chain
from sinkest.explain.evidence import Evidence
from sinkest.explain.explanation import explained, formula_key
from sinkest.messages import LANGUAGES, catalogue
from sinkest.runstore import RunStore
from tests.project_fixture import call, run_folder

NOT_RECKONED = (
    "arbor_area", "area_by_age", "class_area", "coverage_with_oil_tea", "coverage_without_oil_tea", "forest_area",
    "growing_stock", "small_wetland_area", "small_wetland_sites", "small_wetland_sites_corridor", "stock_by_age",
    "stock_by_type", "tree_cover",
)  # fmt: skip
"""What an estimator made of single plots, points or sites, which no table of the run holds."""


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return run_folder(finished)


def part(found: Explanation, name: str) -> list[str]:
    return next(([line.en for line in item.lines] for item in found.parts if item.id == name), [])


def test_every_number_of_the_run_has_a_formula_and_its_steps_give_it(run: Path) -> None:
    evidence = Evidence(run)
    table = evidence.estimates
    assert len(table) > 200
    for line in table.to_dict("records"):
        quantity, zone, value = str(line["quantity"]), str(line["zone"]), float(line["value"])
        assert formula_key(quantity) != "explain.formula_unknown", quantity
        found = chain(evidence, quantity, zone).result
        if found == found and value == value:
            assert found == pytest.approx(value, rel=1e-9, abs=1e-6), (quantity, zone)
        elif value == value:
            assert quantity.partition(":")[0] in NOT_RECKONED, quantity


def test_every_row_of_the_estimates_is_explained_in_both_languages(run: Path) -> None:
    evidence = Evidence(run)
    rows = list(zip(evidence.estimates["quantity"], evidence.estimates["zone"], strict=True))
    assert len(rows) > 200
    for quantity, zone in rows:
        found = explained(evidence, str(quantity), str(zone))
        assert found.agrees is not False, (quantity, zone)
        assert {"result", "formula", "steps", "sample", "interval", "files"} <= {item.id for item in found.parts}
        for language in LANGUAGES:
            lines = found.lines(language)
            assert all("{" not in line for line in lines), (quantity, zone)
            assert not any(key in catalogue() for line in lines for key in line.split()), (quantity, zone)


def test_the_chain_of_the_trees_carbon_names_stock_coefficients_shares_and_files(run: Path) -> None:
    found = explain(run, "biomass:fir", "430202")
    (slope,) = (line for line in part(found, "steps") if line.startswith("slope a"))
    assert "0.4652 t/m3" in slope
    assert "(estimate/stock_detail.csv)" in slope
    assert part(found, "steps")[-1].startswith("reckoned again")
    arbor = explain(run, "carbon:arbor")
    used = part(arbor, "coefficients")
    assert any(
        "LI2016" in line and "doi:10.17521/cjpe.2015.0193" in line and "read in the source" in line for line in used
    )
    assert any("IPCC" in line and "in the interval only" in line for line in used)
    assert any("choice of conversion set" in line for line in part(arbor, "shares"))
    assert any("10,000 Monte Carlo draws" in line for line in part(arbor, "interval"))
    seal = RunStore(run).seal("estimate")
    assert seal is not None
    files = part(arbor, "files")
    assert f"estimate/stock_detail.csv  {seal['outputs']['stock_detail.csv']}" in files
    assert f"input: reference points  {seal['parts']['files']['reference']}" in files


def test_a_co2_stock_is_its_carbon_times_44_over_12_and_shares_its_variance(run: Path) -> None:
    found = explain(run, "co2_total")
    assert any("44/12" in line for line in part(found, "steps"))
    assert part(found, "shares") == part(explain(run, "carbon:total"), "shares")


def test_a_zone_goes_by_its_code_or_either_name(run: Path) -> None:
    by_code = explain(run, "growing_stock", "430202")
    assert explain(run, "growing_stock", "荷塘区") == by_code
    assert explain(run, "growing_stock", "hetang") == by_code
    assert "荷塘区" in by_code.title.zh


def test_an_unknown_quantity_or_zone_names_the_nearest(run: Path) -> None:
    with pytest.raises(InputError, match="growing_stock") as quantity:
        explain(run, "growing_stok")
    assert quantity.value.key == "explain.unknown_quantity"
    with pytest.raises(InputError) as zone:
        explain(run, "growing_stock", "Hetan")
    assert "Hetang" in str(zone.value)
    with pytest.raises(InputError) as nowhere:
        explain(run, "pixel_class_area:fir", "430202")
    assert nowhere.value.key == "explain.not_in_zone"


def test_a_changed_file_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with (copy / "estimate" / "stock_detail.csv").open("a") as stream:
        stream.write("\n")
    with pytest.raises(RunError) as refused:
        explain(copy, "biomass:fir")
    assert refused.value.key == "explain.changed"
    assert "stock_detail.csv" in str(refused.value)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        explain(tmp_path, "growing_stock")


def test_the_command_prints_it_and_refuses_with_the_exit_code_of_wrong_input(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--lang", "zh", "explain", run, "sink", "荷塘区") == 0
    shown = capsys.readouterr().out
    assert "荷塘区 2025 年年碳汇量" in shown
    assert "由以上重新计算" in shown
    assert call("--lang", "en", "explain", run, "carbn:arbor") == 2
    assert "carbon:arbor" in capsys.readouterr().err
