"""Planar frames in plain bytes: reading one from a stream, and the check of its samples' depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roi_accel._util.text import printable
from roi_accel.backends.frame import Frame
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from io import BufferedReader, FileIO
    from pathlib import Path

    from roi_accel.video.info import VideoInfo

PLANE_NAMES = ("Y", "U", "V")


def read_planar(stream: FileIO | BufferedReader, info: VideoInfo, index: int) -> Frame:
    """Read one frame of unpadded planes into a buffer of its own.

    The bytes are copied once, from the page cache, and not mapped: if a file shrinks under a
    mapping, touching it kills the process with SIGBUS, while a short read is an error that can be
    reported. The copy takes about 0.4 ms for a 1080p 10-bit frame. A buffer per frame keeps a
    frame valid for as long as someone holds it, and memory flat once they let go.

    Parameters
    ----------
    stream : binary stream
        At the frame's first byte.
    info : VideoInfo
        With the frame's size and pixel format.
    index : int
        The frame's number from 0, for the message.

    Raises
    ------
    InputError
        If the stream ends within the frame, with the number of missing bytes.
    """
    path, pixel_format = info.path, info.pixel_format
    wanted = pixel_format.frame_bytes(info.width, info.height)
    buffer = np.empty(wanted, np.uint8)
    view = buffer.data
    filled = 0
    while filled < wanted:
        try:
            got = stream.readinto(view[filled:])
        except OSError as error:
            raise unreadable(printable(path), error) from error
        if not got:
            raise truncated(path, index, wanted - filled, wanted)  # guard: short-read
        filled += got
    buffer.flags.writeable = False
    samples = buffer.view(pixel_format.dtype)
    (luma, chroma, _) = pixel_format.plane_shapes(info.width, info.height)
    first = luma[0] * luma[1]
    second = first + chroma[0] * chroma[1]
    return Frame(
        (
            samples[:first].reshape(luma),
            samples[first:second].reshape(chroma),
            samples[second:].reshape(chroma),
        ),
        pixel_format,
    )


def truncated(path: Path, index: int, missing: int, wanted: int) -> InputError:
    """Return the error for a file that ends within frame `index`, `missing` bytes too early."""
    msg = f"{printable(path)}: frame {index} is truncated: {missing} of its {wanted} bytes are missing"
    return InputError(msg, remedy="copy or encode the file again")


def check_depth(frame: Frame, path: Path, index: int) -> None:
    """Refuse a frame that holds a sample above its bit depth; nothing is ever masked off.

    A bitwise OR over a plane exceeds ``2**bit_depth - 1`` exactly if one of its samples does, and
    is as fast as a maximum on whole planes (0.1 ms at 1080p) and faster on padded ones.

    Raises
    ------
    InputError
        Naming frame, plane, position and value of the first such sample.
    """
    pixel_format = frame.pixel_format
    if pixel_format.max_value == np.iinfo(pixel_format.dtype).max:
        return
    for name, plane in zip(PLANE_NAMES, frame.planes, strict=True):
        if int(np.bitwise_or.reduce(plane, axis=None)) <= pixel_format.max_value:
            continue
        y, x = (int(i) for i in np.argwhere(plane > pixel_format.max_value)[0])
        msg = (
            f"{printable(path)}: frame {index} holds {int(plane[y, x])} in plane {name} at "
            f"x={x}, y={y}; {pixel_format.bit_depth}-bit samples end at {pixel_format.max_value}"
        )
        raise InputError(
            msg, remedy="check the bit depth, and that samples are little-endian in the low bits"
        )
