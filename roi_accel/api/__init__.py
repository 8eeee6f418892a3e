"""What Python callers call: `score` and `mask`, with the keywords they take."""
