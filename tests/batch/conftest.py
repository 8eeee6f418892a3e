"""Small pairs and their manifest, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from manifests import write_csv, write_pairs

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Bench:
    """A folder with videos and a manifest of them, `pairs` by the names that it has."""

    folder: Path
    pairs: list[tuple[str, str]]
    manifest: str = "pairs.csv"


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return two references with two encodes each. Tests write elsewhere."""
    folder = tmp_path_factory.mktemp("pairs")
    pairs = write_pairs(folder)
    write_csv(folder / "pairs.csv", pairs)
    return Bench(folder, pairs)
