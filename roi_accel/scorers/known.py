"""Names that libvmaf knows, to guess from where it says that it does not know one.

Never asked whether a name may be used: a scorer of another version knows others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roi_accel.scorers.options import VmafFeature, VmafModel

VERSIONS: tuple[str, ...] = (
    "vmaf_v0.6.1",
    "vmaf_v0.6.1neg",
    "vmaf_b_v0.6.3",
    "vmaf_4k_v0.6.1",
    "vmaf_4k_v0.6.1neg",
    "vmaf_float_v0.6.1",
    "vmaf_float_v0.6.1neg",
    "vmaf_float_b_v0.6.3",
    "vmaf_float_4k_v0.6.1",
    "vmaf_v1.0.16_1d5h_2160",
    "vmaf_v1.0.16_3d0h",
    "vmaf_v1.0.16_3d0h_2160",
    "vmaf_v1.0.16_5d0h",
    "vmaf_v1.0.16_hfr_1d5h_2160",
    "vmaf_v1.0.16_hfr_3d0h",
    "vmaf_v1.0.16_hfr_3d0h_2160",
    "vmaf_v1.0.16_hfr_5d0h",
)
"""Built-in models of the libvmaf in imageio-ffmpeg's ffmpeg."""

FEATURES: tuple[str, ...] = (
    "adm",
    "cambi",
    "ciede",
    "float_adm",
    "float_ansnr",
    "float_moment",
    "float_motion",
    "float_ms_ssim",
    "float_psnr",
    "float_ssim",
    "float_vif",
    "motion",
    "psnr",
    "psnr_hvs",
    "vif",
)
"""Its feature extractors (libvmaf/src/feature/feature_extractor.c)."""


def guess_names(models: Iterable[VmafModel], features: Iterable[VmafFeature]) -> str:
    """Return what the names that libvmaf does not know are likely meant to be, else ``""``."""
    asked = [(model.version, VERSIONS) for model in models if model.version]
    asked += [(feature.name, FEATURES) for feature in features]
    return "".join(did_you_mean(name, known) for name, known in asked if name not in known)
