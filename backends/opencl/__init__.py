"""The OpenCL backend, on PyOpenCL."""
