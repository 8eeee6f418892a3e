"""Claims about the reports: strict JSON of the published schema, JUnit as CIs read it, Markdown."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt
from support import ROOT

from roi_accel.parity.calibration import table_tolerance
from roi_accel.parity.cells import Cell, Participant, Report
from roi_accel.parity.compare import Comparison, Difference
from roi_accel.parity.render import (
    explanations,
    rows,
    shown_rows,
    summary_lines,
    to_json,
    to_junit,
    to_markdown,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.parity.calibration import Stage
    from roi_accel.parity.cells import Status

XSD = Path(__file__).parent / "junit-10.xsd"
PROVENANCE = dict.fromkeys(("roi_accel", "python", "numpy", "system", "host", "date"), "x")
NASTY = 'a|b <script> & @team "c" *d* `e` \x00\x1b[31m [f](http://g)\nh'
SCHEMA = json.loads((ROOT / "roi_accel" / "data" / "parity.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def cell(
    status: Status, *, stage: Stage = "substitute", got: str = "opencl:0.0", **keys: Any
) -> Cell:
    comparison = {
        "OK": Comparison(100, 0, 0.0),
        "FAIL": Comparison(100, 2, 3.0, Difference("U", (4, 5), 16, 19, frame=1)),
    }.get(status, Comparison())
    defaults: dict[str, Any] = {
        "format": "yuv420p10le",
        "wanted": "numpy",
        "comparison": comparison,
        "tolerance": table_tolerance(stage),
        "cases": 3,
        "case": "some case" if status == "FAIL" else "",
        "detail": f"{got}: no device; buy one" if status in {"SKIP", "ERROR"} else "",
    }
    return Cell(stage=stage, got=got, status=status, **(defaults | keys))


def report(*cells: Cell, **keys: Any) -> Report:
    participants = (
        Participant(name="numpy", kind="backend", facts={"device": "a processor"}),
        Participant(name="opencl:0.0", kind="backend", facts={"device": NASTY}),
        Participant(name="cuda", kind="backend", absent="no device; buy one"),
    )
    return Report(cells=cells, participants=participants, provenance=PROVENANCE, **keys)


ALL = report(
    cell("OK"), cell("FAIL"), cell("SKIP", got="cuda"), cell("ERROR", got="x", stage="score")
)
NAN = report(
    cell("FAIL", comparison=Comparison(9, 1, 0.0, Difference("mask", (0, 1), 0.5, math.nan))),
    cell("FAIL", comparison=Comparison(9, 1, 0.0, Difference("score", (), math.inf, -math.inf))),
)
SURROGATE_REPORT = report(
    cell("FAIL", got="b\udcff", case="\ud800"), warnings=("\udfff",), errors=("\udcff",)
)
NASTY_REPORT = report(
    cell("FAIL", got=NASTY, case=NASTY), cell("SKIP", detail=NASTY), cell("ERROR", detail=NASTY),
    warnings=(NASTY,), errors=(NASTY,),
)  # fmt: skip
REPORTS = pytest.mark.parametrize(
    "found",
    [ALL, NAN, NASTY_REPORT, SURROGATE_REPORT, report()],
    ids=["all", "nan", "nasty", "surrogates", "empty"],
)


def junit(found: Report) -> str:
    return to_junit(found, timestamp="2026-01-02T03:04:05", hostname=NASTY)


@pytest.mark.parametrize(
    ("cells", "code", "outcome"),
    [
        ([cell("OK")], 0, "agree"),
        ([cell("OK"), cell("SKIP")], 0, "agree"),
        ([cell("OK"), cell("FAIL")], 1, "differ"),
        ([cell("ERROR"), cell("FAIL")], 1, "differ"),
        ([cell("OK"), cell("ERROR")], 2, "error"),
        ([cell("SKIP")], 2, "nothing compared"),
        ([], 2, "nothing compared"),
        ([cell("OK", got="numpy")], 2, "nothing compared"),
        ([cell("FAIL", got="numpy"), cell("OK")], 1, "differ"),
    ],
)
def test_the_exit_code_is_0_only_where_two_were_compared_and_all_agreed(
    cells: list[Cell], code: int, outcome: str
) -> None:
    found = report(*cells)
    assert (found.exit_code, found.outcome) == (code, outcome)
    assert verdict(found)


def test_an_error_that_belongs_to_no_cell_counts_too() -> None:
    assert report(cell("OK"), errors=("the file was changed",)).exit_code == 2
    assert report(cell("FAIL"), errors=("the file was changed",)).exit_code == 1


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@REPORTS
def test_json_is_strict_and_of_the_schema(found: Report) -> None:
    def refuse(name: str) -> float:
        raise AssertionError(name)

    VALIDATOR.validate(json.loads(to_json(found), parse_constant=refuse))


def test_json_tells_where_the_first_difference_is_and_where_the_tolerance_is_from() -> None:
    found = json.loads(to_json(ALL))["cells"][1]
    assert found["first_difference"] == {
        "case": "some case", "frame": 1, "plane": "U", "y": 4, "x": 5, "wanted": 16, "got": 19,
    }  # fmt: skip
    assert found["tolerance"]["source"] == "built-in table"
    assert json.loads(to_json(NAN))["cells"][0]["first_difference"]["got"] == "nan"


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda r, key=key: r.pop(key) for key in json.loads(to_json(ALL))),
        lambda r: r.update(extra=1),
        lambda r: r.update(exit_code=3),
        lambda r: r["cells"][0].update(status="MAYBE"),
        lambda r: r["cells"][0].pop("tolerance"),
        lambda r: r["cells"][0].update(largest_difference=-1),
        lambda r: r["cells"][1]["first_difference"].update(got="many"),
        lambda r: r["cells"][0].update(format="nv12"),
        lambda r: r["participants"][0].update(kind="oracle"),
        lambda r: r["summary"]["cells"].pop("SKIP"),
    ],
)
def test_a_damaged_report_is_refused_by_the_schema(
    damage: Callable[[dict[str, Any]], object],
) -> None:
    content = json.loads(to_json(ALL))
    assert VALIDATOR.is_valid(content)
    damage(content)
    assert not VALIDATOR.is_valid(content)


@REPORTS
def test_junit_is_valid_by_the_schema_that_jenkins_publishes(found: Report) -> None:
    xmlschema.XMLSchema(XSD).validate(junit(found))


def test_the_junit_schema_refuses_what_is_no_junit() -> None:
    bad = junit(ALL).replace("<testcase", "<case").replace("</testcase", "</case")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        xmlschema.XMLSchema(XSD).validate(bad)


def test_junit_has_a_test_case_per_cell_with_its_outcome_and_reason() -> None:
    content = xmlschema.XMLResource(junit(ALL)).root
    suites = {suite.get("name"): suite for suite in content}
    assert (content.get("tests"), content.get("failures"), content.get("errors")) == ("4", "1", "1")
    assert suites["parity.substitute"].get("skipped") == "1"
    cases = list(suites["parity.substitute"])
    assert cases[0].get("name") == "numpy = opencl:0.0 [yuv420p10le]"
    assert len(cases[0]) == 0
    assert cases[1][0].tag == "failure"
    assert "frame 1, U, y 4, x 5: wanted 16, got 19" in cases[1][0].get("message")
    assert (cases[2][0].tag, cases[2][0].get("message")) == ("skipped", "cuda: no device; buy one")
    assert suites["parity.score"][0][0].tag == "error"


@REPORTS
def test_every_form_can_be_written_as_utf_8(found: Report) -> None:
    for text in (to_json(found), to_markdown(found), junit(found)):
        assert text.encode().decode() == text


def test_json_shows_the_bytes_of_a_name_that_is_not_utf_8() -> None:
    assert json.loads(to_json(SURROGATE_REPORT))["cells"][0]["got"] == r"b\udcff"


@pytest.mark.parametrize("cells", [[], [cell("SKIP")], [cell("OK", got="numpy")]])
def test_junit_is_not_green_where_nothing_was_compared(cells: list[Cell]) -> None:
    root = xmlschema.XMLResource(junit(report(*cells))).root
    (case,) = root.findall("./testsuite[@name='parity.outcome']/testcase")
    assert case.get("classname") == "parity.outcome"
    assert case[0].tag == "error"
    assert "Nothing was compared" in case[0].get("message")
    assert (root.get("tests"), root.get("errors")) == (str(len(cells) + 1), "1")


def test_junit_of_what_was_compared_has_a_test_case_per_cell_alone() -> None:
    names = [suite.get("name") for suite in xmlschema.XMLResource(junit(report(cell("OK")))).root]
    assert names == ["parity.substitute"]


def rendered(found: Report) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(to_markdown(found))


@REPORTS
def test_markdown_renders_as_one_table_with_a_row_per_shown_row(found: Report) -> None:
    tokens = rendered(found)
    columns = [token for token in tokens if token.type == "th_open"]
    fields = [token for token in tokens if token.type == "td_open"]
    assert len(columns) == 7
    assert len(fields) == 7 * len(shown_rows(found))


def test_markdown_shows_names_and_reasons_as_they_are_and_never_as_markup() -> None:
    inline = [token for token in rendered(NASTY_REPORT) if token.type == "inline"]
    children = [child for token in inline for child in token.children]
    assert {c.type for c in children} <= {"text", "text_special", "softbreak", "html_inline"}
    assert {c.content for c in children if c.type == "html_inline"} == {"<!-- -->"}
    shown = [
        "".join(child.content for child in token.children if child.type != "html_inline")
        for token in inline
    ]
    assert any('a|b <script> & @team "c" *d* `e`' in text for text in shown)


def test_markdown_mentions_nobody() -> None:
    inline = [token for token in rendered(NASTY_REPORT) if token.type == "inline"]
    assert "@team" in NASTY
    assert not any("@team" in child.content for token in inline for child in token.children)


def test_markdown_holds_no_control_characters() -> None:
    assert all(char.isprintable() or char == "\n" for char in to_markdown(NASTY_REPORT))


def test_a_pipe_in_a_name_does_not_end_its_column() -> None:
    tokens = rendered(report(cell("OK", got="node|1")))
    fields = [tokens[n + 1].children for n, token in enumerate(tokens) if token.type == "td_open"]
    shown = ["".join(child.content for child in children) for children in fields]
    assert shown == ["✅", "substitute", "numpy = node|1", "1 OK", "100", "0", "0"]


def test_markdown_names_the_verdict_the_totals_and_every_failure() -> None:
    text = to_markdown(ALL)
    assert "❌ There are differences." in text
    assert "4 cells (1 OK, 1 FAIL, 1 SKIP, 1 ERROR), 200 values compared" in text
    assert "some case: frame 1, U, y 4, x 5: wanted 16, got 19; 2 of 100 values differ" in text
    assert "cuda: no device; buy one" in text


def test_markdown_of_many_failures_stays_short_and_says_how_many_there_are() -> None:
    found = report(*(cell("FAIL", got=f"node{number}") for number in range(100)))
    text = to_markdown(found)
    assert text.count("- FAIL") == 20
    assert "and 80 more" in text


def test_the_totals_give_the_largest_difference_per_stage() -> None:
    found = report(
        cell("OK"),
        cell("OK", stage="saliency", comparison=Comparison(50, 0, 2e-6)),
        cell("OK", stage="saliency", comparison=Comparison(50, 0, 7e-6)),
    )
    assert summary_lines(found) == [
        "3 cells (3 OK), 200 values compared",
        "substitute: largest difference 0 sample codes (exact)",
        "saliency: largest difference 7e-06 saliency in [0, 1] (5e-05 allowed)",
    ]


def test_a_row_takes_the_formats_of_a_pair_together_and_shows_the_worst() -> None:
    found = report(cell("OK"), cell("FAIL", format="yuv444p"), cell("OK", format="yuv422p"))
    (row,) = rows(found)
    assert (row.status, row.formats, row.compared, row.largest) == (
        "FAIL",
        "2 OK, 1 FAIL",
        300,
        "3",
    )


def test_of_many_pairs_those_that_agree_are_one_row_and_the_others_stay() -> None:
    good = [cell("OK", got=f"node{number}") for number in range(60)]
    shown = shown_rows(report(*good, cell("FAIL", got="node60")))
    assert [(row.pair, row.status) for row in shown] == [
        ("60 pairs", "OK"),
        ("numpy = node60", "FAIL"),
    ]
    assert shown[0].compared == 6000


def test_a_difference_without_a_size_is_not_shown_as_0() -> None:
    problem = Comparison(compared=9, problem="wanted the bytes 00..., got 01...")
    found = report(cell("OK"), cell("FAIL", format="yuv444p", comparison=problem))
    assert rows(found)[0].largest == "of unknown size"
    assert summary_lines(found)[1] == "substitute: largest difference of unknown size (exact)"


def test_failures_come_before_errors() -> None:
    assert [line.split()[0] for line in explanations(ALL)] == ["FAIL", "ERROR"]
