"""From the files to the frames that are scored: skipped, scaled and cropped, in this order.

All that comes after, masks, gate, backends and VMAF, sees only what the readers made here give.
The videos are read side by side: one frame of each at a time, and none has more than another.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from roi_accel._util.prefetch import prefetch
from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks import CroppedSource
from roi_accel.options import AUTO_CROP
from roi_accel.video import (
    BarFinder,
    CroppedReader,
    ScaledReader,
    SkippingReader,
    check_same_geometry,
)
from roi_accel.video.scaling import DEFAULT_KERNEL, scaling_facts
from roi_accel.video.time_range import frames_within, rates_differ

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import Frame
    from roi_accel.masks import MaskSource
    from roi_accel.options import ScoreOptions
    from roi_accel.video import Rectangle, VideoInfo, VideoReader

_REMEDY = "check that both are the same cut, or score the common part with --shortest"
_RATE_REMEDY = "encode it at the reference's rate: frames are compared by their order"

_STRETCH = Fraction(1, 100)
"""How much a picture's shape may change; by a pixel of its height it always may, by rounding."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is read, and how it came out of the files.

    Attributes
    ----------
    readers : sequence of VideoReader
        The reference's frames as they are scored, then those of the distorted videos.
    file : VideoInfo
        The reference as its file has it: what boxes and mask files refer to.
    whole_size : (int, int)
        Width and height of the frames before cropping.
    frame_count, duration_frames : int or None
        Stop after so many frames; how many of them ``--duration`` asked for.
    scaling : mapping or None
        How frames were scaled, for ``provenance``; None where none were.
    warnings : sequence of tuple of str
        For each distorted video, what the reader of its score should know of it.
    notes : tuple of str
        Those of them that are about the reference alone.
    """

    readers: Sequence[VideoReader]
    file: VideoInfo
    whole_size: tuple[int, int]
    frame_count: int | None
    duration_frames: int | None
    scaling: Mapping[str, str] | None
    warnings: Sequence[tuple[str, ...]] = field(default=())
    notes: tuple[str, ...] = ()

    @property
    def crop(self) -> Rectangle | None:
        """The part of the frames that is scored, None for the whole."""
        return self.readers[0].info.crop

    def masks_of(self, source: MaskSource) -> MaskSource:
        """Return `source`, which was made for `file`, for the frames that are scored.

        InputError if it has masks of another part of the frames than the one that is scored.
        """
        if source.covers is not None:
            if source.covers != self.crop:  # guard: mask-crop
                source.close()
                scored = f"--crop {self.crop}" if self.crop else "the whole frame"
                msg = f"{source.label} has masks of --crop {source.covers} alone, not of {scored}"
                raise InputError(msg, remedy=f"--crop {source.covers}, or other masks")
            return source
        if self.crop is None:
            return source
        width, height = self.whole_size
        return CroppedSource(source, width=width, height=height, rectangle=self.crop)

    def shortfall(self, frames: int) -> tuple[str, ...]:
        """Return a line if the videos ended before ``--duration`` did, after `frames` frames."""
        if self.duration_frames is None or frames >= (self.frame_count or 0):
            return ()
        asked = f"--duration asks for {self.duration_frames} frames"
        return (f"{asked}, but there are only {frames} frames",)


def prepare_inputs(opened: Sequence[VideoReader], options: ScoreOptions) -> Inputs:
    """Return what the options make of the opened files, which stay the caller's to close.

    Seconds count from the frames that are left after ``--frame-skip-ref`` and
    ``--frame-skip-dist``, at the reference's frame rate. The rectangle of ``--crop`` is in pixels
    of the scaled frame.

    Raises
    ------
    InputError
        An option does not fit these videos; with ``--crop auto``, also what reading the reference
        may raise.
    """
    file = opened[0].info
    if rates_differ(file.frame_rate, options.fps):
        rates = f"{float(file.frame_rate or 0):.6g} fps, but --fps is {float(options.fps or 0):.6g}"
        msg = f"{printable(file.path)}: declares {rates}"
        raise InputError(msg, remedy="leave --fps out; it is for raw video")
    first, count = 0, None
    if options.start is not None or options.duration is not None:
        option = "--start" if options.start is not None else "--duration"
        rate = frame_rate(file, options, option)
        first, count = frames_within(options.start, options.duration, rate)
    limits = [limit for limit in (count, options.frame_count) if limit is not None]
    frame_count = min(limits) if limits else None
    skips = [options.frame_skip_ref, *[options.frame_skip_dist] * (len(opened) - 1)]
    readers = [
        _skipped(reader, skip, first, "dist" if number else "ref")
        for number, (reader, skip) in enumerate(zip(opened, skips, strict=True))
    ]
    readers = _scaled(readers, options)
    is_scaled = any(reader.info.scaled_from for reader in readers)
    whole = readers[0].info
    warnings = [_stretched(reader.info) for reader in readers]
    for reader in readers[1:]:
        check_same_geometry(whole, reader.info)  # guard: size-differs
    notes: tuple[str, ...] = warnings[0]
    if options.crop == AUTO_CROP:
        rectangle, cropped = _picture_of(readers[0], frame_count)
        notes += cropped
    else:
        rectangle = options.crop
    if rectangle is not None:
        readers = [CroppedReader(reader, rectangle) for reader in readers]
    return Inputs(
        readers=readers,
        file=file,
        whole_size=(whole.width, whole.height),
        frame_count=frame_count,
        duration_frames=count,
        scaling=scaling_facts(options.scale or DEFAULT_KERNEL) if is_scaled else None,
        warnings=[notes + lines for lines in warnings[1:]],
        notes=notes,
    )


def frame_rate(file: VideoInfo, options: ScoreOptions, option: str) -> Fraction:
    """Return the reference's frames per second, which `option` needs; InputError if unknown."""
    rate = file.frame_rate or options.fps
    if rate is None:
        msg = f"{printable(file.path)}: does not declare its frame rate, which {option} needs"
        raise InputError(msg, remedy="add it, such as --fps 25")
    return rate


def _skipped(reader: VideoReader, skip: int, first: int, which: str) -> VideoReader:
    if not skip + first:
        return reader
    reasons = [f"--frame-skip-{which} {skip}"] * bool(skip) + ["--start"] * bool(first)
    return SkippingReader(reader, skip + first, " with ".join(reasons))


def _scaled(readers: Sequence[VideoReader], options: ScoreOptions) -> list[VideoReader]:
    """Return the readers at one size, where the options say so."""
    info = readers[0].info
    if options.scale_to is not None:
        width, height = options.scale_to.for_frame(info.width, info.height)
    elif options.scale is not None:
        width, height = info.width, info.height
    else:
        return list(readers)
    kernel = options.scale or DEFAULT_KERNEL
    return [
        reader
        if (reader.info.width, reader.info.height) == (width, height)
        else ScaledReader(reader, width=width, height=height, kernel=kernel)
        for reader in readers
    ]


def _stretched(info: VideoInfo) -> tuple[str, ...]:
    """Say so where scaling changed the picture's shape."""
    if info.scaled_from is None:
        return ()
    width, height = info.scaled_from
    expected = Fraction(width * info.height, info.width)
    if abs(expected - height) <= max(Fraction(1), _STRETCH * height):
        return ()
    sizes = f"was {width}x{height} and is stretched to {info.width}x{info.height}, another shape"
    hint = "if its black bars are cut off, cut the reference's off too"
    return (f"{printable(info.path)} {sizes}; {hint}",)


def _picture_of(
    reference: VideoReader, frame_count: int | None
) -> tuple[Rectangle | None, tuple[str, ...]]:
    """Read the reference once for its bars; return what is within them, and a line that says so.

    Every frame is read: a rectangle from a few of them could cut off what others show.
    """
    info = reference.info
    finder = BarFinder(info)
    frames: Iterator[Frame] = iter(reference)
    with closing(frames):  # type: ignore[type-var]  # readers' iterators are generators
        for frame in islice(frames, frame_count):
            finder.look(frame)
    picture = finder.picture
    if picture is None:
        msg = f"{printable(info.path)}: is entirely black, so --crop auto finds no picture in it"
        raise InputError(msg, remedy="leave --crop out, or give the rectangle as W:H:X:Y")
    picture = picture.aligned(info.pixel_format, info.width, info.height)
    if (picture.width, picture.height) == (info.width, info.height):
        return None, ()
    return picture, (
        f"--crop auto left out black bars: {picture} of {info.width}x{info.height} is scored",
    )


def check_known_counts(readers: Sequence[VideoReader]) -> None:
    """Raise InputError if the files' sizes alone show that their lengths differ."""
    reference = readers[0].info
    for reader in readers[1:]:
        counts = reference.frame_count, reader.info.frame_count
        if None not in counts and counts[0] != counts[1]:
            raise _unequal(readers[0], counts[0] or 0, reader, counts[1] or 0)


def synced_frames(
    readers: Sequence[VideoReader],
    *,
    frame_count: int | None,
    shortest: bool,
    stopwatch: Stopwatch,
    depth: int = 2,
) -> Generator[tuple[Frame, ...], None, None]:
    """Yield one frame of each reader at a time, the reference's first.

    Each video is decoded by a thread of its own, which has ended when the generator has.

    Parameters
    ----------
    readers : sequence of VideoReader
        The reference, then the distorted videos.
    frame_count : int or None
        Stop after so many frames.
    shortest : bool
        Stop where the shortest video ends; otherwise unequal lengths are an InputError with all of
        them.
    stopwatch : Stopwatch
        Counts the stage ``decode``.
    depth : int
        Frames of each video that may wait.
    """
    with ExitStack() as threads:
        iterators = [
            threads.enter_context(
                closing(
                    prefetch(
                        stopwatch.timed("decode", reader),
                        depth,
                        name=f"decode {_role(number)}",
                        watch=stopwatch.level(f"decoded {_role(number)}"),
                    )
                )
            )
            for number, reader in enumerate(readers)
        ]
        count = 0
        while frame_count is None or count < frame_count:
            frames = [next(iterator, None) for iterator in iterators]
            present = tuple(frame for frame in frames if frame is not None)
            if len(present) < len(frames):
                if present and not shortest:  # guard: unequal-lengths
                    _raise_unequal(readers, iterators, frames, count)
                return
            yield present
            count += 1


def _role(number: int) -> str:
    return f"distorted {number}" if number else "reference"


def _raise_unequal(
    readers: Sequence[VideoReader],
    iterators: Sequence[Iterator[Frame]],
    frames: Sequence[Frame | None],
    count: int,
) -> None:
    """Decode the longer videos to their ends, so that the error can name every length."""
    totals = [
        count if frame is None else count + 1 + sum(1 for _ in iterator)
        for frame, iterator in zip(frames, iterators, strict=True)
    ]
    for reader, total in zip(readers[1:], totals[1:], strict=True):
        if total != totals[0]:
            raise _unequal(readers[0], totals[0], reader, total)


def _unequal(
    reference: VideoReader, reference_count: int, distorted: VideoReader, distorted_count: int
) -> InputError:
    counts = (
        f"the reference {reference.info.path} has {reference_count} frames, "
        f"the distorted {distorted.info.path} has {distorted_count}"
    )
    if reference.info.skipped or distorted.info.skipped:
        skipped = f"{reference.info.skipped} and {distorted.info.skipped}"
        counts += f", after the {skipped} that are skipped"
    rates = reference.info.frame_rate, distorted.info.frame_rate
    if rates_differ(*rates):
        one, other = (f"{float(rate or 0):.6g}" for rate in rates)
        counts += f", at {one} and {other} frames per second"
        return InputError(counts, remedy=_RATE_REMEDY)
    doubts = [
        f"{each.path} {each.doubt}" for each in (reference.info, distorted.info) if each.doubt
    ]
    return InputError(counts, remedy="; ".join([_REMEDY, *doubts]))
