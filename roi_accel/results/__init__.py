"""What a score is: built from logs, pooled, with provenance and warnings."""
