"""Removes each guard against a fault, one at a time, and checks that its tests then fail.

    python scripts/mutate_guards.py                 # all of tests/faults/guards.toml
    python scripts/mutate_guards.py --new           # those that the page lacks
    python scripts/mutate_guards.py --row 31        # one row
    python scripts/mutate_guards.py --write         # and write the outcomes to docs/reliability.md

The guards are removed in a copy of the repository with an environment of its own, which borrows the
packages of this one; the tests named beside each guard must pass there before, and fail after.

A guard is a statement with the comment `# guard: ID` at its end, or on a line of its own above it.
Its `mutate` in the list is one of these; in EXPR, `_` stands for the expression that is replaced:

    condition = true, false or "EXPR"   the test of if, elif, while or `x if test else y`
    without = "first" or "last"         that operand of the only `and` or `or`
    value = "EXPR"                      what is assigned, returned or entered by `with`
    argument = "EXPR"                   the first argument of the outermost call
    statement = "pass"                  the whole statement, replaced by another
    replace = ["OLD", "NEW"]            text within the statement, where nothing above fits
"""

from __future__ import annotations

import argparse
import ast
import functools
import io
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import tokenize
import tomllib
import venv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
GUARDS = ROOT / "tests" / "faults" / "guards.toml"
PAGE = ROOT / "docs" / "reliability.md"
GUARDED = ("roi_accel", "backends", "parity", "bench")
BEGIN, END = "<!-- guards: begin -->", "<!-- guards: end -->"
LIMIT_SECONDS = 180
_FAILED, _NOTHING_RUN = 1, 5
Node = TypeVar("Node", bound=ast.AST)
_MARKER = re.compile(r"# guard: (.+)$")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One guard: the fault it is for, what replaces it, and the tests that must then fail."""

    id: str
    row: int
    fault: str
    outcome: str
    tests: tuple[str, ...]
    removed: str
    mutate: dict[str, Any]


@dataclass(frozen=True)
class Marked:
    """A statement with a marker: its file, that file's text, and the marker's line from 1."""

    path: Path
    text: str
    line: int
    is_alone: bool


def read_guards() -> list[Guard]:
    """Return the guards of the list, in its order."""
    content = tomllib.loads(GUARDS.read_text("utf-8"))
    return [Guard(**{**each, "tests": tuple(each["tests"])}) for each in content["guard"]]


def find_markers(root: Path = ROOT) -> list[tuple[str, Marked]]:
    """Return each id with its place, as often as it is in the source below `root`."""
    found = []
    for path in sorted(path for name in GUARDED for path in (root / name).rglob("*.py")):
        text = path.read_text("utf-8")
        if "# guard:" not in text:
            continue
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and (match := _MARKER.search(token.string)):
                is_alone = token.line.lstrip().startswith("#")
                place = Marked(path, text, token.start[0], is_alone)
                found += [(each, place) for each in match[1].split(", ")]
    return found


def mutated(place: Marked, mutate: dict[str, Any]) -> str:
    """Return the file's text with the marked statement changed; ValueError if that cannot be."""
    whole = place.text.encode()  # The syntax tree counts bytes.
    starts = [0, *itertools.accumulate(map(len, whole.splitlines(keepends=True)))]

    def span(node: ast.stmt | ast.expr) -> tuple[int, int]:
        begin, stop = starts[node.lineno - 1], starts[(node.end_lineno or node.lineno) - 1]
        return begin + node.col_offset, stop + (node.end_col_offset or 0)

    statement = _statement(place)
    ((operation, change),) = mutate.items()
    if operation == "statement":
        start, end = span(statement)
        new = change
    elif operation == "replace":
        start, end = starts[statement.lineno - 1], starts[_last_line(statement)]
        old, fragment = change
        text = whole[start:end].decode()
        if text.count(old) != 1:
            msg = f"{old!r} is {text.count(old)} times in {text!r}"
            raise ValueError(msg)
        new = text.replace(old, fragment)
    elif operation == "without":
        target = _only(_parts(statement, ast.BoolOp), operation)
        start, end = span(target)
        kept = target.values[1:] if change == "first" else target.values[:-1]
        new = ast.unparse(ast.BoolOp(target.op, kept) if len(kept) > 1 else kept[0])
    else:
        start, end = span(_expression(statement, operation))
        old = whole[start:end].decode()
        new = re.sub(r"(?<!\w)_(?!\w)", lambda _: f"({old})", str(change))
    encoded: bytes = whole[:start] + str(new).encode() + whole[end:]
    return encoded.decode()


def _last_line(statement: ast.stmt) -> int:
    """Return the last line of a simple statement, or of a compound one's header."""
    body = getattr(statement, "body", None)
    return body[0].lineno - 1 if body else statement.end_lineno or statement.lineno


def _statement(place: Marked) -> ast.stmt:
    """Return the statement that ends at the marker, or that follows one on a line of its own."""
    statements = [node for node in ast.walk(ast.parse(place.text)) if isinstance(node, ast.stmt)]
    if place.is_alone:
        lines = enumerate(place.text.splitlines()[place.line :], start=place.line + 1)
        following = next(n for n, text in lines if not re.match(r"\s*(#|$)", text))
        found = [node for node in statements if node.lineno == following]
    else:
        found = [node for node in statements if node.lineno <= place.line <= _last_line(node)]
    return _only(found, f"{place.path}:{place.line}")


def _expression(statement: Any, operation: str) -> ast.expr:  # noqa: ANN401 - any statement
    """Return the part of `statement` that `operation` changes."""
    found: list[ast.expr] = []
    if operation == "condition":
        ternaries = _parts(statement, ast.IfExp)
        found = [statement.test] if hasattr(statement, "test") else [n.test for n in ternaries]
    elif operation == "value" and isinstance(statement, ast.With):
        found = [item.context_expr for item in statement.items]
    elif operation == "value":
        found = [statement.value]
    elif operation == "argument":
        found = [call.args[0] for call in _parts(statement, ast.Call)[:1]]
    return _only(found, operation)


def _parts(statement: ast.stmt, kind: type[Node]) -> list[Node]:
    """Return the nodes of a kind in a simple statement or a compound one's header, outer first."""
    header = [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.expr | ast.withitem)]
    return [node for each in header for node in ast.walk(each) if isinstance(node, kind)]


def _only(found: list[Node], what: str) -> Node:
    if len(found) != 1:
        msg = f"{what}: {len(found)} parts of the code fit instead of one"
        raise ValueError(msg)
    return found[0]


def main() -> int:
    """Remove the guards that were asked for; 1 if the tests of any of them still pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", type=int, action="append", help="only this row; repeatable")
    parser.add_argument("--new", action="store_true", help="only guards that the page lacks")
    parser.add_argument("--write", action="store_true", help="write the table, with outcomes")
    options = parser.parse_args()
    guards = [g for g in read_guards() if not options.row or g.row in options.row]
    if options.new:
        guards = [g for g in guards if found_before()[g.id] == "not tried"]
    with tempfile.TemporaryDirectory(prefix="guards-") as name:
        copy = Path(name) / "repository"
        python = prepare(copy)
        places = dict(find_markers(copy))
        before = functools.cache(functools.partial(run, copy=copy, python=python))
        found = {}
        for guard in guards:
            found[guard.id] = outcome_of(guard, places[guard.id], before, copy, python)
            print(f"{guard.row}: {guard.id}: {found[guard.id]} ({guard.removed})", flush=True)
    if options.write:
        write_table(found_before() | found)
    counts = Counter(found.values())
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts["not noticed"] + counts["broken before"] else 0


def prepare(copy: Path) -> Path:
    """Copy the repository, install the copy in an environment of its own, return its Python."""
    hidden = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, copy, ignore=hidden)
    folder = copy.parent / "environment"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    # Not site.getsitepackages(): this environment may itself borrow from another.
    borrowed = [each for each in sys.path if Path(each).name in {"site-packages", "dist-packages"}]
    (packages / "zz-borrowed.pth").write_text("\n".join(borrowed) + "\n")
    install = [str(python), "-m", "pip", "install", "-q", "--no-deps", "-e"]
    subprocess.run([*install, str(copy)], check=True)  # noqa: S603 - our own repository
    where = [str(python), "-c", "import roi_accel; print(roi_accel.__file__)"]
    found = subprocess.check_output(where, cwd=folder, text=True)  # noqa: S603 - as above
    if not Path(found).is_relative_to(copy):
        # Its tests would run commands that have every guard.
        sys.exit(
            f"the borrowed packages have a roi-accel of their own, {found}; install it with -e"
        )
    return python


def outcome_of(
    guard: Guard, place: Marked, before: Callable[[tuple[str, ...]], int], copy: Path, python: Path
) -> str:
    """Return what the guard's tests say of its absence."""
    if (code := before(guard.tests)) == _NOTHING_RUN:
        return "skipped here"
    if code:
        return "broken before"
    place.path.write_text(mutated(place, guard.mutate), "utf-8")
    try:
        code = run(guard.tests, copy, python)
    finally:
        place.path.write_text(place.text, "utf-8")
    # A negative one is a crash; errors of collection and of usage prove nothing.
    return "noticed" if code == _FAILED or code < 0 else "not noticed"


def run(tests: tuple[str, ...], copy: Path, python: Path) -> int:
    """Return pytest's exit code for tests in the copy; if all are skipped, that of no tests."""
    # With the examples of the full profile, so that no guard is missed by luck.
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "full"]
    command = [str(python), "-m", "pytest", *options, *tests]
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            command,
            cwd=copy,
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _FAILED  # Without its guard it hangs, which nobody could overlook.
    if done.returncode == 0 and not re.search(r"\d+ passed", done.stdout):
        return _NOTHING_RUN
    return done.returncode


def found_before() -> dict[str, str]:
    """Return the page's outcome for the id of every guard; "not tried" for one it lacks."""
    text = PAGE.read_text("utf-8")
    known = dict(re.findall(r"\(`([a-z0-9-]+)`\) \| ([a-z ]+) \|$", text, re.MULTILINE))
    return {guard.id: known.get(guard.id, "not tried") for guard in read_guards()}


def table(found: dict[str, str]) -> str:
    """Return the table in Markdown."""
    lines = ["| # | fault | what happens | test | guard removed | seen |", "|" + "---|" * 6]
    for guard in read_guards():
        tests = ", ".join(f"`{name}`" for name in guard.tests)
        removed = f"{guard.removed} (`{guard.id}`)"
        lines.append(
            f"| {guard.row} | {guard.fault} | {guard.outcome} | {tests} | {removed} "
            f"| {found[guard.id]} |"
        )
    return "\n".join(lines)


def write_table(found: dict[str, str]) -> None:
    """Put the table between the marks on the page."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
