"""VMAF's integer features with a weight per pixel, in NumPy: the definition that backends keep."""
