"""Files, text, threads and timing: what any other package may use."""
