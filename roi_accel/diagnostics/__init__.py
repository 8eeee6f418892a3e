"""What a run notices about its videos beside the scores."""
