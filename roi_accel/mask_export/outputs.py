"""The files that `mask` makes of a run, each written as its frames come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

from roi_accel._util.files import naming_output
from roi_accel.errors import InputError
from roi_accel.masks.archive import SUFFIX as ARCHIVE_SUFFIX
from roi_accel.masks.source import MaskPlace
from roi_accel.masks.writing import CLIP_SUFFIX, open_mask_writer
from roi_accel.report.contact_sheet import Legend
from roi_accel.results.build import MaskMeter
from roi_accel.run.frame_pipeline import frames_with_masks, masked_frames, require_frame
from roi_accel.video import y4m as videos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from roi_accel._util.files import StagedFiles
    from roi_accel.backends.frame import FrameSet
    from roi_accel.mask_export.run import MaskRun
    from roi_accel.report.contact_sheet import Sheet
    from roi_accel.run.frame_pipeline import Progress

PICTURE_SUFFIX = ".png"
SUFFIXES = (PICTURE_SUFFIX, CLIP_SUFFIX, ARCHIVE_SUFFIX)


def is_picture(path: Path | None) -> bool:
    """Return whether a file of this name holds a picture; False for none."""
    return path is not None and path.suffix.lower() == PICTURE_SUFFIX


def check_suffix(path: Path, known: Sequence[str], *, said_by: str) -> None:
    """Raise InputError where a name does not say what is to be written."""
    if path.suffix.lower() not in known:
        found = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        msg = f"{said_by} {path}: has {found}, which says what is written"
        raise InputError(msg, remedy=f"known are {', '.join(known)}")


def check_picture(output: Path | None, frame: int | None, sheet: object, *, said_by: str) -> None:
    """Raise InputError where a picture's options contradict each other or the file's name.

    Parameters
    ----------
    output : Path or None
    frame : int or None
        The frame to show, from 0.
    sheet : object
        Anything but None asks for several frames.
    said_by : str
        The option or keyword that names `output`.
    """
    if frame is not None and sheet is not None:
        msg = "--frame and --sheet were given; a picture is of one frame or of several"
        raise InputError(msg, remedy="keep one of them")
    shown = "--frame" if frame is not None else "--sheet" if sheet is not None else ""
    if shown and not is_picture(output):
        msg = f"{shown} is for pictures, and none is written"
        remedy = f"name a picture with {said_by}, such as mask{PICTURE_SUFFIX}"
        raise InputError(msg, remedy=remedy)
    if frame is not None and frame < 0:
        msg = f"--frame must be at least 0, not {frame}"
        raise InputError(msg, remedy="leave it out for the middle one")


class FrameSink(ABC):
    """Makes the file at `path` of the frames that it is given; `frames` counts those in it."""

    def __init__(self, path: Path, staged: StagedFiles, run: MaskRun) -> None:
        self._path, self._run, self.frames = path, run, 0
        self._file = staged.open(path)

    def take(self, frames: FrameSet) -> None:
        """Take the next frame."""
        with naming_output(self._path):
            self._write(frames)
        self.frames += 1

    @abstractmethod
    def _write(self, frames: FrameSet) -> None: ...

    @abstractmethod
    def finish(self) -> str:
        """Write what is left, and return what the file holds, for people."""


class MasksFile(FrameSink):
    """The masks as video or archive; `resources` closes it."""

    def __init__(self, path: Path, staged: StagedFiles, run: MaskRun, resources: ExitStack) -> None:
        origin = run.origin()
        super().__init__(path, staged, run)
        place = MaskPlace(first_frame=run.info.skipped, crop=run.inputs.crop)
        with naming_output(path):
            writer = open_mask_writer(
                path, self._file, size=run.source.size, rate=run.rate, place=place, origin=origin
            )
        self._writer = resources.enter_context(writer)

    def _write(self, frames: FrameSet) -> None:
        self._writer.write(frames.masks[0])

    def finish(self) -> str:
        """Write what is left, and return what the file holds, for people."""
        source = self._run.source
        with naming_output(self._path):
            self._writer.finish({"mask": source.provenance()})
        return f"{self.frames} masks of {source.size[1]}x{source.size[0]}, {source.label}"


class MaskedVideo(FrameSink):
    """The masked distorted video."""

    def __init__(self, path: Path, staged: StagedFiles, run: MaskRun) -> None:
        super().__init__(path, staged, run)
        with naming_output(path):
            self._writer = videos.FrameWriter(path, self._file, run.info, rate=run.rate)

    def _write(self, frames: FrameSet) -> None:
        self._writer.write(frames.masked[0][0])

    def finish(self) -> str:
        """Return what the file holds, for people."""
        info = self._run.info
        size = f"{info.width}x{info.height} {info.pixel_format.name}"
        return f"{self.frames} masked frames of {size}"


class Picture(FrameSink):
    """A picture of one frame, or of several on a sheet."""

    def __init__(
        self, path: Path, staged: StagedFiles, run: MaskRun, frame: int | None, sheet: Sheet | None
    ) -> None:
        from roi_accel.report.mask_picture import MaskPicture  # noqa: PLC0415 (an extra)

        super().__init__(path, staged, run)
        self._seen = 0
        if sheet is not None:
            self.wanted = sheet.frames(run.count())
        else:
            self.wanted = (run.count() // 2 if frame is None else frame,)
        plan = run.session.plan
        legend = Legend(info=run.info, rate=run.rate, label=run.source.label, plan=plan)
        self._picture = MaskPicture(legend, sheet)

    def take(self, frames: FrameSet) -> None:
        """Show the frame, if it is wanted."""
        self._seen = frames.index + 1
        if frames.index in self.wanted:
            super().take(frames)

    def _write(self, frames: FrameSet) -> None:
        self._picture.add(frames.index, frames.reference, frames.masks[0])

    def finish(self) -> str:
        """Draw the picture, and return what the file holds, for people."""
        require_frame(self._run, max(self.wanted), self._seen)
        with naming_output(self._path):
            self._file.write(self._picture.png())
        frames = ", ".join(map(str, self.wanted))
        return f"frame{'s' * (len(self.wanted) > 1)} {frames}"


def make_sink(
    path: Path,
    staged: StagedFiles,
    run: MaskRun,
    resources: ExitStack,
    *,
    frame: int | None,
    sheet: Sheet | None,
) -> FrameSink:
    """Return what makes the file of masks, or the picture, that `path` names.

    Parameters
    ----------
    path : Path
    staged : StagedFiles
    run : MaskRun
    resources : ExitStack
        Closes it.
    frame : int or None
        The frame that a picture shows, from 0; None for the middle one.
    sheet : Sheet or None
        Shows several instead.
    """
    if is_picture(path):
        return Picture(path, staged, run, frame, sheet)
    return MasksFile(path, staged, run, resources)


def write_all(
    run: MaskRun, sinks: Sequence[FrameSink], progress: Progress | None
) -> tuple[list[str], list[float]]:
    """Give every sink the run's frames.

    Returns what each file holds, for people, and of each frame the share that is scored, as a
    result's ``alpha_mean``. Raises what `score` would, and OutputError.
    """
    pictures = [sink.wanted for sink in sinks if isinstance(sink, Picture)]
    is_all = len(sinks) > len(pictures)
    measure, alphas = MaskMeter(run.session.plan), []
    if is_all:
        source = masked_frames(run, progress=progress)
    else:
        source = frames_with_masks(run, pictures[0], progress=progress)
    # Closed where a file cannot be written: its threads end before the process does.
    with closing(source) as frames:
        for frame in frames:
            alphas.append(measure(frame.masks[0]).alpha)
            for sink in sinks:
                sink.take(frame)
    return [sink.finish() for sink in sinks], alphas
