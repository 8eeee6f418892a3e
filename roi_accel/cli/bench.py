"""`roi-accel bench`: the speed of kernels compared with alternatives, in one run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.table import Table

from roi_accel._util.files import check_output, write_atomically
from roi_accel._util.suggest import did_you_mean, no_such
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.host import available_cores
from roi_accel.bench.inputs import KERNELS, SIZES
from roi_accel.cli import _options as shared
from roi_accel.cli._options import OUTPUT, option, split_names
from roi_accel.cli.console import (
    frame_progress,
    make_table,
    one_line,
    print_error,
    print_note,
    write_stdout,
)
from roi_accel.devices.dispatch import backend_names, check_backends
from roi_accel.errors import InputError, SlowerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from roi_accel.bench.inputs import Kernel
    from roi_accel.bench.regression import Change

_FILE_COLUMNS = 140
_NONE = "-"


def report_text(report: Mapping[str, Any]) -> str:
    """Return tables of every case, what was not measured, and the goals."""
    # Without a terminal Rich takes 80 columns, where names would be folded.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _FILE_COLUMNS)
    machine, settings = report["machine"], report["settings"]
    with console.capture() as capture:
        console.print(
            one_line(
                f"{machine['processor']}, {machine['cores']} cores, {settings['threads']} threads; "
                f"load {machine['load_before']:.1f} before, {machine['load_after']:.1f} after"
            ),
            soft_wrap=True,
        )
        if settings["quick"]:
            console.print("--quick: this shows that everything works, the figures mean nothing")
        for case in report["cases"]:
            console.print()
            console.print(_case_table(case))
            console.print(f"[dim]{one_line(_case_note(case))}[/]", soft_wrap=True)
        console.print()
        for line in _absent(report):
            console.print(f"[dim]not measured: {one_line(line)}[/]", soft_wrap=True)
        console.print()
        console.print(_goal_table(report))
    return capture.get()


def _case_table(case: Mapping[str, Any]) -> Table:
    table = Table(title=one_line(case["name"]), title_justify="left")
    table.add_column("who")
    for heading in ("threads", "frames/s", "GB/s", "of copy"):
        table.add_column(heading, justify="right")
    peers = [row["name"] for row in case["rows"] if row["role"] != "backend"]
    for peer in peers:
        table.add_column(f"time / {one_line(_short(peer))}", justify="right")
    table.add_column("output")
    for row in case["rows"]:
        is_ours = row["role"] == "backend"
        ratios = row.get("ratios", {})
        share = f"{row['share_of_copy']:.0%}" if "share_of_copy" in row else _NONE
        table.add_row(
            f"[bold]{one_line(row['name'])}[/]" if is_ours else one_line(row["name"]),
            str(row["threads"] or _NONE),
            f"{row['frames_per_second']:.1f}",
            f"{row['gigabytes_per_second']:.2f}",
            share,
            *(f"{ratios[peer]['median']:.2f}" if peer in ratios else _NONE for peer in peers),
            _output_of(row),
        )
    for absent in case["not_measured"]:
        table.add_row(one_line(absent["name"]), *(_NONE,) * (4 + len(peers)), "not measured")
    return table


def _short(peer: str) -> str:
    """Return what a peer is called in a heading: ``FFmpeg``, ``float NumPy``."""
    return peer.partition(" ")[0] if "+" in peer else peer


def _output_of(row: Mapping[str, Any]) -> str:
    if "exact" not in row:
        return _NONE
    if row["exact"]:
        return "[green]exact[/]"
    if "difference" in row:
        found = row["difference"]
        return f"{found['share_off']:.1%} off, by {found['largest']} at most"
    return "[bold red]not exact[/]"


def _case_note(case: Mapping[str, Any]) -> str:
    shares, parts = case["alpha_shares"], []
    if case["mask"]:
        parts.append(
            f"alpha 0 in {shares['reference']:.0%}, 1 in {shares['distorted']:.0%}, "
            f"between in {shares['blended']:.0%} of samples"
        )
    parts.append(f"{case['bytes_per_frame'] / 1e6:.1f} MB must move per frame")
    parts += [f"{name} {speed:.1f} GB/s" for name, speed in case["copies"].items()]
    return "; ".join(parts)


def _absent(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield everyone who was not measured, with the reason, once."""
    seen = {
        f"{each['name']}: {each['reason']}"
        for case in report["cases"]
        for each in case["not_measured"]
    }
    yield from sorted(seen)


def _goal_table(report: Mapping[str, Any]) -> Table:
    table = make_table("Goals", "what", "case", "mask", "goal", "measured", "")
    for goal in report["goals"]:
        met = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[goal["met"]]
        if report["settings"]["quick"] and goal["met"] is not None:
            met = "means nothing"
        measured = goal["measured"]
        table.add_row(
            one_line(goal["what"]),
            one_line(goal["case"]),
            goal["mask"] or _NONE,
            f"{goal['bound_is']} {goal['bound']:g}",
            one_line(goal["reason"]) if measured is None else f"{measured:.2f}",
            met,
        )
    return table


_WHAT = "What is measured"
_CURATED = "a set of sizes and formats"
_DEFAULT_FORMATS = ("yuv420p", "yuv420p10le")
_LARGEST_SIDE = 16384
_DEFAULT_SIZE = {False: SIZES["1080p"], True: (320, 180)}


def bench(
    backends: Annotated[str | None, shared.backends_option(_WHAT)] = None,
    sizes: Annotated[
        str | None,
        shared.names_option(_WHAT, "720p, 1080p, 2160p or such as 1280x536.", unset=_CURATED),
    ] = None,
    formats: Annotated[str | None, shared.formats_option(_WHAT, _CURATED)] = None,
    kernels: Annotated[
        str | None,
        shared.names_option(_WHAT, "substitute, upsample, preprocess, 'substitute on the device'."),
    ] = None,
    threads: Annotated[
        int | None,
        option(_WHAT, "Threads for backends and baselines.", show_default="every core", min=1),
    ] = None,
    quick: Annotated[
        bool, option(_WHAT, "Smoke test; timings are meaningless.", "--quick")
    ] = False,
    json_file: Annotated[
        Path | None,
        option(
            OUTPUT,
            "Write everything as JSON; - for stdout in place of the tables.",
            "--json",
            metavar="FILE",
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        option(
            OUTPUT,
            "Report what got slower relative to its baselines since this --json file.",
            metavar="OLD.json",
        ),
    ] = None,
    regression: Annotated[
        str, option(OUTPUT, "Slowdown that fails with exit code 1.", metavar="SHARE")
    ] = "10%",
    overwrite: shared.Overwrite = False,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Measure the kernels beside their peers and the machine's own copy bandwidth, in one run.

    Takes minutes; close other programs. Examples:

        roi-accel bench --json today.json

        roi-accel bench --sizes 1080p --formats yuv420p --compare last-week.json
    """
    # Only this command needs them.
    from roi_accel.bench import regression as old_and_new  # noqa: PLC0415
    from roi_accel.bench.run import BenchOptions, run_bench  # noqa: PLC0415

    allowed = old_and_new.parse_share(regression)
    old = None if compare is None else old_and_new.read_report(compare)
    to_stdout = json_file == Path("-")
    if json_file is not None and not to_stdout:
        check_output(json_file, overwrite=overwrite, inputs=[compare] if compare else [])
    options = BenchOptions(
        backends=_backends(backends),
        cases=_cases(sizes, formats, quick=quick),
        kernels=_kernels(kernels),
        threads=available_cores() if threads is None else threads,
        quick=quick,
    )
    if not options.measurable_kernels:
        msg = f"none of {', '.join(options.backends)} works on frames in a device's memory"
        raise InputError(msg, remedy="add --backends cuda, or name another kernel")
    if old is not None:
        old_and_new.check_settings(old, {"threads": options.threads, "quick": options.quick})
    with frame_progress(show=progress, what="measuring", unit="cases/s") as advance:
        report = run_bench(options, progress=advance)
    text = json.dumps(report, indent=1) + "\n"
    if json_file is not None and not to_stdout:
        write_atomically(json_file, text.encode(), overwrite=overwrite)
    write_stdout(text if to_stdout else report_text(report))
    if old is not None:
        new = old_and_new.Report.of(report)
        difference = old_and_new.other_machine(old, new)
        if difference:
            print_note(difference)
        _report_changes(old_and_new.compare_reports(old, new), allowed)


def _report_changes(changes: Sequence[Change], allowed: float) -> None:
    """Print what got slower relative to its peers; SlowerError if that is more than `allowed`."""
    slower = sorted(
        (each for each in changes if each.change > allowed), key=lambda each: -each.change
    )
    for each in slower:
        peers = "; ".join(
            f"{before:.2f} to {now:.2f} of {peer}" for peer, (before, now) in each.peers.items()
        )
        print_error(f"{each.backend}, {each.case}: {each.change:.0%} slower ({peers})")
    print_note(f"{len(changes)} ratios compared, {len(slower)} more than {allowed:.0%} slower")
    if slower:
        msg = f"{slower[0].backend} got {slower[0].change:.0%} slower relative to its peers"
        raise SlowerError(msg, remedy="measure again with nothing else running, then look for why")


def _backends(text: str | None) -> tuple[str, ...]:
    known = backend_names()
    names = known if text is None else split_names(text, "--backends")
    check_backends(names)
    return names


def _cases(
    sizes: str | None, formats: str | None, *, quick: bool
) -> list[tuple[int, int, PixelFormat]]:
    """Return the curated cases, or every requested size in every requested format."""
    from roi_accel.bench.run import DEFAULT_CASES  # noqa: PLC0415 - heavy, as above

    if sizes is None and formats is None and not quick:
        return DEFAULT_CASES
    wanted = (
        [_DEFAULT_SIZE[quick]]
        if sizes is None
        else [_size(name) for name in split_names(sizes, "--sizes")]
    )
    names = _DEFAULT_FORMATS if formats is None else split_names(formats, "--formats")
    try:
        pixel_formats = [PixelFormat.from_name(name) for name in names]
    except ValueError as error:
        raise InputError(str(error), remedy="for example --formats yuv420p") from error
    return [(*size, pixel_format) for size in wanted for pixel_format in pixel_formats]


def _size(name: str) -> tuple[int, int]:
    if name in SIZES:
        return SIZES[name]
    numbers = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", name)
    if numbers is None:
        msg = f"--sizes {name!r} is neither one of {', '.join(SIZES)} nor WIDTHxHEIGHT"
        meant = did_you_mean(name, SIZES)
        raise InputError(msg, remedy=f"{meant}for example --sizes 1080p,1280x536")
    width, height = int(numbers[1]), int(numbers[2])
    if max(width, height) > _LARGEST_SIDE:
        msg = f"--sizes {name!r} has a side above {_LARGEST_SIDE} pixels"
        raise InputError(msg, remedy="for example --sizes 7680x4320")
    return width, height


def _kernels(text: str | None) -> tuple[Kernel, ...]:
    if text is None:
        return KERNELS
    names = split_names(text, "--kernels")
    for name in names:
        if name not in KERNELS:
            raise no_such(name, KERNELS, what="kernel")
    return tuple(kernel for kernel in KERNELS if kernel in names)
