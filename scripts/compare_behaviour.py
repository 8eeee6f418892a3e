"""Runs the same commands with two versions of roi-accel and prints every difference.

    python scripts/compare_behaviour.py v1.0 .
    python scripts/compare_behaviour.py old/bin/python new/bin/python --only mask/

OLD and NEW are each a Python interpreter that has roi-accel installed, a folder with a checkout, or
a git revision of this repository; for the latter two an environment is made, which takes a minute.
Every command of `behaviour_cases.py` runs in a fresh folder with the same input files. Compared are
exit codes, what is printed as JSON, and the files that were written. Messages may differ in their
words, which is shown but is not a failure. `behaviour_values.py` lists what differs between two
runs of one version. The exit code is 1 if anything but wording differs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from behaviour_cases import CASES, PREAMBLE, PYTHON, Case
from behaviour_inputs import write_inputs
from behaviour_values import (
    Difference,
    Words,
    clean_text,
    differences,
    parse_text,
    read_file,
    shape,
    with_texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "cpu,pocl,report,parquet,ladder,pandas"
LIMIT_SECONDS = 300.0
SHOWN = 12


@dataclass(frozen=True)
class Side:
    """One of the two versions: its label, its interpreter, and where its package and caches are."""

    label: str
    python: Path
    package: Path
    caches: Path


@dataclass
class Outcome:
    """What one command did: `files` are those that it wrote or removed, by name."""

    code: int | str
    stdout: object
    stderr: str
    files: dict[str, object]

    def value(self) -> dict[str, object]:
        """Return all of it as one value, for `differences`."""
        crashed = "Traceback (most recent call last)" in self.stderr
        return {
            "exit code": self.code,
            "stdout": self.stdout,
            "traceback": crashed,
            "stderr": Words(self.stderr),
            **{f"file {name}": content for name, content in self.files.items()},
        }


@dataclass
class Tally:
    """How many commands were run, and how they compared."""

    run: int = 0
    differing: int = 0
    wording: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Return the summary: OLD's exit codes with how often each was seen, and the counts."""
        equal = self.run - self.differing
        seen = ", ".join(f"{code} ({count})" for code, count in sorted(self.codes.items()))
        return (
            f"exit codes of OLD: {seen}\n"
            f"{self.run} commands run, {equal} equal, {self.differing} differing, "
            f"{self.wording} with changes in wording"
        )


def main(arguments: list[str] | None = None) -> int:
    """Compare the two versions; 1 if anything but wording differs."""
    options = parse_options(arguments)
    cases = [case for case in CASES if is_wanted(case, options.only)]
    if options.list:
        for case in cases:
            print(case.name, *(f"    {command}" for command in case.commands), sep="\n")
        print(f"{sum(len(case.commands) for case in cases)} commands in {len(cases)} cases")
        return 0
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = options.keep.resolve() if options.keep else Path(name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        write_inputs(folder / "inputs")
        # Labels of one length, so that a path breaks the lines of a table in the same place.
        sides = [
            make_side(s, label, folder) for s, label in ((options.old, "old"), (options.new, "new"))
        ]
        tally = compare_all(cases, sides, folder, options)
    print(tally)
    return 1 if tally.differing else 0


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    what = "an interpreter, a folder with a checkout, or a git revision"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", metavar="OLD", nargs="?", help=what)
    parser.add_argument("new", metavar="NEW", nargs="?", help=what)
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", help="cases by name; repeatable"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="show the commands and run nothing")
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="leave all files in this new folder"
    )
    parser.add_argument("--no-wording", action="store_true", help="count changes in wording only")
    options = parser.parse_args(arguments)
    if not options.list and options.new is None:
        parser.error("OLD and NEW are required")
    return options


def is_wanted(case: Case, patterns: Iterable[str] | None) -> bool:
    """Return whether a part of the case's name matches a pattern, or no pattern is given."""
    return not patterns or any(fnmatch(case.name, f"*{pattern}*") for pattern in patterns)


def make_side(given: str, label: str, folder: Path) -> Side:
    """Return the version that OLD or NEW names, in an environment made for it if need be."""
    path, caches = Path(given), folder / "caches" / label
    caches.mkdir(parents=True)
    if path.is_file():
        # Not resolved: an environment's interpreter is a link, and its place names the environment.
        return Side(label, path.absolute(), package_of(path), caches)
    source = folder / "sources" / label
    if path.is_dir():
        hidden = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "*.egg-info", "build")
        shutil.copytree(path, source, ignore=hidden)
    else:
        source.mkdir(parents=True)
        archive = subprocess.run(  # noqa: S603 - a revision that the user names
            ["git", "-C", str(ROOT), "archive", "--end-of-options", given],  # noqa: S607
            capture_output=True,
            check=False,
        )
        if archive.returncode:
            sys.exit(
                f"{given} is not an interpreter, a folder or a revision: {archive.stderr.decode()}"
            )
        subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)  # noqa: S603, S607
    environment = folder / "environments" / label
    print(f"{label}: installing {given}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)  # noqa: S603
    python = environment / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", f"{source}[{EXTRAS}]"]
    subprocess.run(install, check=True)  # noqa: S603 - as above
    return Side(label, python, package_of(python), caches)


def package_of(python: Path) -> Path:
    """Return where the interpreter finds roi-accel."""
    code = "import roi_accel; print(roi_accel.__file__)"
    done = subprocess.run([str(python), "-c", code], cwd="/", capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{python} has no roi-accel: {done.stderr.decode().strip()}")
    return Path(done.stdout.decode().strip()).parent


def compare_all(
    cases: list[Case], sides: list[Side], folder: Path, options: argparse.Namespace
) -> Tally:
    """Run every case with both versions and print what differs, in the order of the table."""
    tally = Tally()

    def run_both(case: Case) -> list[list[Outcome]]:
        return [run_case(case, side, folder, keep=bool(options.keep)) for side in sides]

    with ThreadPoolExecutor(options.jobs) as pool:
        for case, (old, new) in zip(cases, pool.map(run_both, cases), strict=True):
            for command, one, other in zip(case.commands, old, new, strict=True):
                tally.codes[str(one.code)] += 1
                found = list(differences(one.value(), other.value()))
                add(tally, case, command, found, show_wording=not options.no_wording)
    return tally


def add(
    tally: Tally, case: Case, command: str, found: list[Difference], *, show_wording: bool
) -> None:
    """Count what one command's comparison found, and print it."""
    serious = [each for each in found if not each.wording]
    words = [each for each in found if each.wording]
    tally.run += 1
    tally.differing += bool(serious)
    tally.wording += bool(words)
    if serious:
        print(f"DIFFERS {case.name}: {command.strip()}")
        print(*(f"    {each}" for each in serious[:SHOWN]), sep="\n")
        if len(serious) > SHOWN:
            print(f"    and {len(serious) - SHOWN} more")
    if words and show_wording:
        print(f"wording {case.name}: {command.strip()}")
        for each in words[:SHOWN]:
            print(*changed_lines(each), sep="\n")
    sys.stdout.flush()


def changed_lines(difference: Difference) -> list[str]:
    """Return the lines of a text that only one side has, shortened to a screen's width."""
    assert isinstance(difference.old, Words)  # noqa: S101 - only those are wording
    assert isinstance(difference.new, Words)  # noqa: S101 - as above
    old, new = difference.old.text.splitlines(), difference.new.text.splitlines()
    removed = [f"    - {line[:200]}" for line in old if line not in new]
    added = [f"    + {line[:200]}" for line in new if line not in old]
    return [f"    {difference.where}:", *removed[:SHOWN], *added[:SHOWN]]


def run_case(case: Case, side: Side, folder: Path, *, keep: bool = False) -> list[Outcome]:
    """Run a case's commands one after the other in a folder that has the inputs alone."""
    place = folder / "runs" / side.label / case.name.replace("/", "-")
    shutil.copytree(folder / "inputs", place / "files")
    (place / "temporary").mkdir()
    outcomes = [run_command(command, case, side, place) for command in case.commands]
    if not keep:
        shutil.rmtree(place)
    return outcomes


def run_command(command: str, case: Case, side: Side, place: Path) -> Outcome:
    """Run one command and return what it did."""
    folder = place / "files"
    before = snapshot(folder)
    if command.startswith(PYTHON):
        arguments = ["-c", python_code(command)]
    else:
        arguments = ["-m", "roi_accel", *shlex.split(command)]
    code: int | str
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            [str(side.python), *arguments],
            cwd=folder,
            env=environment_of(case, side, place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        code, stdout, stderr = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, stdout, stderr = "timeout", b"", b""
    after = snapshot(folder)
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    files = {name: read_file(folder / name) if name in after else "removed" for name in changed}

    def without_paths(text: str) -> str:
        return with_words_for_paths(text, side, place)

    files = {name: with_texts(content, without_paths) for name, content in files.items()}
    if left := len(list((place / "temporary").iterdir())):
        files["(left in the temporary folder)"] = left
    if case.keys_only:
        files = {name: shape(content) for name, content in files.items()}
    output = with_texts(parse_text(text_of(stdout)), without_paths)
    if isinstance(output, Words):
        output = Words(clean_text(output.text))
    elif case.keys_only:
        output = shape(output)
    return Outcome(code, output, clean_text(without_paths(text_of(stderr))), files)


def python_code(command: str) -> str:
    """Return what the interpreter runs for a command that begins with `PYTHON`."""
    return PREAMBLE + command.removeprefix(PYTHON).strip()


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder by its name there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def environment_of(case: Case, side: Side, place: Path) -> dict[str, str]:
    """Return the variables of a command: the caller's, but for what would change the behaviour."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("ROI_ACCEL_", "PYTHON"))}
    fixed = {
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ROI_ACCEL_CACHE": str(side.caches),
        "TMPDIR": str(place / "temporary"),
    }
    return kept | fixed | case.environment


def text_of(output: bytes) -> str:
    """Return what a command printed as text, whatever its bytes."""
    return output.decode("utf-8", "backslashreplace")


def with_words_for_paths(text: str, side: Side, place: Path) -> str:
    """Return text without the names of this side's own folders."""
    for path, word in (
        (place / "files", "<folder>"),
        (place / "temporary", "<temporary>"),
        (side.caches, "<cache>"),
        (side.package, "<package>"),
        (side.python.parent.parent, "<environment>"),
    ):
        text = text.replace(str(path), word)
    return text


if __name__ == "__main__":
    sys.exit(main())
