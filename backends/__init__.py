"""The arithmetic of masking, and the backends that carry it out; no files, no VMAF."""
