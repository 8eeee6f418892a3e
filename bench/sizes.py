"""The sizes that everything is measured at, by the names that people use."""

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
"""Width and height in pixels."""
