"""Parity knows nothing of VMAF and the command line, and runs with NumPy and pydantic alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

MODULES = sorted(path.stem for path in (ROOT / "parity").glob("*.py") if path.stem != "__init__")

# Run in a fresh interpreter in which nothing but NumPy, pydantic and what that needs, and the
# standard library can be imported.
ALONE = """
import sys, importlib
import numpy, pydantic
pydantic.BaseModel
standard = set(sys.stdlib_module_names) | {"numpy", "roi_accel"}
standard |= {"pydantic", "pydantic_core", "annotated_types", "typing_extensions"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in standard:
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module("roi_accel.parity." + name)
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.parity.calibration import Calibration
from roi_accel.parity.cases import cases
from roi_accel.parity.cells import Findings, Participant, Report
from roi_accel.parity.matrix import BackendRunner, run_backends
both = [Participant(name=name, kind="backend") for name in ("one", "two")]
stages = ("preprocess", "upsample", "substitute")
found = Findings(
    both, stages=stages, formats=["yuv420p"], calibration=Calibration(), repetitions=True
)
chosen = [case for case in cases() if case.plan.pixel_format.name == "yuv420p"][:3]
runners = [BackendRunner(e.name, NumpyBackend().open) for e in both]
run_backends(chosen, runners, found, stages=stages)
print(Report(cells=found.cells(), participants=tuple(both)).exit_code)
heavy = {"onnxruntime", "av", "numba", "pyopencl", "typer", "rich", "roi_accel.scorers"}
print(sorted(heavy & set(sys.modules)))
"""


def test_parity_runs_with_numpy_and_pydantic_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["0", "[]"]


@pytest.mark.parametrize("module", MODULES)
def test_parity_imports_nothing_of_the_package_but_backends_utilities_and_itself(
    module: str,
) -> None:
    tree = ast.parse((ROOT / "parity" / f"{module}.py").read_text("utf-8"))
    imported = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("roi_accel")
    }
    allowed = tuple(f"roi_accel.{name}" for name in ("backends", "parity", "errors", "_util"))
    assert [name for name in imported if not name.startswith(allowed)] == []


def test_every_module_of_parity_is_looked_at() -> None:
    assert {"matrix", "compare", "calibration", "record"} <= set(MODULES)
    assert Path(ROOT / "parity" / "golden.json").is_file()
