"""Where masks come from: constants, boxes, tracks, pictures, clips, and the saliency network."""

from roi_accel.masks.factory import open_mask_source
from roi_accel.masks.source import CroppedSource, Mask, MaskSource

__all__ = ["CroppedSource", "Mask", "MaskSource", "open_mask_source"]
