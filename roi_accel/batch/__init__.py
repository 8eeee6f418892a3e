"""Many pairs: a manifest's rows, the jobs they make, the workers that do them, and what comes out.

``run.py`` holds it together. An engine (``local.py``) only moves jobs to workers; what a worker
does with one is in ``worker.py``, and what is done for good is in the ledger. What the scores say
about ladders of encodes is read from that file alone.
"""
