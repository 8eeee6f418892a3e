"""What a stream's colour tags mean, and what is assumed of a stream that has none."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from roi_accel.backends.frame import ColourMatrix, ColourRange

if TYPE_CHECKING:
    from collections.abc import Mapping

# The numbers are FFmpeg's AVColorSpace, AVColorRange and AVColorTransferCharacteristic
# (libavutil/pixfmt.h), which are the code points of ITU-T H.273.
MATRICES: Mapping[int, ColourMatrix] = MappingProxyType(
    {
        1: ColourMatrix.BT709,
        4: ColourMatrix.BT601,  # fcc
        5: ColourMatrix.BT601,  # bt470bg
        6: ColourMatrix.BT601,  # smpte170m
        9: ColourMatrix.BT2020,  # bt2020nc
        10: ColourMatrix.BT2020,  # bt2020c
    }
)
UNSPECIFIED_MATRICES = frozenset({2, 3})
"""Unspecified, and reserved."""

OTHER_MATRICES: Mapping[int, str] = MappingProxyType(
    {
        0: "gbr",
        7: "smpte240m",
        8: "ycgco",
        11: "smpte2085",
        12: "chroma-derived-nc",
        13: "chroma-derived-c",
        14: "ictcp",
        15: "ipt-c2",
        16: "ycgco-re",
        17: "ycgco-ro",
    }
)
"""Those that no backend computes, by FFmpeg's name."""

RANGES: Mapping[int, ColourRange] = MappingProxyType({1: ColourRange.LIMITED, 2: ColourRange.FULL})
TRANSFERS: Mapping[int, str] = MappingProxyType(
    {
        1: "bt709",
        4: "bt470m",
        5: "bt470bg",
        6: "smpte170m",
        7: "smpte240m",
        8: "linear",
        9: "log100",
        10: "log316",
        11: "iec61966-2-4",
        12: "bt1361e",
        13: "iec61966-2-1",
        14: "bt2020-10",
        15: "bt2020-12",
        16: "smpte2084",
        17: "smpte428",
        18: "arib-std-b67",
    }
)

HDR_TRANSFERS: Mapping[str, str] = MappingProxyType({"smpte2084": "PQ", "arib-std-b67": "HLG"})
"""The transfers of high dynamic range (ITU-R BT.2100), by FFmpeg's name."""

# mpv's rule (mp_csp_guess_colorspace) and common FFmpeg practice for streams that declare nothing:
# high definition is BT.709, all else BT.601. BT.2020 is never assumed.
_HD_WIDTH = 1280
_HD_HEIGHT = 720


def assumed_matrix(width: int, height: int) -> ColourMatrix:
    """Return the matrix taken for a stream that declares none (mpv's rule, by the frame size)."""
    if width >= _HD_WIDTH or height >= _HD_HEIGHT:
        return ColourMatrix.BT709
    return ColourMatrix.BT601
