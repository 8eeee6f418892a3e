"""`roi-accel batch`: the commands for many pairs."""

from __future__ import annotations

from typing import Any

import typer

from roi_accel.cli.batch_ladder import ladder
from roi_accel.cli.batch_merge import merge
from roi_accel.cli.batch_run import run
from roi_accel.cli.group import Group

_DEFAULT = "run"


class _BatchGroup(Group):
    """Its commands, of which `run` goes without saying: ``batch MANIFEST`` is ``batch run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own
        """Put `run` before what does not begin with a command."""
        is_help = args[:1] in (["--help"], ["-h"])
        if args and not is_help and args[0] not in self.commands:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help=(
        "Score many pairs, on this machine or on many.\n\n"
        "A manifest has a row per pair: `roi-accel batch MANIFEST` is short for "
        "`roi-accel batch run MANIFEST`, whose help has all options.\n\n"
        "Examples:\n\n"
        "    roi-accel batch pairs.csv -o results.ndjson\n\n"
        "    roi-accel batch 'encodes/*.mp4' -r ref.mp4 -o results.ndjson\n\n"
        "    roi-accel batch merge pairs.csv part-*.ndjson -o results.ndjson\n\n"
        "    roi-accel batch ladder results.ndjson"
    ),
    cls=_BatchGroup,
    no_args_is_help=True,
)
app.command()(run)
app.command()(merge)
app.command()(ladder)
