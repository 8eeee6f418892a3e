"""The CUDA backend: NVIDIA's devices through CuPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from roi_accel.backends.cuda.devices import Untyped, choose_device, probe_devices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.backends.cuda.session import CudaSession
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import DeviceStatus


class CudaBackend:
    """The kernels of ``kernels/`` on one CUDA device.

    Parameters
    ----------
    device : str, optional
        ``cuda:N``, or ``cuda:`` and a part of a device's name. Left out: the first device.
    threads : int, optional
        As for the other backends; the host only waits here.

    Raises
    ------
    BackendUnavailable
        CuPy, the driver or the device is missing or broken, or `device` means several.
    ValueError
        `threads` is not positive.
    """

    name: ClassVar[str] = "cuda"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            msg = f"threads must be at least 1, not {threads}"
            raise ValueError(msg)
        self._device = choose_device(device)
        self._kernels: dict[str, Mapping[str, Untyped]] = {}

    @property
    def device(self) -> str:
        """The device in use, such as ``cuda:1``."""
        return self._device.device_id

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every CUDA device, or why there is none."""
        return probe_devices()

    def open(self, plan: Plan) -> CudaSession:
        """Return a session for `plan`; the first of a sample size compiles the kernels.

        Raises
        ------
        BackendUnavailable
            The kernels do not compile, there is no room on the device, or the driver fails.
        """
        from roi_accel.backends.cuda.program import build_kernels  # noqa: PLC0415 - only where used
        from roi_accel.backends.cuda.session import CudaSession  # noqa: PLC0415 - as above

        sample = plan.pixel_format.dtype
        kernels = self._kernels.get(sample.str)
        if kernels is None:
            kernels = self._kernels[sample.str] = build_kernels(self._device, sample)
        return CudaSession(self._device, kernels, plan)
