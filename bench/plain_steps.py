"""The steps of vmaf-roi-score, written plainly, as a peer to measure whole runs against.

    python -m roi_accel.bench.plain_steps REF.yuv DIST.yuv NETWORK.onnx --width W --height H ...

They are: the network at the frame's own resolution, a float blend of the luma plane in NumPy, the
masked video in a temporary file, and two VMAF runs one after the other (github.com/lusoris/vmaf,
tools/vmaf-roi-score: the interface and the order of steps; nothing of its code is used).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.frame import PixelFormat
from roi_accel.bench.commands import PLAIN_LOG, Pair, Setting, plain, run_command
from roi_accel.inference.ort import import_onnxruntime

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
_STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
_STRIDE = 8
_THRESHOLD, _FADE, _WEIGHT = 0.3, 0.1, 0.5


def main() -> int:
    """Print the three scores as JSON."""
    options = _parse()
    runtime = import_onnxruntime()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = runtime.InferenceSession(
        options.network, settings, providers=["CPUExecutionProvider"]
    )
    pixel_format = PixelFormat.from_name(options.pixel_format)
    with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as folder:
        masked = Path(folder) / "masked.yuv"
        _write_masked(options, pixel_format, session, masked)
        setting = Setting(Path(options.ffmpeg), options.threads, options.frames)
        reference, size = options.reference.resolve(), (options.width, options.height)
        pair = Pair(reference, (), *size, options.pixel_format, is_raw=True)
        scores = []
        for path in (options.distorted.resolve(), masked):
            run_command(plain(setting, pair, path), Path(folder))
            log = json.loads((Path(folder) / PLAIN_LOG).read_text("utf-8"))
            scores.append(log["pooled_metrics"]["vmaf"]["mean"])
    full, salient = scores
    blended = (1 - _WEIGHT) * full + _WEIGHT * salient
    print(json.dumps({"vmaf_full": full, "vmaf_masked": salient, "vmaf_roi": blended}))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("distorted", type=Path)
    parser.add_argument("network")
    for name in ("--ffmpeg", "--pixel-format"):
        parser.add_argument(name, required=True)
    for name in ("--width", "--height", "--frames", "--threads"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()


def _write_masked(
    options: argparse.Namespace,
    pixel_format: PixelFormat,
    session: Any,  # noqa: ANN401 - onnxruntime has no types
    target: Path,
) -> None:
    width, height = options.width, options.height
    size = pixel_format.frame_bytes(width, height)
    with (
        options.reference.open("rb") as reference,
        options.distorted.open("rb") as distorted,
        target.open("wb") as masked,
    ):
        for _ in range(options.frames):
            planes = _planes(reference.read(size), pixel_format, width, height)
            others = _planes(distorted.read(size), pixel_format, width, height)
            saliency = _infer(session, _rgb(planes, pixel_format.max_value))
            alpha = np.clip((saliency - _THRESHOLD) / _FADE, 0.0, 1.0)
            luma = planes[0] * (1 - alpha) + others[0] * alpha
            masked.write(np.rint(luma).astype(pixel_format.dtype).tobytes())
            for plane in others[1:]:
                masked.write(plane.tobytes())


def _planes(
    data: bytes, pixel_format: PixelFormat, width: int, height: int
) -> list[NDArray[np.generic]]:
    shapes = pixel_format.plane_shapes(width, height)
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    parts = np.split(np.frombuffer(data, pixel_format.dtype), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _rgb(planes: list[NDArray[np.generic]], largest: int) -> NDArray[np.float32]:
    """Return float32[3, height, width] in [0, 1]: BT.709, limited range, chroma repeated."""
    height, width = planes[0].shape
    scale = np.float32(255 / largest)
    luma, blue, red = (plane.astype(np.float32) * scale for plane in planes)
    if blue.shape != luma.shape:
        blue, red = (
            np.repeat(np.repeat(chroma, 2, axis=0), 2, axis=1)[:height, :width]
            for chroma in (blue, red)
        )
    luma = (luma - 16) * np.float32(255 / 219)
    blue, red = ((chroma - 128) * np.float32(255 / 224) for chroma in (blue, red))
    rgb = (luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue)
    return np.clip(np.stack(rgb) / 255, 0.0, 1.0).astype(np.float32)


def _infer(session: Any, rgb: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401 - as above
    _, height, width = rgb.shape
    padding = ((0, 0), (0, -height % _STRIDE), (0, -width % _STRIDE))
    model_input = np.pad((rgb - _MEAN) / _STD, padding, mode="edge")[None]
    (output,) = session.run(None, {"input": model_input})
    result: NDArray[np.float32] = output[0, 0, :height, :width]
    return result


if __name__ == "__main__":
    sys.exit(main())
