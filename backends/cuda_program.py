"""Compiling the kernels for one CUDA device; CuPy keeps what was compiled."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.backends.kernel_cache import write_build_log
from roi_accel.backends.kernel_source import KERNELS, kernel_source
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from roi_accel.backends.cuda_devices import CudaDevice, Untyped

OPTIONS = ("--std=c++17",)
"""The compiler's options; nothing here depends on the device."""

_FOLDER_VARIABLE = "CUPY_CACHE_DIR"
_MEMORY_VARIABLE = "CUPY_CACHE_IN_MEMORY"
_LOGGER = logging.getLogger("roi_accel")


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
        with device.cupy.cuda.Device(device.number), _usable_cache():
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


@contextlib.contextmanager
def _usable_cache() -> Iterator[None]:
    """Let CuPy compile in memory where its cache on disk cannot be written: else it raises."""
    folder = Path(os.environ.get(_FOLDER_VARIABLE) or os.path.expanduser("~/.cupy/kernel_cache"))  # noqa: PTH111 - Path's raises
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    is_writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    if is_writable or os.environ.get(_MEMORY_VARIABLE):
        yield
        return
    _LOGGER.warning("compiled kernels are not kept: %s cannot be written", folder)
    os.environ[_MEMORY_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[_MEMORY_VARIABLE]
