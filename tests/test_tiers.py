"""What a run of the suite leaves to the second tier, what it says of it, and covering arrays."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from covering import pairwise
from support import ROOT

pytest_plugins = ["pytester"]

CONFTEST = """
from tiers import *
from tiers import pytest_collection_modifyitems
def pytest_addoption(parser):
    parser.addoption("--all", action="store_true")
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: of the second tier")
"""
TESTS = """
import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
"""


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ([], 1),
        (["."], 1),
        (["--all"], 2),
        (["-m", "slow"], 1),
        (["test_it.py"], 2),
        (["test_it.py::test_slow"], 1),
        (["-n", "1"], 1),
    ],
    ids=str,
)
def test_slow_tests_run_where_they_are_asked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str], passed: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
    done.assert_outcomes(passed=passed, deselected=2 - passed if options in ([], ["."]) else None)
    is_first = options in ([], ["."], ["-n", "1"])
    assert ("1 slow tests were left to the second tier" in done.stdout.str()) is is_first


def test_every_pair_of_values_meets_in_fewer_cases_than_the_product() -> None:
    factors = [list("abcdef"), [1, 2, 3], [True, False], [None, 0]]
    cases = pairwise(*factors)
    for one, two in combinations(range(len(factors)), 2):
        met = {(case[one], case[two]) for case in cases}
        assert met == {*product(factors[one], factors[two])}
    assert len(cases) < 72 / 2
