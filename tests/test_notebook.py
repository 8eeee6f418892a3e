"""Claims about a result where data is explored: as a table of pandas, and as HTML."""

from __future__ import annotations

import dataclasses
import sys
from html.parser import HTMLParser

import pytest
from results import make_result

from roi_accel.errors import InputError

# The table, with pandas for real

pandas = pytest.importorskip("pandas")

pytestmark = pytest.mark.slow


def test_the_table_has_a_row_per_frame_and_a_column_per_number() -> None:
    result = make_result(frames=4, regions=("face",))
    table = result.to_frame()
    assert isinstance(table, pandas.DataFrame)
    assert table.index.name == "frame"
    assert list(table.index) == [0, 1, 2, 3]
    assert list(table.columns) == [
        *("vmaf_full", "vmaf_masked", "vmaf_roi", "saliency_mean", "alpha_mean"),
        *("face.vmaf_masked", "face.vmaf_roi"),
    ]
    assert set(map(str, table.dtypes)) == {"float64"}


def test_the_table_says_what_the_result_says() -> None:
    result = make_result(frames=3)
    table = result.to_frame()
    assert table["vmaf_roi"].mean() == pytest.approx(result.vmaf_roi)
    for frame in result.frames:
        assert table.loc[frame.frame_number].to_dict() == frame.to_row()
    assert table.attrs == {"reference": "ref.mp4", "distorted": "dist.mp4"}


def test_the_index_has_the_numbers_of_the_frames_that_were_scored() -> None:
    result = make_result(frames=5)
    scored = dataclasses.replace(result, frames=result.frames[::2])
    assert list(scored.to_frame().index) == [0, 2, 4]


def test_without_pandas_the_error_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="needs pandas") as caught:
        make_result().to_frame()
    assert caught.value.remedy == 'pip install "roi-accel[pandas]"'


# What a notebook shows


class Reader(HTMLParser):
    """Collects the text of every cell and the names of every element."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == []
        self.elements.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_a_notebook_shows_the_scores_and_how_they_came_about() -> None:
    result = make_result(frames=3, regions=("face",))
    texts = read(result._repr_html_()).texts
    for text in ("dist.mp4", "61.00", "81.50", "71.25", "vmaf_full", "numpy on cpu"):
        assert text in texts
    assert any("2 of 3 frames checked" in text for text in texts)
    assert any(text.strip() == "face" for text in texts)


def test_names_are_text_in_a_notebook_and_never_markup() -> None:
    trap = "<script>alert(1)</script>&amp;\"'.mp4"
    result = make_result(
        distorted=trap, regions=(f"  {trap}",), saliency_model=trap, model=trap, warnings=(trap,)
    )
    reader = read(result._repr_html_())
    assert "script" not in reader.elements
    assert sum(trap.rpartition("/")[2] in text for text in reader.texts) >= 4


def test_warnings_are_shown_in_a_notebook() -> None:
    assert "the mask is empty" in make_result(warnings=("the mask is empty",))._repr_html_()
    assert "Warnings" not in make_result()._repr_html_()
