"""Valid files of every kind that is parsed, made on the spot, for fuzzing to start from."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import warnings
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import av
import networks
import numpy as np

from roi_accel.parity.cases import golden_digests
from roi_accel.parity.cells import Participant
from roi_accel.parity.record import Entry, Record, map_shapes, write_record

WIDTH, HEIGHT = 32, 24
"""Of the pictures and videos; tiny, so that an input costs a millisecond."""

Encoding = tuple[str, str, str]
"""Container, codec, pixel format, by FFmpeg's names."""

_MASK_PICTURES: tuple[Encoding, ...] = (
    ("image2pipe", "png", "gray"),
    ("image2pipe", "png", "gray16be"),
    ("image2pipe", "png", "rgb24"),
    ("image2pipe", "bmp", "gray"),
    ("image2pipe", "tiff", "gray"),
    ("image2pipe", "pgm", "gray16be"),
    ("image2pipe", "mjpeg", "yuvj420p"),
)
_MASK_CLIPS: tuple[Encoding, ...] = (
    ("matroska", "ffv1", "gray16le"),
    ("matroska", "ffv1", "yuv420p10le"),
    ("avi", "ffv1", "gray"),
    ("mp4", "mpeg4", "yuv420p"),
    ("gif", "gif", "gray"),
    ("yuv4mpegpipe", "wrapped_avframe", "gray"),
)
_VIDEOS: tuple[Encoding, ...] = (
    ("mp4", "libx264", "yuv420p"),
    ("mp4", "mpeg4", "yuv420p"),
    ("matroska", "ffv1", "yuv422p10le"),
    ("matroska", "libvpx-vp9", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("nut", "huffyuv", "yuv422p"),
)


def y4m(subsampling: str, depth: int, width: int, height: int, frames: int = 2) -> bytes:
    """Return a Y4M file of gray frames."""
    across, down = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[subsampling]
    samples = width * height + 2 * (-(-width // across)) * (-(-height // down))
    name = subsampling + ("" if depth == 8 else f"p{depth}")
    sample = (1 << depth - 1).to_bytes(1 if depth == 8 else 2, "little")
    header = f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C{name} XCOLORRANGE=LIMITED\n"
    return header.encode() + (b"FRAME\n" + sample * samples) * frames


@functools.cache
def y4ms() -> list[bytes]:
    """Return Y4M files."""
    return [
        y4m("420", 8, 32, 32),
        y4m("420", 8, 33, 35, 1),
        y4m("422", 10, 16, 8, 3),
        y4m("444", 16, 8, 8),
    ]


def _encoded(encoding: Encoding, frames: int) -> bytes:
    container_format, codec, pixel_format = encoding
    target = io.BytesIO()
    with av.open(target, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for number in range(frames):
            x = np.arange(WIDTH, dtype=np.uint8)
            gray = np.tile((x * 7 + 9 * number) % 255, (HEIGHT, 1)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


@functools.cache
def mask_pictures() -> list[bytes]:
    """Return gray pictures in every format that a mask is likely to come in."""
    return [_encoded(encoding, 1) for encoding in _MASK_PICTURES]


@functools.cache
def mask_clips() -> list[bytes]:
    """Return gray videos."""
    return [_encoded(encoding, 4) for encoding in _MASK_CLIPS]


def npy_member(header: bytes, samples: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return an array in NumPy's format with this text as its header."""
    width = 2 if version == (1, 0) else 4
    length = len(header).to_bytes(4, "little")[:width]
    return b"\x93NUMPY" + bytes(version) + length + header + samples


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip with a valid array of masks, and another member over or beside it."""
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that stands twice
        if name != "masks.npy":
            samples = io.BytesIO()
            np.save(samples, np.zeros((4, HEIGHT, WIDTH), np.uint16))
            archive.writestr("masks.npy", samples.getvalue())
        archive.writestr(name.encode("utf-8", "replace").decode(), content)
    return target.getvalue()


@functools.cache
def archives() -> list[bytes]:
    """Return archives of masks: compressed and not, with and without a word of what made them."""
    masks = np.arange(4 * HEIGHT * WIDTH, dtype=np.uint16).reshape(4, HEIGHT, WIDTH)
    origin = {
        "roi_accel_first_frame": "0",
        "saliency_model": "noise",
        "mask": {"sha256": "ab" * 32},
        "saliency_stride": 2,
        "smoothing": {"seconds": 0.5},
        "reference": {"path": "ref.mp4", "bytes": 7, "sha256": "cd" * 32},
    }
    about = np.array(json.dumps({"version": 1, **origin}))
    found = []
    for save, arrays in (
        (np.savez, {"masks": masks}),
        (np.savez_compressed, {"masks": masks // 64 * 64}),
        (np.savez_compressed, {"masks": masks // 64 * 64, "roi_accel": about}),
        (np.savez, {"masks": masks[:, :18, :24], "roi_accel": about}),
    ):
        target = io.BytesIO()
        save(target, **arrays)
        found.append(target.getvalue())
    return found


@functools.cache
def videos() -> list[bytes]:
    """Return videos in containers."""
    return [_encoded(encoding, 4) for encoding in _VIDEOS]


def track_documents() -> list[Any]:
    """Return tracks of boxes as their JSON says them."""
    boxes = [
        {"frame": 0, "x": 1, "y": 2, "w": 8, "h": 6, "name": "face"},
        {"frame": 0, "x": -3.5, "y": 2.25, "w": 18, "h": 6, "name": None},
        {"frame": 2, "x": 10, "y": 2, "w": 1e3, "h": 0.5},
    ]
    return [boxes, {"boxes": boxes}]


def tracks() -> list[bytes]:
    """Return tracks of boxes as CSV and JSON."""
    rows = b"frame,x,y,w,h,name\n0,1,2,8,6,face\n0,-3.5,2.25,18,6,\n2,10,2,1e3,0.5,ball\n"
    quoted = b'\xef\xbb\xbf"h","w","y","x","frame","name"\r\n6,8,2,1,0,"a ""b"""\r\n'
    return [rows, quoted, *(json.dumps(each).encode() for each in track_documents())]


def calibrations() -> list[bytes]:
    """Return calibrations."""
    two_tables = """[[rule]]
device = "openvino:*"
stage = "saliency"
tolerance = 2e-3
reason = "measured"

[[rule]]
device = "cuda:[0-9]"
stage = "score"
tolerance = 0
dtype = "float32"
"""
    inline = 'rule = [{device = "*", stage = "saliency", tolerance = 0.0}] # one\n'
    return [two_tables.encode(), inline.encode()]


FRAMES_FED = 3


def log_documents() -> list[Any]:
    """Return what libvmaf writes for three frames."""
    metrics = {"integer_motion2": 0.0, "psnr_y": 41.5, "vmaf": 93.25}
    frames = [{"frameNum": number, "metrics": metrics} for number in range(FRAMES_FED)]
    pooled = {"vmaf": {"min": 93.25, "max": 93.25, "mean": 93.25, "harmonic_mean": 93.25}}
    return [
        {
            "version": "3.0.0",
            "fps": 12.5,
            "frames": frames,
            "pooled_metrics": pooled,
            "aggregate_metrics": {},
        }
    ]


@functools.cache
def record_documents() -> list[Any]:
    """Return parity records: of a backend, of a provider, of both."""
    backend = Entry(
        participant=Participant(
            name="numba", kind="backend", aliases=("numba",), facts={"driver": "none"}
        ),
        digests=golden_digests(),
    )
    maps = {key: np.zeros(shape, np.float32) for key, shape in map_shapes().items()}
    provider = Entry(
        participant=Participant(
            name="cpu", kind="provider", aliases=("cpu",), facts={"version": "1"}
        ),
        maps=maps,
        network="0" * 64,
    )
    return [
        json.loads(write_record(Record(name="", entries=entries, provenance={"roi-accel": "0"})))
        for entries in ((backend,), (provider,), (backend, provider))
    ]


def report_documents() -> list[Any]:
    """Return reports of the benchmark, with what comparing them reads."""
    spread = {"median": 1.5, "low": 1.25, "high": 2.0}
    rows = [
        {"name": "numba", "kind": "ours", "ratios": {"ffmpeg": spread, "opencv": spread}},
        {"name": "ffmpeg", "kind": "peer", "ratios": {}},
    ]
    return [
        {
            "schema_version": 1,
            "settings": {"threads": 2, "quick": False},
            "cases": [{"name": "substitute 1080p", "rows": rows}, {"name": "copy", "rows": []}],
        }
    ]


@functools.cache
def models() -> list[bytes]:
    """Return saliency networks: the built-in one, a tiny one, and ones that break the contract."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        contracts = (
            networks.Contract(),
            networks.Contract(input_shape=[1, 3, 16, 16], output_shape=[1, 1, 16, 16]),
            networks.Contract(stride=2),
            networks.Contract(second_input=True),
            networks.Contract(gain=0.0, last="Reciprocal"),
        )
        tiny = [networks.write_network(path, contract).read_bytes() for contract in contracts]
        tiny.append(networks.external_data_network(path, "weights.bin").read_bytes())
    built_in = resources.files("roi_accel.data").joinpath("center_surround.onnx").read_bytes()
    return [built_in, *tiny]
