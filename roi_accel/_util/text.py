"""What Python makes of the bytes of a file name that is not UTF-8, in texts that must be UTF-8.

Such bytes come as lone surrogates, which UTF-8 cannot write. `roi_accel.parity` imports
nothing of this package but what errors need, and has a copy of its own.
"""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def in_table(text: str) -> str:
    r"""Return `text` with each of them as it is written in Python, such as ``\udcff``."""
    return _SURROGATE.sub(lambda found: ascii(found[0])[1:-1], text)


def in_json(document: str) -> str:
    r"""Return a JSON document in whose strings each of them reads as in `in_table`."""
    return _SURROGATE.sub(lambda found: "\\" + ascii(found[0])[1:-1], document)
