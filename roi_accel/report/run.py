"""A run's page from both sides of the run: pictures are taken in it, the page is made after it.

The libraries that draw are loaded only where a page is asked for; that they are missing is found
out before the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.error_translation import require
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.report.page import Thumbnails
    from roi_accel.results.result import Result


def require_report() -> None:
    """Raise OutputError where the libraries that make a report are missing or broken."""
    for module in ("bokeh", "jinja2", "PIL"):
        require(module, "report", "a report", error=OutputError)


class Report:
    """The page that a run is asked for.

    Parameters
    ----------
    path : Path
        Where it is to be written, by the caller.
    videos : int
        How many distorted videos there are.

    Attributes
    ----------
    path : Path
    thumbnails : Thumbnails
        What the run shows the frames to: `score_all`'s `revisit`.

    Raises
    ------
    OutputError
        The libraries that draw it are missing.
    """

    def __init__(self, path: Path, *, videos: int) -> None:
        require_report()
        from roi_accel.report.page import Thumbnails  # noqa: PLC0415 (an extra)

        self.path = path
        self.thumbnails: Thumbnails = Thumbnails(videos)

    def page(self, results: Sequence[Result]) -> bytes:
        """Return the page of the run's results, HTML in UTF-8."""
        from roi_accel.report.page import make_page  # noqa: PLC0415 (an extra)

        return make_page(results, self.thumbnails)
