"""Proof that every backend, device and provider gives the same answer; no VMAF, no command line."""
