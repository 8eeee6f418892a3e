"""Removes each guard against a fault, one at a time, and looks whether its tests then fail.

    python scripts/mutate_guards.py                 # all of tests/faults/guards.toml
    python scripts/mutate_guards.py --new           # those that the page lacks
    python scripts/mutate_guards.py --row 31        # one row
    python scripts/mutate_guards.py --write         # and write what was seen in docs/reliability.md

The guards are removed in a copy of the repository with an environment of its own, which borrows the
packages of this one; the tests named beside each guard must pass there before, and fail after.
"""

from __future__ import annotations

import argparse
import re
import shutil
import site
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUARDS = ROOT / "tests" / "faults" / "guards.toml"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- guards: begin -->", "<!-- guards: end -->"
LIMIT_SECONDS = 180
_FAILED, _NOTHING_RUN = 1, 5


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One guard: where it is, what replaces it, and the tests that must notice."""

    row: int
    fault: str
    outcome: str
    tests: tuple[str, ...]
    file: str = ""
    removed: str = ""
    old: str = ""
    new: str = ""


def read_guards() -> list[Guard]:
    """Return the guards of the list, each row's own after each other."""
    content = tomllib.loads(GUARDS.read_text("utf-8"))
    return [Guard(**{**each, "tests": tuple(each["tests"])}) for each in content["guard"]]


def main() -> int:
    """Remove the guards that were asked for; 1 if any of them is missed by no test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", type=int, action="append", help="only this row; repeatable")
    parser.add_argument("--new", action="store_true", help="only guards that the page lacks")
    parser.add_argument("--write", action="store_true", help="write the table, with outcomes")
    options = parser.parse_args()
    guards = [g for g in read_guards() if not options.row or g.row in options.row]
    if options.new:
        guards = [g for g in guards if found_before()[g] == "not tried"]
    with tempfile.TemporaryDirectory(prefix="guards-") as name:
        copy = Path(name) / "repository"
        python = prepare(copy)
        found = {guard: outcome_of(guard, copy, python) for guard in guards}
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
    (packages / "zz-borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
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


def outcome_of(guard: Guard, copy: Path, python: Path) -> str:
    """Return what the guard's tests say of its absence, and print it."""
    if (before := run(guard.tests, copy, python)) == _NOTHING_RUN:
        outcome = "skipped here"
    elif before:
        outcome = "broken before"
    else:
        path = copy / guard.file
        whole = path.read_text("utf-8")
        if whole.count(guard.old) != 1:
            outcome = "not found"
        else:
            path.write_text(whole.replace(guard.old, guard.new), "utf-8")
            code = run(guard.tests, copy, python)
            # A negative one is a crash; errors of collection and of usage prove nothing.
            outcome = "noticed" if code == _FAILED or code < 0 else "not noticed"
            path.write_text(whole, "utf-8")
    print(f"{guard.row}: {guard.fault}: {outcome} ({guard.file}: {guard.removed})", flush=True)
    return outcome


def run(tests: tuple[str, ...], copy: Path, python: Path) -> int:
    """Run tests in the copy and return pytest's exit code; where all are skipped, that of none."""
    command = [str(python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
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


def found_before() -> dict[Guard, str]:
    """Return every guard with the outcome that the page has for it, or that there is none yet."""
    rows = re.findall(
        r"^\| (\d+) \| (.*?) \| .* \| ([a-z ]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    known = {(int(row), fault): outcome for row, fault, outcome in rows}
    return {guard: known.get((guard.row, guard.fault), "not tried") for guard in read_guards()}


def table(found: dict[Guard, str]) -> str:
    """Return the table in Markdown."""
    lines = ["| # | fault | what happens | test | guard removed | seen |", "|" + "---|" * 6]
    for guard, outcome in found.items():
        tests = ", ".join(f"`{name}`" for name in guard.tests)
        where = f"`{guard.file}`: {guard.removed}" if guard.file else guard.removed
        lines.append(
            f"| {guard.row} | {guard.fault} | {guard.outcome} | {tests} | {where} | {outcome} |"
        )
    return "\n".join(lines)


def write_table(found: dict[Guard, str]) -> None:
    """Put the table where the page has its marks."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
