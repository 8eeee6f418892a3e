"""The saliency network: its contract is checked when it is loaded, its map when it is made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.plan import ModelSize
from roi_accel.errors import InputError, ModelError
from roi_accel.providers import AttachedProviders, ProviderPlan, read_attached
from roi_accel.runtime import import_onnxruntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.models import ResolvedModel

INPUT_NAME = "input"
OUTPUT_NAME = "saliency_map"
STRIDE = 8
"""Networks halve their input three times, so both sides must be multiples of this."""

DEFAULT_SIZE = 256
NATIVE = "native"
_SIZE_LIMITS = (64, 8192)

_CONTRACT = (
    f"expected one input {INPUT_NAME!r} float32 [1, 3, H, W] and an output {OUTPUT_NAME!r} "
    "float32 [1, 1, H, W]"
)
_CONTRACT_REMEDY = "see docs/models.md for the contract a network must keep"
_RANK = 4


@dataclass(frozen=True)
class SaliencySize:
    """The network's input size as users give it: a long side in pixels, or the frame's own size.

    Attributes
    ----------
    long_side : int or None
        None for ``native``.
    """

    long_side: int | None

    @classmethod
    def parse(cls, text: str | int) -> SaliencySize:
        """Return the size that ``--saliency-size`` means by `text`.

        Raises
        ------
        InputError
            `text` is neither ``native`` nor a whole number from 64 to 8192.
        """
        if text == NATIVE:
            return cls(None)
        low, high = _SIZE_LIMITS
        try:
            long_side = int(text)
        except ValueError:
            long_side = 0
        if not low <= long_side <= high:
            msg = f"a saliency size of {text!r} is neither 'native' nor from {low} to {high}"
            raise InputError(msg, remedy=f"--saliency-size {DEFAULT_SIZE} is the default")
        return cls(long_side)

    def __str__(self) -> str:
        return NATIVE if self.long_side is None else str(self.long_side)

    def for_frame(self, width: int, height: int) -> ModelSize:
        """Return the input size for frames of `width` x `height`.

        A long side keeps the aspect, both sides rounded to the nearest multiple of 8; ``native``
        keeps the frame's size and pads it up to multiples of 8.
        """
        if self.long_side is None:
            padded = (_round_up(width), _round_up(height))
            return ModelSize(width, height, *padded)
        scale = self.long_side / max(width, height)
        size = (_round_nearest(width * scale), _round_nearest(height * scale))
        return ModelSize(*size, *size)


def _round_up(value: int) -> int:
    return -(-value // STRIDE) * STRIDE


def _round_nearest(value: float) -> int:
    return max(STRIDE, int(value / STRIDE + 0.5) * STRIDE)


class SaliencyNetwork:
    """An ONNX saliency network, ready to run.

    Parameters
    ----------
    model : ResolvedModel
        Which network.
    plan : ProviderPlan
        The execution provider to ask for.
    threads : int
        Threads that ONNX Runtime may use within one operator.

    Raises
    ------
    ModelError
        onnxruntime is missing, or the file is no network that keeps the contract.
    """

    def __init__(self, model: ResolvedModel, plan: ProviderPlan, *, threads: int) -> None:
        self.model = model
        self._session = _open_session(model, plan, threads)
        _check_contract(model.name, self._session)
        self.providers: AttachedProviders = read_attached(self._session, plan)
        self._fixed_size = _fixed_size(self._session.get_inputs()[0].shape)

    @property
    def runtime_version(self) -> str:
        """ONNX Runtime's version."""
        return str(import_onnxruntime().__version__)

    def check_size(self, size: ModelSize) -> None:
        """Raise ModelError if the network only takes inputs of another size."""
        asked = (size.padded_height, size.padded_width)
        for fixed, wanted in zip(self._fixed_size, asked, strict=True):
            if fixed is not None and fixed != wanted:
                height, width = ("any" if side is None else side for side in self._fixed_size)
                msg = (
                    f"network {self.model.name} takes only inputs of {width}x{height} "
                    f"(width x height), this clip's would be {asked[1]}x{asked[0]}"
                )
                raise ModelError(msg, remedy="choose a fitting --saliency-size, or another network")

    def infer(self, model_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the saliency map float32[H, W] of a float32[1, 3, H, W] input.

        Raises
        ------
        ModelError
            The network fails, or its map has another shape or type than its input asks for.
        """
        try:
            (output,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: model_input})
        except Exception as error:  # ONNX Runtime's errors share no base class.
            msg = f"network {self.model.name} failed: {_first_line(error)}"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY) from error
        expected = (1, 1, *model_input.shape[2:])
        if output.shape != expected or output.dtype != np.float32:
            msg = (
                f"network {self.model.name} gave {output.dtype} {output.shape}, "
                f"expected float32 {expected}"
            )
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)
        result: NDArray[np.float32] = output[0, 0]
        return result


def _open_session(model: ResolvedModel, plan: ProviderPlan, threads: int) -> Any:  # noqa: ANN401
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # Errors come back as exceptions; one line is enough.
    # Spinning threads would take the processor from VMAF, which runs at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # The very bytes whose hash the result records, whatever happens to the file meanwhile; and a
    # network given as bytes cannot read further files.
    content = _read_model(model)
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=[(plan.provider, dict(plan.options))]
        )
    except Exception as error:  # ONNX Runtime's errors share no base class.
        msg = f"{model.path} cannot be loaded as an ONNX network: {_first_line(error)}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY) from error


def _read_model(model: ResolvedModel) -> bytes:
    try:
        content = model.path.read_bytes()
    except OSError as error:
        msg = f"{model.path} cannot be read: {error.strerror}"
        raise ModelError(msg, remedy="check the file") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        msg = f"{model.path} changed while it was being opened"
        raise ModelError(msg, remedy="try again")
    return content


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _check_contract(name: str, session: Any) -> None:  # noqa: ANN401
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [entry.name for entry in inputs] != [INPUT_NAME]:
        found = ", ".join(repr(entry.name) for entry in inputs) or "none"
        msg = f"network {name} has the inputs {found}; {_CONTRACT}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY)
    by_name = {entry.name: entry for entry in outputs}
    if OUTPUT_NAME not in by_name:
        found = ", ".join(map(repr, by_name)) or "none"
        msg = f"network {name} has the outputs {found}; {_CONTRACT}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY)
    for entry, channels in ((inputs[0], 3), (by_name[OUTPUT_NAME], 1)):
        if entry.type != "tensor(float)":
            msg = f"{entry.name!r} of network {name} is {entry.type}; {_CONTRACT}"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)
        if not _shape_fits(entry.shape, channels):
            msg = f"{entry.name!r} of network {name} has shape {entry.shape}; {_CONTRACT}"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)


def _shape_fits(shape: Sequence[int | str | None], channels: int) -> bool:
    """Whether `shape`, with names or None for free dimensions, is [1, channels, H, W]."""
    if len(shape) != _RANK:
        return False
    batch, found_channels = shape[:2]
    return (not isinstance(batch, int) or batch == 1) and (
        not isinstance(found_channels, int) or found_channels == channels
    )


def _fixed_size(shape: Sequence[int | str | None]) -> tuple[int | None, int | None]:
    height, width = (side if isinstance(side, int) else None for side in shape[2:])
    return height, width
