"""Claims about wording: documentation, messages and docstrings read as plain English."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Files and folders to check: Markdown as a whole, Python by its strings and comments.
ROOTS: tuple[str, ...] = (
    *("README.md", "SECURITY.md", "CHANGELOG.md", "docs", "tests/faults/guards.toml"),
    *("backends", "parity", "bench", "scripts"),
    *(f"roi_accel/{each}" for each in ("_util", "api", "checks", "cli", "devices", "diagnostics")),
    *(f"roi_accel/{each}" for each in ("mask_export", "masks", "options", "report", "results")),
    *(f"roi_accel/{each}" for each in ("batch", "inference", "ladder", "run", "scorers", "video")),
)

# Parts that a script writes are checked where their text comes from.
GENERATED = (
    re.compile(r"<!-- From here on written by scripts/write_reference.*", re.DOTALL),
    re.compile(r"<!-- guards: begin -->.*<!-- guards: end -->", re.DOTALL),
)


class Banned(NamedTuple):
    """A phrase, what to write instead, and a sentence that has it."""

    pattern: re.Pattern[str]
    instead: str
    example: str


def banned(pattern: str, instead: str, example: str) -> Banned:
    return Banned(re.compile(pattern, re.IGNORECASE), instead, example)


BANNED = (
    banned(
        r"(?<!there )\b(?:is|are|was|were|be) no "
        r"(?!longer|more|less|fewer|later|earlier|better|worse|larger|smaller|slower|faster)",
        "'is not a X', or 'X is missing'",
        "the output is no regular file",
    ),
    banned(r"\bno other way\b", "'must be'", "there is no other way to it"),
    banned(r"\bmend(?:s|ed|ing)?\b", "'fix', 'correct' or 'install'", "the option that mends it"),
    banned(r"\bstands? twice\b", "'duplicate'", "key 'x' stands twice"),
    banned(
        r"\b(?:hold|holds|held|holding) (?:\w+ ){0,4}against\b",
        "'compare with'",
        "records are held against each other",
    ),
    banned(
        r"(?<!people )(?<!nobody )(?<!anybody )(?<!viewers )\blook(?:s|ed|ing)? at\b",
        "'infer' or 'run inference on' for a network, else 'examine', 'check' or 'see'",
        "frames that the network looks at at once",
    ),
    banned(r"\bbelongs? to no\b", "'unexpected' or 'unknown'", "'x' belongs to no option"),
    banned(r"\bby its own account\b", "'declares'", "25 frames per second by its own account"),
    banned(r"\bsay(?:s|ing)? of (?:it|them)sel(?:f|ves)\b", "'declares'", "what it says of itself"),
    banned(r"\bwho(?:ever)? wants\b", "'to do X, ...' or 'if you want X'", "who wants it asks"),
    banned(r"\ba fault of ours\b", "'a bug'", "a fault of ours"),
    banned(r"\b(?:begins?|made|drawn?s?|begun) anew\b", "'start over'", "Begin anew"),
    banned(r"\b(?:is|are|was|were) told\b", "'is reported', or say it to the reader", "it is told"),
    banned(
        r"\bwhat counted\b|\bof the frame (?:that )?counts\b",
        "'coverage', or 'the share of the frame that is scored'",
        "how much of the frame counts",
    ),
    banned(r"\bmet with the nearest\b", "'get a suggestion'", "names are met with the nearest"),
    banned(r"\bin words of (?:its|their|our) own\b", "'in its own words'", "in words of its own"),
)


def files() -> list[Path]:
    suffixes = {".md", ".py", ".toml"}
    found = []
    for root in ROOTS:
        path = ROOT / root
        assert path.exists(), f"{root} is in ROOTS and absent"
        within = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [each for each in within if each.suffix in suffixes]
    return found


def passages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each paragraph, table row, string and comment, in one line."""
    text = path.read_text("utf-8")
    pieces = python_pieces(text) if path.suffix == ".py" else markdown_pieces(text)
    for line, piece in pieces:
        yield line, " ".join(piece.split())


def markdown_pieces(text: str) -> Iterator[tuple[int, str]]:
    for part in GENERATED:
        text = part.sub(lambda found: "\n" * found[0].count("\n"), text)
    line = 1
    for piece in re.split(r"(?<=\n)(?=\n|[|#-])", text):
        yield line + (len(piece) - len(piece.lstrip("\n"))), piece
        line += piece.count("\n")


def python_pieces(text: str) -> Iterator[tuple[int, str]]:
    inside = set()  # the pieces of an f-string, which are yielded with it
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(each) for each in ast.walk(node) if each is not node}
            constants = [each for each in node.values if isinstance(each, ast.Constant)]
            parts = [str(each.value) if each in constants else "…" for each in node.values]
            yield node.lineno, "".join(parts)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            yield node.lineno, node.value
    comments: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, words = token.start[0], token.string.lstrip("# ")
            if comments and comments[-1][0] + comments[-1][1].count("\n") + 1 == line:
                comments[-1] = (comments[-1][0], f"{comments[-1][1]}\n{words}")
            else:
                comments.append((line, words))
    yield from comments


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_phrase_that_reads_as_foreign(path: Path) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: '{match[0].strip()}' in "
        f"'…{text[max(match.start() - 40, 0) : match.end() + 40]}…'; write {each.instead}"
        for line, text in passages(path)
        for each in BANNED
        for match in each.pattern.finditer(text)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("each", BANNED, ids=lambda each: each.example)
def test_each_phrase_is_found_in_markdown_strings_and_comments(
    tmp_path: Path, each: Banned
) -> None:
    half = each.example.index(" ", len(each.example) // 3) if " " in each.example else 0
    first, second = each.example[:half], each.example[half:].strip()
    for name, text, lines in (
        ("a.md", f"# Title\n\n| a |\n|---|\n| {each.example} |\n\nIt {first}\n{second}.\n", [5, 7]),
        ("joined.py", f'X = (\n    "{first} "\n    "{second}"\n)\n', [2]),
        ("formatted.py", f'Y = 1\nX = f"{{Y}} {each.example}"\n', [2]),
        ("comment.py", f"X = 1\n# {first}\n# {second}\n", [2]),
    ):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        found = [line for line, piece in passages(path) if each.pattern.search(piece)]
        assert found == lines, name


@pytest.mark.parametrize(
    "text",
    [
        "there is no GPU",
        "it is no longer read",
        "it is no more than 5",
        "what people look at",
        "recommended",
        "an argument against it",
    ],
)
def test_plain_english_is_no_finding(text: str) -> None:
    assert [each.instead for each in BANNED if each.pattern.search(text)] == []
