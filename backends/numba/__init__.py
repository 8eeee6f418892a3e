"""The numba backend: the kernels compiled for the processor."""
