"""The small videos, masks and lists that `compare_behaviour.py` gives to every command.

They are made without roi-accel, since both of its versions must get the same bytes.
"""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, FRAMES, RATE = 96, 64, 8, 25
LADDER_QUALITIES = (24, 30, 36, 42)

Plane = npt.NDArray[np.uint16]


def write_inputs(folder: Path) -> None:
    """Write every input file of the case table into an empty folder."""
    (folder / "tools").mkdir(parents=True)
    (folder / "encodes").mkdir()
    _write_tools(folder / "tools")
    _write_raw_video(folder)
    _write_encoded_video(folder)
    _write_damaged_video(folder)
    _write_masks(folder)
    _write_tracks(folder)
    _write_networks(folder)
    _write_manifests(folder)


def picture(number: int, *, bits: int = 8, chroma: tuple[int, int] = (2, 2)) -> list[Plane]:
    """Return the planes of one frame of moving waves; `chroma` is the subsampling of x and y."""
    half, planes = (2**bits - 1) / 2, []
    for plane, (across, down) in enumerate([(1, 1), chroma, chroma]):
        y, x = np.mgrid[: HEIGHT // down, : WIDTH // across]
        waves = np.sin(x / 5 + plane + number / 3) * np.cos(y / 7 + plane) + np.sin(x * y / 150)
        waves += 0.3 * np.sin((x - y) / 2 + plane - number / 3)
        planes.append((half + 0.4 * half * waves).astype(np.uint16))
    return planes


def video(
    *, bits: int = 8, chroma: tuple[int, int] = (2, 2), step: int = 1, bars: int = 0, frames: int
) -> list[bytes]:
    """Return frames as planar bytes; `step` coarsens samples, `bars` rows are black at each end."""
    coarse, result = step << (bits - 8), []
    for number in range(frames):
        planes = [plane // coarse * coarse for plane in picture(number, bits=bits, chroma=chroma)]
        if bars:
            for plane, black, rows in zip(
                planes, (16, 128, 128), (bars, bars // 2, bars // 2), strict=True
            ):
                plane[:rows] = plane[-rows:] = black
        kind = np.uint8 if bits == 8 else np.dtype("<u2")  # noqa: PLR2004 - a byte
        result.append(b"".join(plane.astype(kind).tobytes() for plane in planes))
    return result


def y4m(frames: list[bytes], *, interlace: str = "p") -> bytes:
    """Return 8-bit 4:2:0 frames as Y4M."""
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 I{interlace} A1:1 C420jpeg\n".encode()
    return header + b"".join(b"FRAME\n" + frame for frame in frames)


def ffmpeg(folder: Path, *arguments: str) -> None:
    """Run the ffmpeg that comes with imageio-ffmpeg in a folder."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*command, *arguments], cwd=folder, check=True)  # noqa: S603 - our own arguments


def _write_tools(folder: Path) -> None:
    """Write an ffmpeg under a short name, one that fails, and a file that is not a program."""
    (folder / "ffmpeg").write_text(f'#!/bin/sh\nexec "{imageio_ffmpeg.get_ffmpeg_exe()}" "$@"\n')
    (folder / "fails").write_text("#!/bin/sh\necho it does not work >&2\nexit 9\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    (folder / "text").write_text("not a program\n")


def _write_raw_video(folder: Path) -> None:
    for name, step in (("ref", 1), ("dist", 12)):
        whole = video(step=step, frames=FRAMES)
        (folder / f"{name}.yuv").write_bytes(b"".join(whole))
        (folder / f"{name}.y4m").write_bytes(y4m(whole))
        ten = video(bits=10, step=step, frames=FRAMES)
        (folder / f"{name}10.yuv").write_bytes(b"".join(ten))
        wide = video(bits=16, chroma=(2, 1), step=step, frames=FRAMES)
        (folder / f"{name}422p16.yuv").write_bytes(b"".join(wide))
        full = video(chroma=(1, 1), step=step, frames=FRAMES)
        (folder / f"{name}444.yuv").write_bytes(b"".join(full))
        (folder / f"{name}-bars.y4m").write_bytes(y4m(video(step=step, bars=8, frames=FRAMES)))
    coarse = video(step=12, frames=FRAMES)
    (folder / "short.y4m").write_bytes(y4m(coarse[:5]))
    (folder / "late.y4m").write_bytes(y4m([coarse[0], *coarse[:-1]]))


def _write_encoded_video(folder: Path) -> None:
    ffmpeg(folder, "-i", "ref.y4m", "-c:v", "libx264", "-crf", "10", "ref.mp4")
    ffmpeg(folder, "-i", "ref.y4m", "-c:v", "ffv1", "ref.mkv")
    for quality in LADDER_QUALITIES:
        encoder = ["-c:v", "libx264", "-crf", str(quality)]
        ffmpeg(folder, "-i", "ref.y4m", *encoder, f"encodes/x264-{quality}.mp4")
        encoder = ["-c:v", "mpeg4", "-q:v", str(quality // 3 - 4)]
        ffmpeg(folder, "-i", "ref.y4m", *encoder, f"encodes/mpeg4-{quality}.mp4")
    (folder / "dist.mp4").write_bytes((folder / "encodes/x264-30.mp4").read_bytes())
    ffmpeg(folder, "-i", "dist.mp4", "-c:v", "ffv1", "dist.mkv")
    scale = ["-vf", "scale=48:32:flags=bicubic", "-c:v", "libx264", "-crf", "20"]
    ffmpeg(folder, "-i", "ref.y4m", *scale, "small.mp4")
    for name in ("ref", "dist"):
        packed = ["-c:v", "rawvideo", "-pix_fmt", "yuyv422", f"{name}-packed.avi"]
        ffmpeg(folder, "-i", f"{name}.y4m", *packed)
    ffmpeg(folder, "-i", "ref.y4m", "-c:v", "ffv1", "-pix_fmt", "gbrp", "rgb.mkv")
    ffmpeg(folder, "-i", "ref.y4m", "-c:v", "ffv1", "-r", "30", "fast.mkv")
    hdr = ["-c:v", "ffv1", "-pix_fmt", "yuv420p10le", "-color_trc", "smpte2084"]
    ffmpeg(folder, "-i", "ref.y4m", *hdr, "hdr.mkv")


def _write_damaged_video(folder: Path) -> None:
    whole = (folder / "dist.y4m").read_bytes()
    (folder / "cut.y4m").write_bytes(whole[:-1000])
    (folder / "header.y4m").write_bytes(whole[: whole.index(b"\n") + 1])
    (folder / "odd.y4m").write_bytes(whole.replace(b"W96", b"W-9", 1))
    (folder / "interlaced.y4m").write_bytes(y4m(video(frames=FRAMES), interlace="t"))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video\n" * 50)
    encoded = (folder / "dist.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(encoded[: len(encoded) // 2])
    (folder / "odd.yuv").write_bytes((folder / "dist.yuv").read_bytes()[:-7])


def _write_masks(folder: Path) -> None:
    y, x = np.mgrid[:16, :24]
    ramp = (65535 * (x + y) / (x + y).max()).astype(np.uint16)
    masks = np.stack([np.roll(ramp, 2 * number, axis=1) for number in range(FRAMES)])
    np.savez_compressed(folder / "masks.npz", masks=masks)
    np.savez_compressed(folder / "short.npz", masks=masks[:5])
    np.savez_compressed(folder / "floats.npz", masks=masks / np.float32(65535))
    np.savez_compressed(folder / "unnamed.npz", other=masks)
    np.savez_compressed(folder / "slim.npz", masks=masks[:, :, :10])
    (folder / "cut.npz").write_bytes((folder / "masks.npz").read_bytes()[:-200])
    (folder / "masks.raw").write_bytes(masks.astype("<u2").tobytes())
    raw = ["-f", "rawvideo", "-pixel_format", "gray16le", "-video_size", "24x16"]
    read = [*raw, "-framerate", str(RATE), "-i", "masks.raw"]
    ffmpeg(folder, *read, "-c:v", "ffv1", "-pix_fmt", "gray16le", "masks.mkv")
    ffmpeg(folder, *read, "-pix_fmt", "gray", "masks.y4m")
    ffmpeg(folder, *read, "-frames:v", "1", "-pix_fmt", "gray16be", "mask.png")
    ffmpeg(folder, *read, "-frames:v", "1", "-vf", "crop=8:16", "-pix_fmt", "gray", "narrow.png")
    ffmpeg(folder, "-i", "ref.y4m", "-frames:v", "1", "-pix_fmt", "rgb24", "colour.png")
    (folder / "masks.raw").unlink()


def _write_tracks(folder: Path) -> None:
    boxes = [
        {"frame": frame, "x": 10 + 2 * frame, "y": 8.5, "w": 30, "h": 24, "name": "face"}
        for frame in range(FRAMES - 1)
    ]
    boxes.append({"frame": 2, "x": 60, "y": 30, "w": 60, "h": 20, "name": "logo"})
    _write_csv(folder / "track.csv", boxes)
    (folder / "track.json").write_text(json.dumps({"boxes": boxes}))
    _write_csv(folder / "nan-track.csv", [{**boxes[0], "x": "nan"}])
    _write_csv(folder / "column-track.csv", [{**boxes[0], "colour": "red"}])
    _write_csv(folder / "outside-track.csv", [{**boxes[0], "x": 500}])
    (folder / "broken-track.json").write_text('[{"frame": 0, "x": 1,')


def _write_networks(folder: Path) -> None:
    """Copy the built-in network, as one of the user's own, and damage it."""
    network = next((ROOT / "roi_accel").rglob("center_surround.onnx")).read_bytes()
    (folder / "network.onnx").write_bytes(network)
    (folder / "cut.onnx").write_bytes(network[: len(network) // 2])
    (folder / "text.onnx").write_text("not a network\n")
    (folder / "calibration.toml").write_text("[saliency]\nunknown = 1\n")
    (folder / "broken.toml").write_text("this is = = not TOML\n")


def _write_manifests(folder: Path) -> None:
    pair = {"reference": "ref.mp4", "distorted": "dist.mp4"}
    rows = [
        {**pair, "weight": "0.25", "ladder": "x264", "roi": "face=8,8,32,32"},
        {"reference": "ref.y4m", "distorted": "dist.y4m", "weight": "", "ladder": "", "roi": ""},
        {"reference": "ref.mkv", "distorted": "dist.mkv", "weight": "", "ladder": "b", "roi": ""},
    ]
    _write_csv(folder / "pairs.csv", rows)
    lines: list[dict[str, object]] = [
        {
            "reference": "ref.mp4",
            "distorted": ["dist.mp4", "encodes/x264-36.mp4"],
            "threshold": 0.4,
        },
        {"reference": "ref.y4m", "distorted": "dist.y4m", "mask": "mask.png", "subsample": 2},
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "defaults.json").write_text(json.dumps({"weight": 0.75, "frame_count": 3}))
    bad: list[dict[str, object]] = [
        {"reference": "ref.y4m", "distorted": "absent.mp4"},
        {"reference": "ref.y4m", "distorted": "dist.y4m", "frame_count": 2},
        {"reference": "ref.y4m", "distorted": "dist.y4m", "weight": 7},
        {"reference": "ref.y4m", "distorted": "dist.y4m", "weigth": 0.5},
        {"reference": "ref.y4m", "distorted": "short.y4m"},
        {"reference": "ref.y4m", "distorted": "dist.y4m", "saliency_model": "cut.onnx"},
        {"reference": "ref.y4m"},
    ]
    (folder / "bad-rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bad))
    _write_csv(folder / "unknown-column.csv", [{**pair, "colour": "red"}])
    _write_csv(folder / "output-column.csv", [{**pair, "output": "x.json"}])
    (folder / "open-quote.csv").write_text('reference,distorted\n"ref.mp4,dist.mp4\n')
    (folder / "broken-line.jsonl").write_text('{"reference": "ref.y4m", \n')
    (folder / "list.json").write_text("[1, 2]")
    (folder / "unknown-defaults.json").write_text('{"colour": "red"}')
    ladders = [
        {"reference": "ref.mp4", "distorted": f"encodes/{codec}-{quality}.mp4", "ladder": codec}
        for codec in ("x264", "mpeg4")
        for quality in LADDER_QUALITIES
    ]
    _write_csv(folder / "ladders.csv", ladders)
    (folder / "broken.ndjson").write_text('{"schema_version": 1}\nnot JSON\n')


def _write_csv(path: Path, rows: list[dict[str, object]] | list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
