"""The saliency network: its contract is checked on loading, each map after inference."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.plan import ModelSize
from roi_accel.errors import BackendUnavailable, InputError, ModelError, RoiAccelError
from roi_accel.inference.onnx_file import MAX_BYTES, NotSelfContainedError, check_self_contained
from roi_accel.inference.ort import first_line, import_onnxruntime
from roi_accel.inference.ort_session import NetworkSession
from roi_accel.inference.providers import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    DML_PROVIDER,
    TENSORRT_PROVIDER,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.protocol import DeviceTensor
    from roi_accel.inference.models import ResolvedModel
    from roi_accel.inference.ort_session import AttachedProviders
    from roi_accel.inference.providers import ProviderPlan

INPUT_NAME = "input"
OUTPUT_NAME = "saliency_map"
STRIDE = 8
"""Networks halve their input three times, so both sides must be multiples of this."""

_MEMORY_OF = {CPU_PROVIDER: "cpu", CUDA_PROVIDER: "cuda", TENSORRT_PROVIDER: "cuda"}
"""Where a provider has its tensors, by ONNX Runtime's name of the device."""

DEFAULT_SIZE = 256
NATIVE = "native"
_SIZE_LIMITS = (64, 8192)

_CONTRACT = (
    f"expected one input {INPUT_NAME!r} float32 [1, 3, H, W] and an output {OUTPUT_NAME!r} "
    "float32 [1, 1, H, W]"
)
_CONTRACT_REMEDY = "see docs/models.md for the contract a network must keep"
_RANK = 4


AUTO_BATCH = "auto"
MAX_BATCH = 64
"""Frames of every video wait for their batch; more would be gigabytes at 4K."""

_AUTO = {CUDA_PROVIDER: 4, DML_PROVIDER: 4}
"""Frames at once on GPU providers that take a shape as it comes; others compile for each, and on
the processor one frame keeps its threads busy."""


@dataclass(frozen=True)
class SaliencySize:
    """The network's input size as users give it: a long side in pixels, None for ``native``."""

    long_side: int | None

    @classmethod
    def parse(cls, text: str | int) -> SaliencySize:
        """Return the size of ``--saliency-size``; InputError if not ``native`` or 64 to 8192."""
        if text == NATIVE:
            return cls(None)
        low, high = _SIZE_LIMITS
        try:
            long_side = int(text)
        except ValueError:
            long_side = 0
        if not low <= long_side <= high:
            msg = f"{text!r} is neither 'native' nor from {low} to {high}"
            raise InputError(msg, remedy=f"the default is {DEFAULT_SIZE}")
        return cls(long_side)

    def __str__(self) -> str:
        return NATIVE if self.long_side is None else str(self.long_side)

    def for_frame(self, width: int, height: int) -> ModelSize:
        """Return the input size for frames of `width` x `height`.

        A long side keeps the aspect, both sides rounded to the nearest multiple of 8; ``native``
        keeps the frame's size and pads it up to multiples of 8.
        """
        if self.long_side is None:
            return ModelSize(
                width, height, *(-(-side // STRIDE) * STRIDE for side in (width, height))
            )
        scale = self.long_side / max(width, height)
        size = [max(STRIDE, int(side * scale / STRIDE + 0.5) * STRIDE) for side in (width, height)]
        return ModelSize(*size, *size)


class SaliencyNetwork:
    """An ONNX saliency network, ready to run.

    Parameters
    ----------
    model : ResolvedModel
    plan : ProviderPlan
    threads : int
        Threads that ONNX Runtime may use within one operator.
    strict_ep : bool
        Whether it is an error that another provider than the one asked for runs the network, or
        part of it.

    Attributes
    ----------
    takes_batches : bool
        Whether its file leaves the batch size free.

    Raises
    ------
    ModelError
        onnxruntime is missing, or the file is not a network that keeps the contract.
    BackendUnavailable
        The provider cannot be had, and `strict_ep` or a plugin library asked for it.
    """

    def __init__(
        self, model: ResolvedModel, plan: ProviderPlan, *, threads: int, strict_ep: bool = False
    ) -> None:
        self.model = model
        onnxruntime = import_onnxruntime()
        # The very bytes whose hash the result records, whatever happens to the file meanwhile.
        content = _read_model(model)
        self._opened = NetworkSession(
            onnxruntime, content, plan, path=model.path, threads=threads, strict=strict_ep
        )
        self.providers: AttachedProviders = self._opened.providers
        session = self._opened.session
        try:
            _check_contract(model.name, session)  # guard: network-contract
        except UnicodeDecodeError as error:  # ONNX Runtime hands on what is in the file.
            self.close()
            msg = f"network {model.name} has a name that is not text in UTF-8"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY) from error
        except ModelError:
            self.close()
            raise
        batch, _, *sides = session.get_inputs()[0].shape
        self._fixed_size = [side if isinstance(side, int) else None for side in sides]
        outputs = {entry.name: entry.shape for entry in session.get_outputs()}
        self.takes_batches = not any(isinstance(n, int) for n in (batch, outputs[OUTPUT_NAME][0]))

    def close(self) -> None:
        """Release the network and its provider; harmless when repeated."""
        self._opened.close()

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
        BackendUnavailable
            The network fails on another provider than the processor's.
        """
        saliency: NDArray[np.float32] = self.infer_batch(model_input)[0]
        return saliency

    def infer_batch(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the saliency maps float32[N, H, W] of N inputs, float32[N, 3, H, W].

        Raises what `infer` does. Where `takes_batches` is false, only N = 1 works.
        """
        with self._translating():
            (output,) = self._opened.session.run([OUTPUT_NAME], {INPUT_NAME: inputs})
        expected = (len(inputs), 1, *inputs.shape[2:])
        if output.shape != expected or output.dtype != np.float32:  # guard: map-shape
            msg = (
                f"network {self.model.name} gave {output.dtype} {output.shape}, "
                f"expected float32 {expected}"
            )
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)
        maps: NDArray[np.float32] = output[:, 0]
        return maps

    def works_on(self, device_type: str, number: int) -> bool:
        """Whether the network runs where this memory is, so that it need not be moved."""
        memory = _MEMORY_OF.get(self.providers.attached[0])
        # A plugin is given its device by ONNX Runtime, which does not say which one it is.
        its_number = "0" if memory == "cpu" else self.providers.options.get("device_id")
        return (memory, its_number) == (device_type, str(number))

    def infer_in_place(self, model_input: DeviceTensor, output: DeviceTensor) -> None:
        """Infer from [1, 3, height, width] to [1, 1, height, width] in the device's memory.

        The input is complete; so is the output on return. Raises what `infer` does.
        """
        session = self._opened.session
        with self._translating():
            binding = session.io_binding()
            for bind, name, tensor in (
                (binding.bind_input, INPUT_NAME, model_input),
                (binding.bind_output, OUTPUT_NAME, output),
            ):
                where = (tensor.device_type, tensor.device_number)
                bind(name, *where, np.float32, tensor.shape, tensor.pointer)
            binding.synchronize_inputs()
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """Turn what ONNX Runtime raises into what users meet."""
        try:
            yield
        except Exception as error:  # ONNX Runtime's errors share no base class.
            provider = self.providers.attached[0]
            msg = f"network {self.model.name} failed on {provider}: {first_line(error)}"
            if provider == CPU_PROVIDER:  # guard: provider-failure-other
                raise ModelError(msg, remedy=_CONTRACT_REMEDY) from error
            raise BackendUnavailable(msg, remedy="--ep cpu runs it on the processor") from error


def _read_model(model: ResolvedModel) -> bytes:
    try:
        with model.path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"{model.path} cannot be read: {error.strerror}"
        raise ModelError(msg, remedy="check the file") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:  # guard: network-replaced
        msg = f"{model.path} changed while it was being opened"
        raise ModelError(msg, remedy="try again")
    try:
        check_self_contained(content)
    except NotSelfContainedError as error:
        msg = f"{model.path} cannot be loaded as an ONNX network: {error}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY) from error
    return content


def _check_contract(name: str, session: Any) -> None:  # noqa: ANN401
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [entry.name for entry in inputs] != [INPUT_NAME]:  # guard: network-inputs
        names = ", ".join(repr(entry.name) for entry in inputs) or "none"
        msg = f"network {name} has the inputs {names}; {_CONTRACT}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY)
    by_name = {entry.name: entry for entry in outputs}
    if OUTPUT_NAME not in by_name:  # guard: network-outputs
        names = ", ".join(map(repr, by_name)) or "none"
        msg = f"network {name} has the outputs {names}; {_CONTRACT}"
        raise ModelError(msg, remedy=_CONTRACT_REMEDY)
    for entry, channels in ((inputs[0], 3), (by_name[OUTPUT_NAME], 1)):
        if entry.type != "tensor(float)":  # guard: network-type
            msg = f"{entry.name!r} of network {name} is {entry.type}; {_CONTRACT}"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)
        if not _shape_fits(entry.shape, channels):  # guard: network-shape
            msg = f"{entry.name!r} of network {name} has shape {entry.shape}; {_CONTRACT}"
            raise ModelError(msg, remedy=_CONTRACT_REMEDY)


def _shape_fits(shape: Sequence[int | str | None], channels: int) -> bool:
    """Whether `shape`, with names or None for free dimensions, is [1, channels, H, W]."""
    if len(shape) != _RANK:
        return False  # guard: network-rank
    expected = (1, channels)
    return all(
        not isinstance(axis, int) or axis == size
        for axis, size in zip(shape, expected, strict=False)
    )


@dataclass(frozen=True)
class Batch:
    """How many frames at once, from 1, and why so many, for people."""

    frames: int
    reason: str


def parse_batch(text: str | int) -> int | None:
    """Return how many frames ``--saliency-batch`` allows by `text`, None for ``auto``.

    InputError if `text` is neither ``auto`` nor a whole number from 1 to 64.
    """
    if text == AUTO_BATCH:
        return None
    try:
        frames = int(text)
    except ValueError:
        frames = 0
    if not 1 <= frames <= MAX_BATCH:
        msg = f"{text!r} is neither '{AUTO_BATCH}' nor from 1 to {MAX_BATCH}"
        raise InputError(msg, remedy=f"leave it out for {AUTO_BATCH}")
    return frames


def decide_batch(
    network: SaliencyNetwork,
    size: ModelSize,
    asked: int | None,
    stopwatch: Stopwatch,
    *,
    stride: int = 1,
) -> Batch:
    """Return how many frames `network` is to infer at once, at most `asked`.

    The file may promise a free batch axis that its nodes do not keep, and a provider may add in
    another order for another shape. So a batch is used only where its maps are the same to the last
    bit as those of its frames alone, on this network, size and provider (docs/adr/0010-batches.md).

    Parameters
    ----------
    network : SaliencyNetwork
    size : ModelSize
        Of its inputs.
    asked : int or None
        None leaves it to the provider.
    stopwatch : Stopwatch
        Counts the stage ``try_batch``, where there is something to try.
    stride : int
        How many frames wait for each inference; all in all not above MAX_BATCH.
    """
    provider = network.providers.attached[0]
    frames = _AUTO.get(provider, 1) if asked is None else asked
    reason = f"{AUTO_BATCH} on {provider}" if asked is None else "as asked"
    if frames * stride > MAX_BATCH:
        frames = MAX_BATCH // stride
        reason = f"with --saliency-stride {stride}, {MAX_BATCH} frames wait for it already"
    if frames == 1:
        return Batch(1, reason)
    if not network.takes_batches:
        return Batch(1, f"network {network.model.name} takes one frame at a time")
    with stopwatch.stage("try_batch"):
        trouble = _trouble(network, size, frames)
    return Batch(1, trouble) if trouble else Batch(frames, reason)


def _trouble(network: SaliencyNetwork, size: ModelSize, frames: int) -> str:
    """Return what is wrong with maps made `frames` at once, empty if nothing is."""
    shape = (frames, 3, size.padded_height, size.padded_width)
    # Pictures that differ from one another, in the range of normalised RGB.
    inputs = np.random.default_rng(0).uniform(-2, 2.6, shape).astype(np.float32)
    together = f"network {network.model.name} on {network.providers.attached[0]}"
    try:
        maps = network.infer_batch(inputs)
        alone = np.stack([network.infer(one[np.newaxis]) for one in inputs])
    except RoiAccelError as error:
        return f"{together} cannot infer {frames} frames at once: {error.message}"
    if np.array_equal(maps.view(np.uint32), alone.view(np.uint32)):  # to the last bit
        return ""
    return f"{together} makes other maps of {frames} frames at once than of each alone"
