"""Claims about `_util`'s readers of what comes from outside: strict JSON, bounded files, text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel._util import strict_json
from roi_accel._util.files import read_bounded
from roi_accel._util.text import in_json, in_table, printable, short_repr
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(document=JSON)
def test_strict_documents_are_read_as_python_reads_them(document: object) -> None:
    text = json.dumps(document)
    assert strict_json.loads(text) == json.loads(text)
    assert strict_json.loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "duplicate key 'c'"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 5000 + "]", "digits"),
        (b'"\xff"', "can't decode byte 0xff"),
        ("[1,]", "line 1 column"),
        ("", "line 1 column 1"),
    ],
)
def test_what_json_leaves_undefined_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        strict_json.loads(text)


def test_a_byte_order_mark_is_read_over() -> None:
    assert strict_json.loads(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize("text", ["[1]", '"text"', "null", "[" + "1, " * 10_000 + "1]"])
def test_only_an_object_is_an_object(text: str) -> None:
    with pytest.raises(ValueError, match="expected an object, found") as caught:
        strict_json.loads_object(text)
    assert len(str(caught.value)) < 120


def test_a_file_of_the_largest_size_is_read_and_no_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 2048)
    assert read_bounded(path, 2048) == b"a" * 2048
    path.write_bytes(b"a" * 2049)
    with pytest.raises(InputError, match="file: larger than 2 KiB; shorten it"):
        read_bounded(path, 2048, remedy="shorten it")


def test_a_file_that_cannot_be_read_is_named_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\\nb: no such file"):
        read_bounded(tmp_path / "a\nb", 1)
    with pytest.raises(InputError, match="not a possible file name"):
        read_bounded(tmp_path / "a\0b", 1)


@given(text=st.text(st.characters(exclude_categories=())))
def test_printable_text_is_one_line_that_utf8_can_encode(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text).encode("utf-8")[:0] == b""


def test_printable_text_keeps_what_a_terminal_shows() -> None:
    assert printable("vidéo 视频.mp4") == "vidéo 视频.mp4"
    assert printable("é\n\x1b[2J\udcff") == r"é\n\x1b[2J\udcff"


def test_a_value_is_repeated_shortly_whatever_it_is() -> None:
    assert short_repr("a") == "'a'"
    assert len(short_repr("a" * 1000)) == 80
    assert short_repr(10**5000) == "a number of thousands of digits"


def test_lone_surrogates_read_alike_in_tables_and_in_json() -> None:
    assert in_table("a\udcffé") == r"a\udcffé"
    assert json.loads(in_json('{"path": "a\udcffé"}')) == {"path": in_table("a\udcffé")}
