"""The frames of one instant on their way through a run: read, then masked, then scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask


@dataclass(frozen=True)
class FrameSet:
    """One frame of each video, with what is known of it so far.

    Attributes
    ----------
    index : int
        0-based, as in a result's ``frames``.
    is_last : bool
        Whether no frame follows.
    reference : Frame
    distorted : tuple of Frame
        One per distorted video.
    masks : tuple of uint16[mask_height, mask_width]
        0..65535 for saliency 0..1: the union's first, then one per named region. Empty before the
        masks are known.
    masked : tuple of tuple of Frame
        Per distorted video, its masked frames in the order of `masks`. Empty before substitution,
        and where the scorer needs none.
    """

    index: int
    is_last: bool
    reference: Frame
    distorted: tuple[Frame, ...]
    masks: tuple[Mask, ...] = ()
    masked: tuple[tuple[Frame, ...], ...] = ()
