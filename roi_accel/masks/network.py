"""The default source of masks: a saliency network that looks at the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.backends.arithmetic import NotSaliencyError, quantise
from roi_accel.backends.blame import blaming_kernels
from roi_accel.backends.protocol import InfersOnDevice
from roi_accel.errors import ModelError, ParityError, RoiAccelError
from roi_accel.masks.source import MaskSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import ModelSize
    from roi_accel.backends.protocol import Mask, ModelInput, Session
    from roi_accel.saliency import SaliencyNetwork, SaliencySize
    from roi_accel.timing import Stopwatch


class NetworkSource(MaskSource):
    """Masks at the network's own resolution, one per frame, from the reference alone.

    Parameters
    ----------
    network : SaliencyNetwork
    size : SaliencySize
        As the user gave it.
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
        width: int,
        height: int,
        stopwatch: Stopwatch,
        check: Callable[[ModelInput, NDArray[np.float32]], None] | None = None,
    ) -> None:
        self.region_names = ()
        self.warnings = network.providers.warnings
        self.network = network
        self._asked_size = size
        self._stopwatch = stopwatch
        self._check = check
        self._memory = "host"
        self.model_size: ModelSize = size.for_frame(width, height)
        network.check_size(self.model_size)
        self.label = network.model.name
        self.size = (self.model_size.height, self.model_size.width)

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the mask of frame `index`.

        Raises
        ------
        ModelError
            The network fails, or its map is not finite or not in [0, 1]; names the frame.
        BackendUnavailable
            The execution provider fails; names the frame, before which all went well.
        """
        try:
            if isinstance(session, InfersOnDevice) and self.network.works_on(
                *session.tensor_device
            ):
                self._memory = "device"
                with self._stopwatch.stage("network", index):
                    return (session.infer(reference, self.network.infer_in_place),)
            with self._stopwatch.stage("preprocess", index), blaming_kernels():
                model_input = session.preprocess(reference)
            with self._stopwatch.stage("network", index):
                saliency = self.network.infer(model_input)
            height, width = self.size
            mask = quantise(saliency[:height, :width])
            if self._check is not None:
                self._check(model_input, saliency)
        except ParityError:
            raise  # It names its frame.
        except RoiAccelError as error:
            error.message = f"frame {index}: {error.message}"
            raise
        except NotSaliencyError as error:
            msg = f"frame {index}: network {self.label} gave a map that is no mask: {error}"
            raise ModelError(msg, remedy="use another network or --mask") from error
        else:
            return (mask,)

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
            "onnxruntime": network.runtime_version,
            "provider_requested": providers.requested,
            "provider_reason": providers.reason,
            "provider_options": dict(providers.options),
            "providers_attached": list(providers.attached),
            "tensors": self._memory,
            "nodes_per_provider": dict(providers.nodes) if providers.nodes is not None else None,
        }
