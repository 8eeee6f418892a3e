"""One kernel source for CUDA and OpenCL: plain text files behind one prelude per API.

No template engine: the constants of the contract become ``#define`` lines, and a ``#line`` before
each file makes a compiler's messages name the real file.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from roi_accel.backends import tables

if TYPE_CHECKING:
    import numpy as np

KERNELS = ("upsample_rows", "upsample_mask", "substitute", "preprocess", "quantise")
"""The kernels' names, each in the file of its name."""

VECTOR_SAMPLES = 8
"""Samples that one work-item handles on a GPU, LANES in the kernels: one aligned vector."""

SEGMENT_SAMPLES = 64
"""The same on a processor: a loop long enough to become vectors. Pitches are multiples of both."""


def kernel_files(api: str) -> tuple[str, ...]:
    """Return the names of `api`'s files in the order in which they are joined."""
    return (f"{api}.h", "lanes.ker", "arithmetic.ker", *(f"{name}.ker" for name in KERNELS))


def read_kernel_file(name: str) -> str:
    """Return the text of one file of ``kernels/``."""
    return (resources.files("roi_accel.backends") / "kernels" / name).read_text("utf-8")


def lanes_of(*, on_processor: bool) -> int:
    """Return how many samples one work-item handles."""
    return SEGMENT_SAMPLES if on_processor else VECTOR_SAMPLES


def kernel_source(
    api: str, sample: np.dtype[np.uint8] | np.dtype[np.uint16], *, on_processor: bool = False
) -> str:
    """Return the whole program for `api` and planes of `sample`, ready to be compiled.

    Parameters
    ----------
    api : str
        ``opencl`` (C 1.2) or ``cuda`` (C++ for NVRTC): the prelude's name in ``kernels/``. The
        kernels take the same arguments in all.
    sample : dtype
        `PixelFormat.dtype`: uint8 or uint16. The bit depth itself is an argument where it matters.
    on_processor : bool
        Whether the device is a processor, whose compiler makes vectors of loops.
    """
    defines = {
        "SAMPLE_BYTES": f"{sample.itemsize}",
        "ON_PROCESSOR": f"{int(on_processor)}",
        "LANES": f"{lanes_of(on_processor=on_processor)}",
        "ONE": f"{tables.ONE}u",
        "FIXED_BITS": f"{tables.FIXED_BITS}",
        "FIXED_HALF": f"{tables.FIXED_HALF}u",
        "SLOPE_BITS": f"{tables.SLOPE_BITS}",
        "SLOPE_HALF": f"{tables.SLOPE_HALF}u",
    }
    parts = [f"#define {name} {value}\n" for name, value in defines.items()]
    for name in kernel_files(api):
        parts += [f'#line 1 "{name}"\n', read_kernel_file(name)]
    return "".join(parts)
