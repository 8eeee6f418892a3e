"""Whether the report's libraries are there, found out before a run and not after it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT_MODULES = ("bokeh", "jinja2", "PIL")
"""What the extra ``report`` installs; nothing else of this package imports them."""


def require_report() -> None:
    """Raise OutputError where the libraries that make a report are missing or broken."""
    _require(REPORT_MODULES, "a report")


def require_pillow() -> None:
    """Raise OutputError where Pillow, which makes a picture, is missing or broken."""
    _require(("PIL",), "a picture")


def _require(modules: Sequence[str], what: str) -> None:
    for name in modules:
        try:
            import_module(name)
        except ImportError as error:
            msg = f"{what} needs {name}, which cannot be imported: {error}"
            raise OutputError(msg, remedy='pip install "roi-accel[report]"') from error
