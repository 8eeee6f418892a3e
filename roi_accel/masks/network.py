"""The default source of masks: a saliency network that looks at the reference."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.arithmetic import NotSaliencyError, quantise
from roi_accel.backends.kernel_errors import blaming_kernels
from roi_accel.backends.protocol import InfersOnDevice
from roi_accel.errors import ModelError, ParityError, RoiAccelError
from roi_accel.inference.batch_size import AUTO_BATCH, Batch, decide_batch
from roi_accel.masks.source import MaskSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import ModelSize
    from roi_accel.backends.protocol import Mask, ModelInput, Session
    from roi_accel.inference.network import SaliencyNetwork, SaliencySize


class NetworkSource(MaskSource):
    """Masks at the network's own resolution, one per frame, from the reference alone.

    Parameters
    ----------
    network : SaliencyNetwork
    size : SaliencySize
        As the user gave it.
    batch : int, optional
        Frames to look at at once, at most. Default: as many as suit the provider.
    stride : int
        How many frames wait for each that is looked at.
    width, height : int
        The frames' size in luma pixels.
    stopwatch : Stopwatch
        Counts the stages ``preprocess`` and ``network``.
    check : callable, optional
        Called with each input, float32[1, 3, height, width], and the map the network made of it,
        float32[height, width], where they pass through the host and the map is known to be a mask;
        raises where it distrusts it.

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
        check: Callable[[ModelInput, NDArray[np.float32]], None] | None = None,
    ) -> None:
        self.region_names = ()
        self.warnings = network.providers.warnings
        self.network = network
        self._asked_size = size
        self._asked_batch = batch
        self._stride = stride
        self._batch = Batch(1, "nothing was looked at")
        self._inputs: dict[int, ModelInput] = {}
        self._maps: dict[int, NDArray[np.float32]] = {}
        self._stopwatch = stopwatch
        self._check = check
        self._memory = "host"
        self.model_size: ModelSize = size.for_frame(width, height)
        network.check_size(self.model_size)
        self.label = network.model.name
        self.size = (self.model_size.height, self.model_size.width)

    def batch(self, session: Session) -> int:
        """Return how many frames to `look` at before their masks are asked for.

        Where a batch is wanted, the network is tried with one.
        """
        if self._device_session(session) is not None:
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
        """Make the network's input of frame `index`, the next of a full batch.

        Raises
        ------
        RoiAccelError
            The device fails; names the frame.
        """
        with self._naming(index):
            place = len(self._inputs)
            model_input = self._buffer[place : place + 1]
            model_input[...] = self._preprocess(index, reference, session)
            self._inputs[index] = model_input

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the mask of frame `index`, from the batch that it was looked at in, or alone.

        Raises
        ------
        ModelError
            The network fails, or its map is not finite or not in [0, 1]; names the frame.
        BackendUnavailable
            The execution provider fails; names the frame, before which all went well.
        """
        if len(self._inputs) == self._batch.frames > 1:
            self._look_together()
        with self._naming(index):
            inferring = self._device_session(session)
            if inferring is not None:
                self._memory = "device"
                with self._stopwatch.stage("network", index):
                    return (inferring.infer(reference, self.network.infer_in_place),)
            model_input = self._inputs.pop(index, None)
            if model_input is None:
                model_input = self._preprocess(index, reference, session)
            saliency = self._maps.pop(index, None)
            if saliency is None:
                saliency = self._infer_alone(index, model_input)
            height, width = self.size
            mask = quantise(saliency[:height, :width])
            if self._check is not None:
                self._check(model_input, saliency)
        return (mask,)

    def _device_session(self, session: Session) -> InfersOnDevice | None:
        """Return `session` if the network can run beside its kernels."""
        if isinstance(session, InfersOnDevice) and self.network.works_on(*session.tensor_device):
            return session
        return None

    def _preprocess(self, index: int, reference: Frame, session: Session) -> ModelInput:
        with self._stopwatch.stage("preprocess", index), blaming_kernels():
            return session.preprocess(reference)

    def _infer_alone(self, index: int, model_input: ModelInput) -> NDArray[np.float32]:
        with self._stopwatch.stage("network", index):
            return self.network.infer(model_input)

    def _look_together(self) -> None:
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
            error.remedy = "--saliency-batch 1 looks at them one by one"
            raise
        self._maps = dict(zip(self._inputs, maps, strict=True))

    @contextmanager
    def _naming(self, index: int) -> Iterator[None]:
        """Name frame `index` in what is raised inside the ``with``."""
        try:
            yield
        except ParityError:
            raise  # It names its frame.
        except RoiAccelError as error:
            error.message = f"frame {index}: {error.message}"  # guard: provider-failure-frame
            raise
        except NotSaliencyError as error:
            msg = f"frame {index}: network {self.label} gave a map that is no mask: {error}"
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
