"""The OpenCL backend: any device of any vendor, the processor through PoCL included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from roi_accel.backends.gpu import GpuBackend
from roi_accel.backends.opencl.devices import OpenclDevice, choose_device, probe_devices
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    import numpy as np

    from roi_accel.backends.opencl.session import OpenclSession
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import DeviceStatus


class OpenclBackend(GpuBackend[OpenclDevice]):
    """The kernels of ``kernels/`` on one OpenCL device.

    `threads` are the cores to use where the device is a processor that can be divided.
    """

    name: ClassVar[str] = "opencl"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        super().__init__(device=device, threads=threads)
        import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

        chosen = self._device
        try:
            if threads is not None and chosen.kind == "cpu":
                self._device = replace(chosen, handle=_part_of(chosen.handle, threads))
            self._context = cl.Context([self._device.handle])
        except cl.Error as error:
            msg = f"{chosen.label} cannot be opened: {' '.join(str(error).split())}"
            raise BackendUnavailable(
                msg, remedy="update its driver, or choose another --device or --backend"
            ) from error

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every OpenCL device, or why there is none."""
        return probe_devices()

    def _choose(self, wanted: str | None) -> OpenclDevice:
        return choose_device(wanted)

    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Any:  # noqa: ANN401 - pyopencl's Program
        from roi_accel.backends.opencl.program import build_program  # noqa: PLC0415 - as above

        return build_program(self._context, self._device, sample)

    def _open(self, plan: Plan, program: Any) -> OpenclSession:  # noqa: ANN401 - pyopencl's Program
        from roi_accel.backends.opencl.session import OpenclSession  # noqa: PLC0415 - as above

        return OpenclSession(plan, self._device, self._context, program)


def _part_of(handle: Any, threads: int) -> Any:  # noqa: ANN401 - pyopencl's Device
    """Return `threads` cores of a processor as a device of their own, or all where it cannot."""
    import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

    by_counts = cl.device_partition_property.BY_COUNTS
    if threads >= handle.max_compute_units or by_counts not in handle.partition_properties:
        return handle
    end = cl.device_partition_property.BY_COUNTS_LIST_END
    (part,) = handle.create_sub_devices([by_counts, threads, end])
    return part
