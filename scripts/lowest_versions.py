"""Prints the lowest versions that pyproject.toml allows, as constraints for pip.

    python scripts/lowest_versions.py cpu pocl test > lowest.txt
    pip install --constraint lowest.txt "roi-accel[cpu,pocl,test]"

What the dependencies depend on themselves is left to pip. Floors that hold for other Pythons or
systems than this one are left out.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main(extras: list[str]) -> int:
    """Print one ``name==version`` a line for the core and `extras`."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    for name, version in sorted(floors(project, extras).items()):
        print(f"{name}=={version}")
    return 0


def floors(project: dict[str, Any], extras: list[str]) -> dict[str, Version]:
    """Return for each package the highest of the floors that apply here.

    Raises
    ------
    SystemExit
        A requirement has no lower bound, so that nobody knows whether it is true.
    """
    optional = project["optional-dependencies"]
    found: dict[str, Version] = {}
    waiting = [str(text) for text in project["dependencies"]]
    waiting += [f"{project['name']}[{','.join(extras)}]"]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if requirement.name == project["name"]:
            waiting += [text for extra in requirement.extras for text in optional[extra]]
            continue
        lower = [each.version for each in requirement.specifier if each.operator == ">="]
        if not lower:
            sys.exit(f"{requirement} has no lower bound")
        version = max(map(Version, lower))
        found[requirement.name] = max(version, found.get(requirement.name, version))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
