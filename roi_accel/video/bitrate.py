"""How many bits per second a compressed video takes: its video stream's own, without decoding it.

Sound and a container's overhead are left out, since they say nothing about the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.video.decoding import demuxed, opened
from roi_accel.video.opening import CONTAINER_SUFFIXES, is_container
from roi_accel.video.source import SourceFile
from roi_accel.video.y4m import MAGIC

if TYPE_CHECKING:
    import os
    from fractions import Fraction

_BITS = 8


def bitrate_of(
    path: str | os.PathLike[str],
    *,
    frames: int | None = None,
    frame_rate: Fraction | float | None = None,
) -> float | None:
    """Return the bits per second of a file's first video stream.

    That is the size of all its packets over its duration, frames by frame rate. The whole file is
    read, and nothing is decoded.

    Parameters
    ----------
    path : str or os.PathLike
    frames : int, optional
        How many frames the whole file has, of which perhaps not all were scored. Default: as many
        as packets are shown, which is wrong only where a packet holds a field.
    frame_rate : fractions.Fraction or float, optional
        Frames per second. Default: the stream's own average, which an elementary stream may not
        have, or not truly; the reference's is then the one to give.

    Returns
    -------
    float or None
        None for what is not compressed, raw video and Y4M, and for a stream without a frame rate.

    Raises
    ------
    InputError
        The file cannot be read, is cut off, or has no video stream.
    """
    source = SourceFile.examine(path)
    suffix = source.path.suffix.lower()
    head = source.head()
    if head.startswith(MAGIC) or not is_container(head, suffix):
        return None
    with opened(source, suffix if suffix in CONTAINER_SUFFIXES else "") as (container, stream):
        sizes, count = 0, 0
        for packet in demuxed(container, stream, source.path):
            sizes += packet.size
            count += not packet.is_discard
        rate = frame_rate or stream.average_rate or stream.guessed_rate
    frames = count if frames is None else frames
    if frames < 1 or sizes < 1:
        msg = f"{printable(source.path)}: has a video stream without a single frame"
        raise InputError(msg, remedy="copy or encode the file again")
    return float(sizes * _BITS * rate / frames) if rate else None
