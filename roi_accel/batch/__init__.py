"""Many pairs: a manifest's rows, the jobs they make, the workers that do them, and what comes out.

``run.py`` holds it together and decides what was done already. An engine (``local.py`` or ``ray/``)
only moves jobs to workers; what a worker does with one is in ``worker.py``. Finished pairs are
lines of the results file (``results_file.py``), from which ``batch ladder`` reads.
"""
