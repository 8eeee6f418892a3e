"""Whether the report's libraries are there, found out before a run and not after it."""

from __future__ import annotations

from importlib import import_module

from roi_accel.errors import OutputError

REPORT_MODULES = ("bokeh", "jinja2", "PIL")
"""What the extra ``report`` installs; nothing else of this package imports them."""


def require_report() -> None:
    """Raise OutputError where the libraries that make a report are missing or broken."""
    for name in REPORT_MODULES:
        try:
            import_module(name)
        except ImportError as error:
            msg = f"a report needs {name}, which cannot be imported: {error}"
            raise OutputError(msg, remedy='pip install "roi-accel[report]"') from error
