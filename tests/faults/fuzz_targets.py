"""Everything that parses what a stranger may have written, and the one claim made of all of it.

An input is either refused with a documented error, whose text is one printable line, or gives a
valid value; within bounds of memory and processor time that do not depend on the input.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fuzz_batches as batches
import fuzz_seeds as seeds
import numpy as np
from fuzz_mutation import HOSTILE_TEXTS, json_mutants, mutants
from hypothesis import strategies as st

from roi_accel.bench.regression import (
    Report,
    check_settings,
    compare_reports,
    parse_share,
    read_report,
)
from roi_accel.checks.record_run import compare_files
from roi_accel.errors import InputError, ModelError, RoiAccelError, ScorerError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.providers import plan_provider
from roi_accel.masks import open_mask_source
from roi_accel.masks.still import parse_box
from roi_accel.options.raw import raw_geometry
from roi_accel.parity.calibration import STAGES, read_calibration
from roi_accel.scorers.options import parse_features, parse_models
from roi_accel.scorers.protocol import read_log
from roi_accel.video import open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roi_accel.masks import MaskSource

MOST_FRAMES = 64
LONGEST_TEXT = 20_000
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Target:
    """One parser.

    Attributes
    ----------
    inputs : callable
        Returns the strategy of its files' contents.
    read : callable
        Parses the file at a path; raises an error of `errors`, or AssertionError for a bad value.
    suffix : str
        Of the file's name.
    errors : tuple of type
        The documented refusals.
    memory : int
        Most bytes that the process may grow by at its peak.
    seconds : float
        Most processor time.
    """

    inputs: Callable[[], st.SearchStrategy[bytes]]
    read: Callable[[Path], None]
    suffix: str = ""
    errors: tuple[type[RoiAccelError], ...] = (InputError,)
    memory: int = 128 * MIB
    seconds: float = 5.0


def hold(target: Target, path: Path) -> str:
    """Hold a parser to its claim for the file at `path`.

    Returns
    -------
    str
        ``accepted`` or ``refused``.

    Raises
    ------
    AssertionError
        A value is not valid, a message is not one line, or a bound was passed.
    Exception
        Whatever else the parser raised, which it must not.
    """
    before = _reset_peak()
    started = time.process_time()
    outcome = "accepted"
    try:
        target.read(path)
    except target.errors as error:
        outcome = "refused"
        _check_message(error)
    seconds = time.process_time() - started
    grown = _peak() - before
    assert seconds <= target.seconds, f"took {seconds:.1f} s of processor time"
    assert grown <= target.memory, f"took {grown / MIB:.0f} MiB"
    return outcome


def _check_message(error: RoiAccelError) -> None:
    text = str(error)
    assert error.message.strip(), "an error without a text"
    assert "\n" not in text, f"a message of several lines: {text[:200]!r}"
    assert len(text) < LONGEST_TEXT, f"a message of {len(text)} characters: {text[:200]!r}"
    text.encode()  # a lone surrogate would break the terminal's encoder


def _reset_peak() -> int:
    """Forget the process's peak of resident memory and return what it holds now, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:  # another system than Linux, or a sandbox: peaks then only grow
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        return 0


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    return 0


# Videos


def _read_video(path: Path) -> None:
    _drain_video(path, raw=None)


def _drain_video(path: Path, **options: Any) -> None:
    with open_video(path, threads=1, **options) as reader:
        info = reader.info
        shapes = info.pixel_format.plane_shapes(info.width, info.height)
        for frame in islice(reader, MOST_FRAMES):
            assert tuple(plane.shape for plane in frame.planes) == tuple(shapes)
            for plane in frame.planes:
                assert plane.dtype == info.pixel_format.dtype
                assert int(plane.max()) <= info.pixel_format.max_value


def _y4m_inputs() -> st.SearchStrategy[bytes]:
    number = st.one_of(
        st.integers(-1, 70000).map(str), st.sampled_from(["", "٣", "1e3", "9" * 30, "16384", "+8"])
    )
    token = st.one_of(
        st.builds("{}{}".format, st.sampled_from("WH"), number),
        st.builds("F{}:{}".format, number, number),
        st.sampled_from(["Ip", "It", "I?", "Im", "A1:1", "C420", "C444p10", "C422", "Cmono", "C"]),
        st.sampled_from(["XYSCSS=422", "XCOLORRANGE=FULL", "XCOLORRANGE=?", "X", "Q1", " ", ""]),
        st.text(max_size=8),
    )
    header = st.lists(token, max_size=9).map(
        lambda tokens: ("YUV4MPEG2 " + " ".join(tokens) + "\n").encode("utf-8", "surrogatepass")
    )
    body = st.lists(st.sampled_from([b"FRAME\n", b"FRAME Ip\n", b"\x80" * 96, b"\0" * 384, b""]))
    built = st.builds(lambda head, parts: head + b"".join(parts), header, body)
    long_line = st.sampled_from([b"YUV4MPEG2 " + b"W9 " * 50_000, b"YUV4MPEG2" + b" " * 10_000])
    return st.one_of(mutants(seeds.y4ms()), mutants(seeds.y4ms()), built, long_line)


def _raw_inputs() -> st.SearchStrategy[bytes]:
    wild = st.sampled_from([-1, 0, 16384, 16385, 2**31, 2**63, 10**30, None])
    side = st.one_of(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), wild)
    formats = ["yuv420p", "yuv422p10le", "yuv444p16le", "yuv420p12le"]
    others = ["rgb24", "yuv420p9", None, *HOSTILE_TEXTS]
    said = st.one_of(*[st.sampled_from(formats)] * 4, st.sampled_from(others))
    seldom = st.integers(0, 9).map(lambda number: number == 0)
    arguments = st.fixed_dictionaries(
        {
            "width": side,
            "height": side,
            "pix_fmt": said,
            "pixel_format": st.builds(
                lambda yes, value: value if yes else None,
                seldom,
                st.sampled_from(["420", "440", ""]),
            ),
            "bitdepth": st.builds(
                lambda yes, value: value if yes else None,
                seldom,
                st.sampled_from([8, 9, -8, 2**40]),
            ),
            "size": st.integers(0, 5000),
            "sample": st.sampled_from([0, 1, 3, 16, 255]),
            "frames": st.integers(0, 3),
        }
    )
    return arguments.map(lambda each: json.dumps(each).encode())


def _read_raw(path: Path) -> None:
    """Read raw video of the geometry that the JSON at `path` describes."""
    arguments = json.loads(path.read_bytes())
    size, sample, frames = (arguments.pop(name) for name in ("size", "sample", "frames"))
    geometry = raw_geometry(**arguments)
    if geometry is not None and frames:
        exact = geometry.pixel_format.frame_bytes(geometry.width, geometry.height) * frames
        size = exact if 0 < exact < MIB else size
    video = path.with_suffix(".yuv")
    video.write_bytes(bytes([sample]) * size)
    _drain_video(video, raw=geometry)


# Masks


def _read_mask(path: Path) -> None:
    _drain_masks(open_mask_source(mask=path, width=seeds.WIDTH, height=seeds.HEIGHT))


def _archive_inputs() -> st.SearchStrategy[bytes]:
    number = st.one_of(st.integers(-2, 40), st.sampled_from([2**31, 2**63, 10**30, True, None]))
    shape = st.one_of(
        st.sampled_from([(4, seeds.HEIGHT, seeds.WIDTH), (4, 18, 24)]),
        st.lists(number, max_size=5).map(tuple),
    )
    kind = st.sampled_from(["<u2", ">u2", "|u1", "<f4", "|O", "<U9999999999", "<u2,<u2", "", None])
    header = st.builds(
        "{{'descr': {!r}, 'fortran_order': {!r}, 'shape': {!r}, }}".format,
        kind,
        st.sampled_from([False, False, True, 1]),
        shape,
    )
    broken = st.one_of(st.text(max_size=40), st.integers(1, 9_000).map(lambda depth: "(" * depth))
    member = st.builds(
        seeds.npy_member,
        st.one_of(header, header, header, broken).map(lambda text: text.encode("utf-8", "replace")),
        st.sampled_from([b"", bytes(100), bytes(4 * seeds.HEIGHT * seeds.WIDTH * 2)]),
        st.sampled_from([(1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (9, 9)]),
    )
    built = st.builds(
        seeds.zipped, st.sampled_from(["masks.npy", "roi_accel.npy", "x", "\ud800"]), member
    )
    return st.one_of(mutants(seeds.archives()), mutants(seeds.archives(), most_edits=1), built)


def _read_track(path: Path) -> None:
    _drain_masks(open_mask_source(roi_track=path, width=seeds.WIDTH, height=seeds.HEIGHT))


def _drain_masks(source: MaskSource | None) -> None:
    assert source is not None
    nothing: Any = None  # these sources look at neither the frame nor the session
    try:
        for index in range(4):
            masks = source.masks(index, nothing, nothing)
            assert len(masks) >= max(1, len(source.region_names))
            for mask in masks:
                assert (mask.shape, mask.dtype) == (source.size, np.uint16)
        source.finish(4, whole=False)
        json.dumps(source.provenance(), allow_nan=False)
    finally:
        source.close()


def _track_inputs() -> st.SearchStrategy[bytes]:
    cell = st.one_of(
        st.integers(-5, 40).map(str),
        st.floats().map(repr),
        st.sampled_from(["", " 1 ", "1_0", "٣", "1e400", "9" * 400, "nan", "-inf", '"', "0x1"]),
        st.text(max_size=5),
    )
    row = st.lists(cell, min_size=5, max_size=6).map(",".join)
    table = st.lists(row, max_size=6).map(
        lambda rows: "\n".join(["frame,x,y,w,h,name", *rows]).encode("utf-8", "surrogatepass")
    )
    deep = st.integers(1, 100_000).map(lambda depth: b"[" * depth)
    documents = seeds.track_documents()
    return st.one_of(mutants(seeds.tracks()), json_mutants(documents), table, deep)


# Calibrations, logs, records, reports


def _calibration_inputs() -> st.SearchStrategy[bytes]:
    value = st.one_of(
        st.sampled_from(['"*"', '"saliency"', "0.5", "-1", "nan", "inf", "true", "[]", "{}"]),
        st.sampled_from(["1" * 5000, "0x" + "f" * 400, "1e400", "1979-05-27", '"\\ud800"', '""']),
        st.floats().map(repr),
        st.text(max_size=8).map(json.dumps),
    )
    key = st.sampled_from(
        ["device", "stage", "tolerance", "reason", "dtype", "rule", "divice", "a.b"]
    )
    line = st.builds("{} = {}".format, key, value)
    built = st.lists(line, max_size=6).map(
        lambda lines: "\n".join(["[[rule]]", *lines]).encode("utf-8", "surrogatepass")
    )
    deep = st.builds(lambda n: b"rule = " + b"[" * n, st.integers(1, 100_000))
    dotted = st.builds(lambda n: b".".join([b"a"] * n) + b" = 1", st.integers(1, 20_000))
    return st.one_of(mutants(seeds.calibrations()), built, deep, dotted)


def _read_calibration(path: Path) -> None:
    calibration = read_calibration(path)
    for stage in STAGES:
        for names in (("cuda:0", "cuda:0 H100"), ("openvino:CPU",), ("*",)):
            found = calibration.tolerance(stage, names)
            assert math.isfinite(found.value)
            assert 0 <= found.value <= found.limit
    calibration.unused([("numba",)])


def _log_inputs() -> st.SearchStrategy[bytes]:
    texts = [json.dumps(document).encode() for document in seeds.log_documents()]
    deep = st.integers(1, 100_000).map(lambda depth: b'{"frames":' * depth)
    return st.one_of(mutants(texts), json_mutants(seeds.log_documents()), deep)


def _read_log(path: Path) -> None:
    log = read_log(path, frames_fed=seeds.FRAMES_FED, subsample=1, scores=("vmaf",))
    assert log.frame_numbers == (0, 1, 2)
    assert all(type(number) is int for number in log.frame_numbers)
    for values in log.metrics.values():
        assert len(values) == seeds.FRAMES_FED
        assert all(math.isfinite(value) for value in values)


def _record_inputs() -> st.SearchStrategy[bytes]:
    texts = [json.dumps(document).encode() for document in seeds.record_documents()]
    deep = st.integers(1, 100_000).map(lambda depth: b'{"entries":' * depth)
    documents = seeds.record_documents()
    return st.one_of(mutants(texts), json_mutants(documents), json_mutants(documents), deep)


def _read_record(path: Path) -> None:
    report = compare_files([path], None)
    assert report.cells


def _report_inputs() -> st.SearchStrategy[bytes]:
    texts = [json.dumps(document).encode() for document in seeds.report_documents()]
    deep = st.integers(1, 100_000).map(lambda depth: b'{"cases":' * depth)
    return st.one_of(mutants(texts), json_mutants(seeds.report_documents()), deep)


def _read_report(path: Path) -> None:
    report = read_report(path)
    check_settings(report, {"threads": 2, "quick": False})
    for change in compare_reports(Report.of(seeds.report_documents()[0]), report):
        assert math.isfinite(change.change)


# Networks


def _model_inputs() -> st.SearchStrategy[bytes]:
    few = mutants(seeds.models(), most_edits=1)
    return st.one_of(few, few, mutants(seeds.models(), most_edits=12))


def _read_model(path: Path) -> None:
    network = SaliencyNetwork(resolve(path), plan_provider("numpy"), threads=1)
    try:
        network.check_size(SaliencySize(64).for_frame(64, 64))
        found = network.infer(np.full((1, 3, 64, 64), 0.5, np.float32))
        assert (found.shape, found.dtype) == ((64, 64), np.float32)
    finally:
        network.close()


# Options


def _option_inputs() -> st.SearchStrategy[bytes]:
    piece = st.one_of(
        st.sampled_from(["version", "path", "name", "=", ":", "\\:", ",", "vmaf_v0.6.1", "psnr"]),
        st.sampled_from(
            ["face", "1", "-1", "64", "%", "10%", "native", "/etc", "motion.x", *"\0\n"]
        ),
        st.text(max_size=4),
    )
    return st.lists(piece, max_size=10).map(
        lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
    )


def _read_options(path: Path) -> None:
    """Give the text at `path` to every option that has a syntax; raise if all of them refuse it."""
    text = path.read_bytes().decode("utf-8", "surrogatepass")
    parsers: tuple[Callable[[], object], ...] = (
        lambda: parse_models((text,)),
        lambda: parse_features((text,)),
        lambda: parse_box(text),
        lambda: parse_share(text),
        lambda: SaliencySize.parse(text),
        lambda: raw_geometry(width=64, height=64, pix_fmt=text),
    )
    refusals = []
    for parse in parsers:
        try:
            parse()
        except InputError as error:
            refusals.append(error)
            _check_message(error)
    if len(refusals) == len(parsers):
        raise refusals[-1]


TARGETS: Mapping[str, Target] = {
    "y4m": Target(inputs=_y4m_inputs, read=_read_video, suffix=".y4m"),
    "raw": Target(inputs=_raw_inputs, read=_read_raw, suffix=".json"),
    "video": Target(
        inputs=lambda: mutants(seeds.videos()), read=_read_video, suffix=".mkv", memory=512 * MIB
    ),
    "mask-picture": Target(
        inputs=lambda: mutants(seeds.mask_pictures()), read=_read_mask, memory=1024 * MIB
    ),
    "mask-clip": Target(
        inputs=lambda: mutants(seeds.mask_clips()), read=_read_mask, memory=1024 * MIB
    ),
    "mask-archive": Target(inputs=_archive_inputs, read=_read_mask, suffix=".npz"),
    "track": Target(inputs=_track_inputs, read=_read_track),
    "calibration": Target(inputs=_calibration_inputs, read=_read_calibration, suffix=".toml"),
    "vmaf-log": Target(inputs=_log_inputs, read=_read_log, suffix=".json", errors=(ScorerError,)),
    "parity-record": Target(inputs=_record_inputs, read=_read_record, suffix=".json"),
    "bench-report": Target(inputs=_report_inputs, read=_read_report, suffix=".json"),
    "model": Target(
        inputs=_model_inputs,
        read=_read_model,
        suffix=".onnx",
        errors=(ModelError,),
        memory=512 * MIB,
    ),
    "options": Target(inputs=_option_inputs, read=_read_options),
    "manifest-csv": Target(inputs=batches.csv_inputs, read=batches.read_rows, suffix=".csv"),
    "manifest-lines": Target(inputs=batches.json_inputs, read=batches.read_rows, suffix=".jsonl"),
    "batch-defaults": Target(inputs=batches.defaults_inputs, read=batches.read_options),
    "batch-output": Target(
        inputs=batches.lines_inputs,
        read=batches.read_lines,
        suffix=".ndjson",
        errors=batches.REFUSALS,
    ),
}
