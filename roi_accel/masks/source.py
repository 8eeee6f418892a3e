"""What a mask source promises, so that the pipeline never asks where a mask comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from roi_accel.backends.protocol import Mask

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.origin import MaskOrigin
    from roi_accel.video import Rectangle

__all__ = ["Mask", "MaskSource"]


class MaskSource(Protocol):
    """Where the masks of one run come from: a constant, boxes, a file, or a network.

    A class that names this protocol as its base inherits `covers`, `origin`, `warnings`,
    `finish` and `close`, which most sources leave as they are.

    Attributes
    ----------
    label : str
        What the result's ``saliency_model`` key says, such as ``synthetic`` or ``mask:face.png``.
    size : (int, int)
        (height, width) of every mask, in mask samples.
    region_names : tuple of str
        Named regions, each scored on its own beside the union; empty when there are none.
    covers : Rectangle or None
        The part of the frame that the masks cover, where they were made for a cropped one; None
        where they cover all of it.
    origin : MaskOrigin or None
        What made the masks, where they come from a file that says it.
    warnings : tuple of str
        What the user should know that is not an error, one line each; may grow as frames are read.
    """

    label: str
    size: tuple[int, int]
    region_names: tuple[str, ...]
    covers: Rectangle | None = None
    origin: MaskOrigin | None = None
    warnings: tuple[str, ...] = ()

    def batch(self, session: Session) -> int:
        """Return how many frames to `look` at before their masks are asked for; asked once."""
        del session
        return 1

    def look(self, index: int, reference: Frame, session: Session) -> None:
        """Take in frame `index` of a full batch, all of which are passed here before `masks`.

        Parameters
        ----------
        index : int
        reference : Frame
        session : Session
            As `masks` takes them.
        """
        del index, reference, session

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the masks of one frame: the union first, then one per region name, in order.

        Parameters
        ----------
        index : int
            0, 1, 2, ... in order: a source may read a stream that cannot go back.
        reference : Frame
            The reference frame at `index`.
        session : Session
            The backend's session, for a source that computes its mask from the frame.

        Returns
        -------
        tuple of uint16[height, width]
            Read-only, 0..65535 for saliency 0..1, of the shape in `size`. A mask that did not
            change since the last frame is the same object, so that a backend may keep its alpha.

        Raises
        ------
        InputError
            The source ends before this frame, or holds something that is not a mask.
        """
        ...

    def provenance(self) -> dict[str, object]:
        """Return the facts that the result records about this source; strict JSON."""
        ...

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Check the source against the clip once the last frame is scored; may add `warnings`.

        Parameters
        ----------
        frame_count : int
            How many frames were scored.
        whole : bool
            False when the run was cut short on purpose (``--frame-count``, ``--shortest``), so
            that a source with frames left over is not a mistake.

        Raises
        ------
        InputError
            `whole`, and the source goes on; or its file changed during the run.
        """
        del frame_count, whole

    def close(self) -> None:
        """Release files and decoders; harmless when repeated."""
        return
