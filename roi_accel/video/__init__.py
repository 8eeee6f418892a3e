"""Reading video files into frames: raw planar YUV, Y4M, and every container FFmpeg decodes."""

from roi_accel.video.info import (
    MAX_SIDE,
    RawGeometry,
    VideoInfo,
    check_same_geometry,
    check_scorable,
)
from roi_accel.video.opening import open_video
from roi_accel.video.reader import CroppedReader, SkippingReader, VideoReader
from roi_accel.video.rectangle import BarFinder, Rectangle
from roi_accel.video.scaling import ScaledReader

__all__ = [
    "MAX_SIDE",
    "BarFinder",
    "CroppedReader",
    "RawGeometry",
    "Rectangle",
    "ScaledReader",
    "SkippingReader",
    "VideoInfo",
    "VideoReader",
    "check_same_geometry",
    "check_scorable",
    "open_video",
]
