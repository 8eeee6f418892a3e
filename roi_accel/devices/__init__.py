"""Choosing a backend and device, and listing what there is."""
