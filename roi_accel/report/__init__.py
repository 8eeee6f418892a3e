"""The report: one self-contained page of a run, for people, beside the JSON for programs.

Nothing is imported here, so that whether its libraries are there can be asked without them.
"""
