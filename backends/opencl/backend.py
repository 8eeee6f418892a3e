"""The OpenCL backend: any device of any vendor, the processor through PoCL included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from roi_accel.backends.opencl.devices import choose_device, probe_devices
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.opencl.session import OpenclSession
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import DeviceStatus


class OpenclBackend:
    """The kernels of ``kernels/`` on one OpenCL device.

    Parameters
    ----------
    device : str, optional
        ``opencl:P.D`` (platform and device by number) or ``opencl:NAME`` with a part of the names
        of one device and its platform. Left out: the first GPU, else the first device.
    threads : int, optional
        Cores to use where the device is a processor that can be divided; else all of them.

    Raises
    ------
    BackendUnavailable
        pyopencl, a platform or the device is missing or broken, or `device` means several.
    ValueError
        `threads` is not positive.
    """

    name: ClassVar[str] = "opencl"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            msg = f"threads must be at least 1, not {threads}"
            raise ValueError(msg)
        chosen = choose_device(device)
        import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

        try:
            if threads is not None and chosen.kind == "cpu":
                chosen = replace(chosen, handle=_part_of(chosen.handle, threads))
            self._context = cl.Context([chosen.handle])
        except cl.Error as error:
            msg = f"{chosen.label} cannot be opened: {' '.join(str(error).split())}"
            raise BackendUnavailable(
                msg, remedy="update its driver, or choose another --device or --backend"
            ) from error
        self._device = chosen
        self._programs: dict[str, Any] = {}

    @property
    def device(self) -> str:
        """The device in use, such as ``opencl:0.1``."""
        return self._device.device_id

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every OpenCL device, or why there is none."""
        return probe_devices()

    def open(self, plan: Plan) -> OpenclSession:
        """Return a session for `plan`; the first of a sample size compiles the kernels.

        Raises
        ------
        BackendUnavailable
            The kernels do not compile, there is no room on the device, or the driver fails.
        """
        from roi_accel.backends.opencl.program import build_program  # noqa: PLC0415 - as above
        from roi_accel.backends.opencl.session import OpenclSession  # noqa: PLC0415 - as above

        sample = plan.pixel_format.dtype
        program = self._programs.get(sample.str)
        if program is None:
            program = self._programs[sample.str] = build_program(
                self._context, self._device, sample
            )
        return OpenclSession(self._context, self._device, program, plan)


def _part_of(handle: Any, threads: int) -> Any:  # noqa: ANN401 - pyopencl's Device
    """Return `threads` cores of a processor as a device of their own, or all where it cannot."""
    import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

    by_counts = cl.device_partition_property.BY_COUNTS
    if threads >= handle.max_compute_units or by_counts not in handle.partition_properties:
        return handle
    end = cl.device_partition_property.BY_COUNTS_LIST_END
    (part,) = handle.create_sub_devices([by_counts, threads, end])
    return part
