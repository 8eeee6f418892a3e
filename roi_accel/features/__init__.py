"""VMAF computed from sums of its features, once for all backends: features, and models' scores."""
