"""Reading video files into frames: raw planar YUV, Y4M, and every container FFmpeg decodes."""

from roi_accel.video.info import (
    MAX_SIDE,
    RawGeometry,
    VideoInfo,
    VideoReader,
    check_same_geometry,
    check_scorable,
)
from roi_accel.video.opening import open_video

__all__ = [
    "MAX_SIDE",
    "RawGeometry",
    "VideoInfo",
    "VideoReader",
    "check_same_geometry",
    "check_scorable",
    "open_video",
]
