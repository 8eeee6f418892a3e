"""The arithmetic of masking, and one file per backend that carries it out; no files, no VMAF."""
