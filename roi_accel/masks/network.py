"""The default source of masks: a saliency network, run on the reference."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from roi_accel.backends.arithmetic import NotSaliencyError, quantise
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.protocol import InfersOnDevice
from roi_accel.backends.session import in_turn, kernel_errors_as_unavailable
from roi_accel.errors import ModelError, RoiAccelError
from roi_accel.inference.network import AUTO_BATCH, Batch, decide_batch
from roi_accel.masks.source import MaskSource
from roi_accel.parity.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import ModelSize
    from roi_accel.backends.protocol import InferringSession, Mask, ModelInput, Session
    from roi_accel.inference.network import SaliencyNetwork, SaliencySize


class NetworkSource(MaskSource):
    """Masks at the network's own resolution, one per frame, from the reference alone.

    Parameters
    ----------
    network : SaliencyNetwork
    size : SaliencySize
        As the user gave it.
    batch : int, optional
        Maximum inference batch size. Default: as many as suit the provider.
    stride : int
        The network runs on every frame of this distance, and the others wait for it.
    width, height : int
        The frames' size in luma pixels.
    stopwatch : Stopwatch
        Counts the stages ``preprocess`` and ``network``.
    gate : Gate, optional
        Checks each input, map and mask. Default: one that checks nothing.
    lock : context manager, optional
        Held while a session that serves one thread at a time is called. Default: its own.

    Attributes
    ----------
    network : SaliencyNetwork

    Raises
    ------
    ModelError
        The network cannot take this input size.
    """

    def __init__(
        self,
        network: SaliencyNetwork,
        size: SaliencySize,
        *,
        batch: int | None = None,
        stride: int = 1,
        width: int,
        height: int,
        stopwatch: Stopwatch,
        gate: Gate | None = None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.region_names = ()
        self.warnings = network.providers.warnings
        self.network = network
        self._asked_size = size
        self._asked_batch = batch
        self._stride = stride
        self._batch = Batch(1, "the network did not run")
        self._inputs: dict[int, ModelInput] = {}
        self._maps: dict[int, NDArray[np.float32]] = {}
        self._stopwatch = stopwatch
        self._gate = gate or Gate("off", NumpyBackend())
        self._lock = lock or threading.Lock()
        self._memory = "host"
        self.model_size: ModelSize = size.for_frame(width, height)
        network.check_size(self.model_size)
        self.label = network.model.name
        self.size = (self.model_size.height, self.model_size.width)

    def batch(self, session: Session) -> int:
        """Return how many frames to `look` at before their masks are asked for.

        Where a batch is wanted, the network is tried with one.
        """
        if self._runs_on_device(session):
            self._batch = Batch(1, "the network runs in the device's memory, frame by frame")
        else:
            self._batch = decide_batch(
                self.network,
                self.model_size,
                self._asked_batch,
                self._stopwatch,
                stride=self._stride,
            )
        frames = self._batch.frames
        if self._asked_batch is not None and frames < self._asked_batch:
            wanted = f"--saliency-batch {self._asked_batch}"
            self.warnings += (f"{wanted} became {frames}: {self._batch.reason}",)
        size = self.model_size
        self._buffer = np.empty((frames, 3, size.padded_height, size.padded_width), np.float32)
        return frames

    def look(self, index: int, reference: Frame, session: Session) -> None:
        """Make the network's input of frame `index`, the next of a full batch."""
        place = len(self._inputs)
        model_input = self._buffer[place : place + 1]
        model_input[...] = self._preprocess(index, reference, session)
        self._inputs[index] = model_input

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the mask of frame `index`, from the batch that it was in, or alone.

        Raises
        ------
        ModelError
            The network fails, or its map is not finite or not in [0, 1]; names the frame.
        BackendUnavailable
            The execution provider fails; names the frame, before which all went well.
        ParityError
            The gate found a difference.
        """
        if len(self._inputs) == self._batch.frames > 1:
            self._infer_together()
        if self._runs_on_device(session):
            return (self._infer_on_device(index, reference, session),)
        model_input = self._inputs.pop(index, None)
        if model_input is None:
            model_input = self._preprocess(index, reference, session)
        with self._naming(index):
            saliency = self._maps.pop(index, None)
            if saliency is None:
                saliency = self._infer_alone(index, model_input)
            height, width = self.size
            mask = quantise(saliency[:height, :width])
        self._gate.check_map(index, model_input, saliency)
        return (mask,)

    def _runs_on_device(self, session: Session) -> TypeGuard[InferringSession]:
        """Return whether the network can run beside the session's kernels."""
        return isinstance(session, InfersOnDevice) and self.network.works_on(*session.tensor_device)

    def _preprocess(self, index: int, reference: Frame, session: Session) -> ModelInput:
        """Return the network's input for frame `index`, which the gate has checked if it is due."""
        with self._stopwatch.stage("preprocess", index):
            expected = self._gate.expect_input(index, reference)
            model_input = self._call_preprocess(index, reference, session)
            if expected is not None:
                self._gate.check_input(expected, model_input)
        return model_input

    def _call_preprocess(self, index: int, reference: Frame, session: Session) -> ModelInput:
        what = f"{self._gate.device} failed in preprocess"
        with (
            self._naming(index),
            in_turn(session, self._lock),
            kernel_errors_as_unavailable(what),
        ):
            return session.preprocess(reference)

    def _infer_on_device(self, index: int, reference: Frame, session: InferringSession) -> Mask:
        self._memory = "device"
        what = f"{self._gate.device} failed beside the network"
        with self._stopwatch.stage("network", index):
            expected = self._gate.expect_input(index, reference)
            if expected is not None:
                # The input that the network sees cannot be read; the same kernels make this one.
                with self._gate.timed():
                    model_input = self._call_preprocess(index, reference, session)
                self._gate.check_input(expected, model_input)
            with (
                self._naming(index),
                in_turn(session, self._lock),
                kernel_errors_as_unavailable(what),
            ):
                mask = session.infer(reference, self.network.infer_in_place)
            if expected is not None:
                self._gate.check_mask(expected, model_input, mask)
        return mask

    def _infer_alone(self, index: int, model_input: ModelInput) -> NDArray[np.float32]:
        with self._stopwatch.stage("network", index):
            return self.network.infer(model_input)

    def _infer_together(self) -> None:
        """Make the maps of a full batch; where that fails, find the frame that it fails for."""
        first, *_, last = self._inputs
        try:
            with self._stopwatch.stage("network", first):
                maps = self.network.infer_batch(self._buffer)
        except RoiAccelError as error:
            for index, model_input in self._inputs.items():
                with self._naming(index):
                    self._infer_alone(index, model_input)
            error.message = f"frames {first} to {last} at once: {error.message}"
            error.remedy = "--saliency-batch 1 runs the network on one at a time"
            raise
        self._maps = dict(zip(self._inputs, maps, strict=True))

    @contextmanager
    def _naming(self, index: int) -> Iterator[None]:
        """Name frame `index` in what is raised inside the ``with``."""
        try:
            yield
        except RoiAccelError as error:
            error.message = f"frame {index}: {error.message}"  # guard: provider-failure-frame
            raise
        except NotSaliencyError as error:
            msg = f"frame {index}: network {self.label} gave a map that is not a mask: {error}"
            raise ModelError(msg, remedy="use another network or --mask") from error

    def close(self) -> None:
        """Release the network and its provider."""
        self.network.close()

    def provenance(self) -> dict[str, object]:
        """Return what decides these masks: the network, its input size and where it runs."""
        network, size, providers = self.network, self.model_size, self.network.providers
        return {
            "kind": "network",
            "name": network.model.name,
            "sha256": network.model.sha256,
            "saliency_size": str(self._asked_size),
            "input_width": size.width,
            "input_height": size.height,
            "padded_width": size.padded_width,
            "padded_height": size.padded_height,
            "batch_requested": AUTO_BATCH if self._asked_batch is None else self._asked_batch,
            "batch": self._batch.frames,
            "batch_reason": self._batch.reason,
            "onnxruntime": network.runtime_version,
            "provider_requested": providers.requested,
            "provider_reason": providers.reason,
            "provider_options": dict(providers.options),
            "providers_attached": list(providers.attached),
            "tensors": self._memory,
            "nodes_per_provider": dict(providers.nodes) if providers.nodes is not None else None,
        }
