"""Answers compared, whole arrays first, then where they differ; their memory; a run's log of it."""

from __future__ import annotations

import io
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roi_accel.backends.arithmetic import NotSaliencyError, quantise
from roi_accel.errors import OutputError, ParityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import ModelInput
    from roi_accel.parity.calibration import Stage, Tolerance

    Save = Callable[[str, bytes], Path]
    _Extent = tuple[int, int]

Named = Mapping[str, NDArray[np.generic]]
"""One answer: its planes or channels by name, in the order in which they are compared."""

REMEDY = "update the device's driver, or choose another --device, --backend or --ep"
_HINT = "--dump FOLDER keeps the arrays"


@dataclass(frozen=True)
class Difference:
    """One place where two answers lie too far apart.

    Attributes
    ----------
    plane : str
        ``Y``, ``U``, ``V``, ``R``, ``G``, ``B``, ``mask`` or ``vmaf``.
    index : tuple of int
        (y, x) in the plane; nothing for a single value.
    wanted, got : float
        Both values; float64 holds every sample, code and float32 exactly.
    frame : int or None
        0-based number of the frame, where there are several.
    """

    plane: str
    index: tuple[int, ...]
    wanted: float
    got: float
    frame: int | None = None

    @property
    def place(self) -> dict[str, int]:
        """The last two indices as ``y`` and ``x``; nothing for a single value."""
        return dict(reversed([*zip("xy", reversed(self.index), strict=False)]))

    def __str__(self) -> str:
        frame = "" if self.frame is None else f"frame {self.frame}, "
        place = "".join(f", {name} {value}" for name, value in self.place.items())
        return f"{frame}{self.plane}{place}: wanted {self.wanted:.9g}, got {self.got:.9g}"


@dataclass(frozen=True)
class Comparison:
    """What comparing two answers found.

    Attributes
    ----------
    compared : int
        Number of values compared with each other.
    differing : int
        How many of them lie further apart than the tolerance, or are not finite.
    maximum : float
        Largest absolute difference of finite values, whether tolerated or not.
    first : Difference or None
        The first place that differs.
    problem : str
        Why the answers cannot be compared at all, such as unequal shapes; else empty.
    """

    compared: int = 0
    differing: int = 0
    maximum: float = 0.0
    first: Difference | None = None
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether something was compared, and all of it lies within the tolerance."""
        return self.compared > 0 and self.differing == 0 and not self.problem

    def at_frame(self, frame: int) -> Comparison:
        """Return this comparison with its difference placed in `frame`."""
        if self.first is None:
            problem = f"frame {frame}: {self.problem}" if self.problem else ""
            return replace(self, problem=problem)
        return replace(self, first=replace(self.first, frame=frame))

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        if not self.compared:
            return "nothing was compared"
        if self.first is None:
            return f"{self.compared} values agree, largest difference {self.maximum:.3g}"
        largest = f", at most by {self.maximum:.9g}" if self.maximum else ""
        return f"{self.first}; {self.differing} of {self.compared} values differ{largest}"


def compare(wanted: Named, got: Named, *, tolerance: float = 0.0) -> Comparison:
    """Compare two answers plane by plane: integers or floats of up to two dimensions.

    `tolerance` is the largest absolute difference that agrees; 0 asks for equal bits, so that -0.0
    is not 0.0. Values that are NaN or infinite always differ: an answer that is wrong twice is
    still wrong.
    """
    if tuple(wanted) != tuple(got):
        names, others = (", ".join(planes) or "none" for planes in (wanted, got))
        return Comparison(problem=f"wanted the planes {names}, got {others}")
    return combine(
        _compare_plane(name, np.asarray(wanted[name]), np.asarray(got[name]), tolerance)
        for name in wanted
    )


def combine(comparisons: Iterable[Comparison]) -> Comparison:
    """Return one comparison for several: sums, the largest difference, the first failure."""
    parts = list(comparisons)
    failure = next((part for part in parts if part.first or part.problem), Comparison())
    return replace(
        failure,
        compared=sum(part.compared for part in parts),
        differing=sum(part.differing for part in parts),
        maximum=max((part.maximum for part in parts), default=0.0),
    )


def map_problem(saliency: NDArray[np.float32]) -> str:
    """Return why a network's map float32[height, width] is not within [0, 1]; empty if it is."""
    try:
        quantise(saliency)
    except NotSaliencyError as error:
        return str(error)
    return ""


def frame_planes(frame: Frame, prefix: str = "") -> Named:
    """Return the frame's planes by name, each with `prefix`."""
    return {f"{prefix}{name}": plane for name, plane in zip("YUV", frame.planes, strict=True)}


def input_channels(model_input: ModelInput) -> Named:
    """Return the network's input per channel; anything but [1, 3, height, width] as it is."""
    if model_input.ndim == 4 and model_input.shape[:2] == (1, 3):  # noqa: PLR2004 - NCHW
        return dict(zip("RGB", model_input[0], strict=True))
    return {"input": model_input}


def named_answer(stage: Stage, answer: Sequence[NDArray[Any]]) -> Named:
    """Return the arrays of an integer stage by name, as `compute` returns them."""
    if stage == "preprocess":
        return input_channels(answer[0])
    return dict(zip("YUV", answer, strict=True))


def _compare_plane(
    name: str, wanted: NDArray[np.generic], got: NDArray[np.generic], tolerance: float
) -> Comparison:
    kind, other = (f"{array.dtype}{list(array.shape)}" for array in (wanted, got))
    if kind != other:
        return Comparison(problem=f"plane {name}: wanted {kind}, got {other}")
    same = _bits(wanted) == _bits(got)
    if same.all() and (wanted.dtype.kind != "f" or np.isfinite(wanted).all()):
        return Comparison(compared=wanted.size)
    # float64 holds every integer up to 2**53, so no difference of codes is rounded away.
    left, right = wanted.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(left) & np.isfinite(right)
    distance = np.zeros(wanted.shape, dtype=np.float64)
    np.subtract(left, right, out=distance, where=finite)
    np.abs(distance, out=distance)
    wrong = ~finite | (distance > tolerance if tolerance > 0 else ~same)
    differing = int(np.count_nonzero(wrong))
    first = None
    if differing:
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
        first = Difference(name, index, float(left[index]), float(right[index]))
    return Comparison(wanted.size, differing, float(distance.max()), first)


def _bits(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the array's values as unsigned integers of the same bits."""
    if array.dtype.kind != "f":
        return array
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").reshape(array.shape)


class BuffersInUse:
    """The memory of answers that somebody still holds, such as a queue to VMAF.

    A session that hands out a buffer again would change frames that are on their way, after they
    were checked.
    """

    def __init__(self) -> None:
        self._alive: list[tuple[weakref.ref[NDArray[np.generic]], _Extent]] = []
        self._lock = threading.Lock()

    def are_reused(
        self, planes: Iterable[NDArray[np.generic]], inputs: Iterable[NDArray[np.generic]]
    ) -> bool:
        """Remember `planes`; return whether they lie in memory of an earlier answer in use.

        An answer may be one of its own `inputs`, which nobody writes to.
        """
        read = [_extent(plane) for plane in inputs]
        new = [
            (weakref.ref(plane), _extent(plane))
            for plane in planes
            if not any(_overlap(_extent(plane), extent) for extent in read)
        ]
        with self._lock:
            self._alive = [held for held in self._alive if held[0]() is not None]
            reused = any(_overlap(own, earlier) for _, own in new for _, earlier in self._alive)
            self._alive += new
        return reused


def _extent(plane: NDArray[np.generic]) -> _Extent:
    low, high = np.lib.array_utils.byte_bounds(plane)
    return int(low), int(high)


def _overlap(one: _Extent, other: _Extent) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One answer about a frame, the one that was wanted, and what a failure is to say.

    Attributes
    ----------
    fault : str
        What it would mean that they differ, as the beginning of a sentence.
    inputs : mapping of str to array
        What the answer was computed from, for a dump.
    label : str
        Tells a dump from others of the same frame.
    """

    frame: int
    fault: str
    wanted: Named
    got: Named
    inputs: Named = field(default_factory=dict)
    tolerance: Tolerance
    label: str


class CheckLog:
    """Adds up what agrees, per stage and video, and raises at the first answer that does not.

    Parameters
    ----------
    save : callable, optional
        Writes a file of that name and content, the arrays of an answer that differs, and returns
        where; raises OutputError where it cannot.
    """

    def __init__(self, save: Save | None = None) -> None:
        self.save = save
        self._totals: dict[tuple[int | None, str], dict[str, Any]] = {}

    def count(self, check: Check, *, compared_with: str, video: int | None = None) -> None:
        """Compare and add to what the report says of `video`; None for what all videos share.

        ParityError if they differ.
        """
        comparison = self.require(check)
        tolerance = check.tolerance
        empty = {
            "stage": tolerance.stage,
            "compared_with": compared_with,
            "values": 0,
            "largest_difference": 0.0,
            "tolerance": tolerance.value,
            "tolerance_source": tolerance.source,
        }
        total = self._totals.setdefault((video, tolerance.stage), empty)
        total["values"] += comparison.compared
        total["largest_difference"] = max(total["largest_difference"], comparison.maximum)

    def require(self, check: Check) -> Comparison:
        """Return what comparing found, without adding it up; ParityError if they differ."""
        comparison = compare(check.wanted, check.got, tolerance=check.tolerance.value)
        if comparison.agrees:
            return comparison
        msg = (
            f"{check.fault}: {comparison.at_frame(check.frame)} "
            f"(tolerance {check.tolerance.value:g} {check.tolerance.unit}); nothing was scored"
        )
        name = f"frame-{check.frame}-{check.label}.npz"
        kept = save_arrays(self.save, name, check.wanted, check.got, check.inputs)
        raise ParityError(msg, remedy=f"{REMEDY}; {kept}")  # guard: parity-difference

    def report(self, video: int) -> list[dict[str, Any]]:
        """Return what was compared for distorted video `video`, stage by stage."""
        return [dict(total) for (whose, _), total in self._totals.items() if whose in {None, video}]


def save_arrays(save: Save | None, name: str, wanted: Named, got: Named, inputs: Named) -> str:
    """Save both answers, and return in words where they are or why they are not there.

    Parameters
    ----------
    save : callable or None
        As for `CheckLog`.
    name : str
        Of the file, a compressed .npz.
    wanted, got, inputs : mapping of str to array
    """
    if save is None:
        return _HINT
    named: dict[str, Any] = {f"wanted_{plane}": array for plane, array in wanted.items()}
    named |= {f"got_{plane}": array for plane, array in got.items()}
    named |= {plane.replace(" ", "_"): array for plane, array in inputs.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **named)
    try:
        path = save(name, content.getvalue())
    except OutputError as error:
        return f"the arrays could not be saved: {error.message}"
    return f"the arrays are in {path}"
