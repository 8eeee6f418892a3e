"""Compiling kernels with numba: for one signature, without the GIL, cached where that works.

Only the backend and its kernels import this, and only when they are used: numba takes most of a
second to load. Its own threads (``parallel=True``) are not used (docs/adr/0005).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba import types
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys
from numba.extending import register_jitable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_Function = TypeVar("_Function", bound="Callable[..., Any]")

_LOGGER = logging.getLogger("roi_accel")

INTEGER = types.int64
PAIR = types.UniTuple(INTEGER, 2)
TRIPLE = types.UniTuple(INTEGER, 3)
WORDS = types.Array(types.uint32, 1, "C")
TABLES = types.UniTuple(WORDS, 3)


def inner(function: _Function) -> _Function:
    """Let kernels call `function`; it keeps its type, which numba's own decorator loses.

    Arrays are not counted in it (``_nrt``), so it can make none. Counting takes an atomic
    instruction per array and call: longer than a short run of samples.
    """
    registered: _Function = register_jitable(_nrt=False)(function)
    return registered


def planes_of(dtype: np.dtype[Any], *, readonly: bool) -> types.Type:
    """Return the type of three flat planes of `dtype`."""
    samples = types.Array(numba.from_dtype(dtype), 1, "C", readonly=readonly)
    return types.UniTuple(samples, 3)


def compiled(function: Callable[..., None], signature: types.Type) -> Callable[..., None]:
    """Compile for `signature` and nothing else, from numba's disk cache where that works.

    A cache must never cost more than time: a damaged one is rebuilt, and where it cannot be written
    (a read-only home, a full disk) there is none.
    """
    name = function.__name__.removeprefix("_")
    try:
        kernel = _jit(function, cache=True)
        try:
            kernel.compile(signature)
        except Exception as error:  # noqa: BLE001 - whatever unpickling a damaged file raises
            _LOGGER.warning("numba's cache of %s is damaged (%r): rebuilding it", name, error)
            # guard: kernel-cache-damaged
            kernel.recompile()  # of nothing yet: empties the cache
            kernel.compile(signature)
    except Exception as error:  # noqa: BLE001 - a fault of the kernel itself is raised again below
        _LOGGER.warning("numba cannot cache %s (%s): it is compiled again", name, error)
        kernel = _jit(function, cache=False)  # guard: kernel-cache-unwritable
        kernel.compile(signature)
    kernel.disable_compile()
    result: Callable[..., None] = kernel
    return result


def _jit(function: Callable[..., None], *, cache: bool) -> Any:  # noqa: ANN401 - numba is untyped
    # A division by zero cannot happen, and the check for it would keep loops from vectorising.
    kernel = numba.njit(nogil=True, error_model="numpy")(function)
    if cache:
        kernel._cache = _KernelCache(function)  # noqa: SLF001 - what njit(cache=True) does
    return kernel


class _KernelCache(FunctionCache):  # type: ignore[misc] # numba is untyped
    """numba's cache without the tenth of a second that only compiling needs.

    Before it looks up a kernel, numba's own registers everything that it could compile (`refresh`
    of the target's contexts), which its compiler does anyway where there is no kernel.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # noqa: ANN401 - numba is untyped
        rtsys.initialize(target_context)  # the symbols of numba's own memory, which kernels link to
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)
