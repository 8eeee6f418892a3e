"""Masks without a score: written as archives, videos and pictures."""
