"""Compiling the kernels for one CUDA device; CuPy keeps what was compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.backends.kernel_cache import write_build_log
from roi_accel.backends.kernel_source import KERNELS, kernel_source
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from roi_accel.backends.cuda.devices import CudaDevice, Untyped

OPTIONS = ("--std=c++17",)
"""The compiler's options; nothing here depends on the device."""


def build_kernels(
    device: CudaDevice, sample: np.dtype[np.uint8] | np.dtype[np.uint16]
) -> Mapping[str, Untyped]:
    """Return each kernel by name, for planes of `sample`, compiled for `device`.

    Raises
    ------
    BackendUnavailable
        They do not compile; the message names the file that has the compiler's words.
    """
    source = kernel_source("cuda", sample)
    module = device.cupy.RawModule(code=source, options=OPTIONS)
    try:
        with device.cupy.cuda.Device(device.number):
            return {name: module.get_function(name) for name in KERNELS}
    except device.cupy.cuda.compiler.CompileException as error:
        path = write_build_log(f"{device.status.description}\n\n{error}\n\n{source}")
        msg = f"the kernels do not compile for {device.label}; the compiler's words are in {path}"
        raise BackendUnavailable(
            msg, remedy="update CuPy and the driver, or choose another --device or --backend"
        ) from error
    except (ImportError, RuntimeError, OSError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        msg = f"the kernels cannot be compiled for {device.label}: {reason}"
        raise BackendUnavailable(
            msg, remedy='pip install "roi-accel[cuda13]" brings the compiler, NVRTC'
        ) from error
