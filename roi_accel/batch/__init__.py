"""Batches: many pairs of a manifest, and what their scores say about the ladders among them."""
