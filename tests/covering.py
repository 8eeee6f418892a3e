"""Covering arrays: few cases in which every pair of values of two factors still meets.

A fault that one value, or two together, bring about is found by such a list as by the full
product, which is several times as long.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any


def pairwise(*factors: list[Any]) -> list[tuple[Any, ...]]:
    """Return cases, one value of each factor in each, that hold every pair of values.

    Greedy and deterministic: each case is the first of those with the most pairs still missing.
    """
    sizes = [range(len(factor)) for factor in factors]
    pairs = {case: {*combinations(enumerate(case), 2)} for case in product(*sizes)}
    missing = set().union(*pairs.values())
    chosen = []
    while missing:
        best = max(pairs, key=lambda case: len(pairs[case] & missing))
        missing -= pairs[best]
        chosen.append(best)
    return [tuple(factors[n][value] for n, value in enumerate(case)) for case in chosen]
