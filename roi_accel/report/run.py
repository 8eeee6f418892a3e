"""A run's page from both sides of the run: pictures are taken in it, the page is made after it.

The command line and Python share it. The libraries that draw are loaded only where a page is asked
for, and that they are missing is found out before the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.report.need import require_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.report.page import Thumbnails
    from roi_accel.results.result import Result


class Report:
    """The page that a run is asked for.

    Parameters
    ----------
    path : Path
        Where it is to be written, by who also writes the run's other files.
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
