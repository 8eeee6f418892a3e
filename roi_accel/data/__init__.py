"""Files shipped with the package: the embedded network and the published result schema."""
