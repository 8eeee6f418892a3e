"""Remove each guard that docs/reliability.md names, and see the test fail that stands for it.

    python scripts/mutate_guards.py [--row ROW]... [--list]

Every mutation is made alone, in a copy of the tree in a temporary folder; this tree is left as it
is. Run it with the Python of an environment in which roi-accel is installed with its test extra.
The table is guards.toml. Exits with 1 if a test passes without its guard, and with 2 if a guard is
not where the table says, or a test fails with every guard in place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("guards.toml")
COPIED = (
    "roi_accel",
    "backends",
    "bench",
    "parity",
    "tests",
    "scripts",
    "pyproject.toml",
    "README.md",
)
LIMIT_SECONDS = 300
TESTS_FAILED = 1  # pytest's own exit codes
TESTS_TIMED_OUT = -1


@dataclass(frozen=True)
class Mutation:
    """A guard and the test that must fail without it.

    Parameters
    ----------
    row : str
        In docs/reliability.md.
    file : str
    find, put : str
        Text that stands in `file` once, and what takes its place.
    test : str
        A node id of pytest.
    """

    row: str
    file: str
    find: str
    put: str
    test: str


class Copy:
    """A copy of the tree, with an environment in which that copy is what ``roi_accel`` means."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.tree.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "results")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.tree / name, ignore=ignored)
            else:
                shutil.copy(source, self.tree)
        for name in ("backends", "bench", "parity"):  # where the installed package has them
            (self.tree / "roi_accel" / name).symlink_to(self.tree / name)
        self.words = ""
        self._python = self._environment(folder / "environment")

    def _environment(self, folder: Path) -> Path:
        """Make one whose packages are this Python's, except that the copy comes first."""
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(command, check=True)  # noqa: S603 - our own Python
        variables = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", vars=variables))
        lines = (self.tree, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
        (packages / "mutated.pth").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        scripts = Path(sysconfig.get_path("scripts", vars=variables))
        python = scripts / Path(sys.executable).name
        main = "import sys\nfrom roi_accel.cli import main\nsys.exit(main())\n"
        script = scripts / "roi-accel"
        script.write_text(f"#!{python}\n{main}", "utf-8")
        script.chmod(0o755)
        return python

    def test(self, *nodes: str) -> int:
        """Run tests in the copy until one fails, and return pytest's exit code."""
        command = [str(self._python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                command,
                cwd=self.tree,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=LIMIT_SECONDS * len(nodes),
            )
        except subprocess.TimeoutExpired:
            return TESTS_TIMED_OUT
        self.words = done.stdout
        return done.returncode


def guards() -> list[Mutation]:
    """Return the table."""
    return [Mutation(**row) for row in tomllib.loads(TABLE.read_text("utf-8"))["guard"]]


def is_found(mutation: Mutation) -> bool:
    """Whether the guard stands where the table says, once."""
    return (ROOT / mutation.file).read_text("utf-8").count(mutation.find) == 1


def main() -> int:
    """Make the mutations that the command line names, or all, and say what became of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--row", action="append", help="only this row of the table; repeatable")
    parser.add_argument("--list", action="store_true", help="only see that every guard is there")
    arguments = parser.parse_args()
    chosen = [each for each in guards() if not arguments.row or each.row in arguments.row]
    missing = [each for each in chosen if not is_found(each)]
    for each in missing:
        print(f"{each.row}, NOT FOUND ONCE in {each.file}: {each.find!r}")
    if missing or arguments.list:
        print(f"{len(chosen) - len(missing)} of {len(chosen)} guards found")
        return 2 if missing else 0
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        copy = Copy(Path(folder))
        # A test that fails anyway would count every mutation as killed.
        if copy.test(*dict.fromkeys(each.test for each in chosen)):
            print(f"a test fails with every guard in place:\n{copy.words}")
            return 2
        failures = sum([not _is_killed(copy, each) for each in chosen])
    print(f"{len(chosen) - failures} of {len(chosen)} mutations killed")
    return 1 if failures else 0


def _is_killed(copy: Copy, mutation: Mutation) -> bool:
    """Make one mutation, run its test, take the mutation back, and say what happened."""
    path = copy.tree / mutation.file
    whole = path.read_text("utf-8")
    path.write_text(whole.replace(mutation.find, mutation.put), "utf-8")
    try:
        code = copy.test(mutation.test)
    finally:
        path.write_text(whole, "utf-8")
    outcomes = {0: "SURVIVED", TESTS_FAILED: "killed", TESTS_TIMED_OUT: "killed (it never ended)"}
    outcome = outcomes.get(code, f"NO TEST RAN (pytest ended with {code})")
    print(f"{mutation.row}, {outcome}, {mutation.file}, {mutation.test}", flush=True)
    return outcome.startswith("killed")


if __name__ == "__main__":
    sys.exit(main())
