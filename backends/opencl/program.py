"""Compiling the kernels for one OpenCL device, and keeping what was compiled.

pyopencl's own binary cache is not used: where its folder cannot be written it raises KeyError
(2026.1: it reads ``os.environ["PYOPENCL_CACHE_FAILURE_FATAL"]`` unset), and a lock file that a
killed process left behind costs every later one a minute.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import warnings
from typing import TYPE_CHECKING

import pyopencl as cl
from pyopencl.characterize import has_src_build_cache

from roi_accel._util.files import write_atomically
from roi_accel.backends.gpu import build_failure, cache_folder
from roi_accel.backends.kernel_calls import KERNELS, kernel_source
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from roi_accel.backends.opencl.backend import OpenclDevice

BUILD_OPTIONS = ["-cl-std=CL1.2"]

_DIGEST_BYTES = 32
_LOGGER = logging.getLogger("roi_accel")


def build_program(
    context: cl.Context, device: OpenclDevice, sample: np.dtype[np.uint8] | np.dtype[np.uint16]
) -> cl.Program:
    """Return the kernels for planes of `sample`, compiled for `device`.

    BackendUnavailable, with the file that has the compiler's log, where they do not compile.
    """
    source = kernel_source("opencl", sample, on_processor=device.is_processor)
    if has_src_build_cache(device.handle):
        return _compile(context, device, source)
    key = _cache_key(device, source)
    cached = _load(context, device, key)
    if cached is not None:
        return cached
    program = _compile(context, device, source)
    (binary,) = program.get_info(cl.program_info.BINARIES)
    _store(key, binary)
    return program


def _compile(context: cl.Context, device: OpenclDevice, source: str) -> cl.Program:
    program = _build(context, device, source)
    if not _is_whole(program):
        _LOGGER.warning("%s: its driver's kernel cache is damaged; compiling again", device.label)
        # Another text is another entry in the driver's cache.
        program = _build(context, device, f"{source}// {secrets.token_hex(8)}\n")
        if not _is_whole(program):
            log = f"only these kernels: {program.kernel_names}"
            raise build_failure(device, log, source)
    return program


def _is_whole(program: cl.Program) -> bool:
    return set(KERNELS) <= set(program.kernel_names.split(";"))


def _build(context: cl.Context, device: OpenclDevice, source: str) -> cl.Program:
    program = cl.Program(context, source)
    try:
        with warnings.catch_warnings():
            # Compilers warn needlessly. Asking first keeps pyopencl from using its own cache.
            warnings.simplefilter("ignore")
            program.get_info(cl.program_info.NUM_DEVICES)
            program.build(BUILD_OPTIONS)
    except cl.Error as error:
        log = f"options: {BUILD_OPTIONS}\n\n{error}"
        raise build_failure(device, log, source) from error  # guard: opencl-build
    log = program.get_build_info(device.handle, cl.program_build_info.LOG)
    if isinstance(log, str) and log.strip():
        _LOGGER.debug("%s: the compiler says: %s", device.label, log.strip())
    return program


def _cache_key(device: OpenclDevice, source: str) -> str:
    handle = device.handle
    platform = handle.platform
    parts = (
        source,
        *BUILD_OPTIONS,
        cl.VERSION_TEXT,
        *(platform.vendor, platform.name, platform.version),
        *(handle.vendor, handle.name, handle.version, handle.driver_version),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _load(context: cl.Context, device: OpenclDevice, key: str) -> cl.Program | None:
    """Return the program kept under `key`, or None; warn of a damaged one."""
    path = _binary_path(key)
    try:
        kept = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _LOGGER.warning("compiled kernels cannot be read: %s: %s", path, error.strerror)
        return None
    digest, binary = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
    if hashlib.sha256(binary).digest() != digest:
        _LOGGER.warning("compiled kernels are damaged and are rebuilt: %s", path)
        return None
    try:
        program = cl.Program(context, [device.handle], [binary])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program.build(BUILD_OPTIONS)
    except cl.Error as error:
        _LOGGER.warning("compiled kernels are rejected and are rebuilt: %s: %s", path, error)
        return None
    return program if _is_whole(program) else None


def _store(key: str, binary: bytes) -> None:
    path = _binary_path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, hashlib.sha256(binary).digest() + binary, overwrite=True)
    except (OSError, OutputError) as error:
        _LOGGER.warning("compiled kernels are not kept: %s: %s", path.parent, error)


def _binary_path(key: str) -> Path:
    return cache_folder() / f"opencl-{key}.bin"
