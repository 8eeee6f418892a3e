"""One scoring run: inputs, masks, the frame pipeline, and the scores that come out."""
