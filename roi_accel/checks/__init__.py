"""Parity runs that need files, networks or VMAF, and records of them."""
