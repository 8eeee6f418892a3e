"""The CUDA backend: NVIDIA's devices through CuPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from roi_accel.backends.cuda.devices import CudaDevice, Untyped, choose_device, probe_devices
from roi_accel.backends.gpu import GpuBackend
from roi_accel.backends.kernel_cache import build_failure
from roi_accel.backends.kernel_source import KERNELS, kernel_source
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from roi_accel.backends.cuda.session import CudaSession
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import DeviceStatus

OPTIONS = ("--std=c++17",)
"""The compiler's options; nothing here depends on the device."""


class CudaBackend(GpuBackend[CudaDevice]):
    """The kernels of ``kernels/`` on one CUDA device; CuPy keeps what was compiled."""

    name: ClassVar[str] = "cuda"

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every CUDA device, or why there is none."""
        return probe_devices()

    def _choose(self, wanted: str | None) -> CudaDevice:
        return choose_device(wanted)

    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Mapping[str, Untyped]:
        """Return each kernel by name."""
        device = self._device
        source = kernel_source("cuda", sample)
        module = device.cupy.RawModule(code=source, options=OPTIONS)
        try:
            with device.cupy.cuda.Device(device.number):
                return {name: module.get_function(name) for name in KERNELS}
        except device.cupy.cuda.compiler.CompileException as error:
            raise build_failure(device, str(error), source) from error
        except (ImportError, RuntimeError, OSError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            msg = f"the kernels cannot be compiled for {device.label}: {reason}"
            raise BackendUnavailable(
                msg, remedy='pip install "roi-accel[cuda13]" brings the compiler, NVRTC'
            ) from error

    def _open(self, plan: Plan, program: Mapping[str, Untyped]) -> CudaSession:
        from roi_accel.backends.cuda.session import CudaSession  # noqa: PLC0415 - only where used

        return CudaSession(plan, self._device, program)
