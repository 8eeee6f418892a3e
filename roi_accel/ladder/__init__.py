"""Bitrate ladders: hulls and BD-rates from a batch's results."""
