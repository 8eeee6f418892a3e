"""Two reports compared by their ratios to peers, which hold where seconds do not."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES = 16 << 20
"""Far beyond any report."""

_AGAIN = "write one with roi-accel bench --json FILE"


@dataclass(frozen=True)
class Change:
    """How one backend's ratios in one case changed.

    Attributes
    ----------
    case, backend : str
    change : float
        0.1 is a tenth slower beside the peers: the median over the peers of new ratio / old ratio,
        minus 1. One peer that itself got slower or faster does not decide.
    peers : mapping of str to (float, float)
        Per peer the old ratio and the new one. Where a kernel has no peers, the copy that its
        bandwidth is a share of stands in for them.
    """

    case: str
    backend: str
    change: float
    peers: Mapping[str, tuple[float, float]]


def read_report(path: Path) -> dict[str, Any]:
    """Return the report in `path`.

    Raises
    ------
    InputError
        It cannot be read, or is no report of this version.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            msg = f"{path} is larger than {MAX_BYTES >> 20} MiB, which no report is"
            raise InputError(msg, remedy=_AGAIN)
        report = json.loads(content.decode("utf-8"))
    except OSError as error:
        raise unreadable(path, error, remedy=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}"
        raise InputError(msg, remedy=_AGAIN) from error
    if not (
        isinstance(report, dict)
        and isinstance(report.get("cases"), list)
        and isinstance(report.get("settings"), dict)
    ):
        msg = f"{path} is no report of roi-accel bench"
        raise InputError(msg, remedy=_AGAIN)
    if report.get("schema_version") != 1:
        msg = f"{path} has schema_version {_shown(report.get('schema_version'))}, expected 1"
        raise InputError(msg, remedy=_AGAIN)
    return report


def check_settings(old: Mapping[str, Any], settings: Mapping[str, object]) -> None:
    """Raise InputError where `old` is damaged or was made with other `settings`.

    For before anything is measured, which takes minutes.
    """
    _ratios(old)
    for name, now in settings.items():
        before = old["settings"].get(name)
        if before != now:
            msg = f"the old report was made with {name} {_shown(before)}, this one has {now}"
            raise InputError(msg, remedy="compare runs with the same options")


def compare_reports(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the change of every backend in every case that both reports have.

    Raises
    ------
    InputError
        The reports have nothing in common.
    """
    olds = _ratios(old)
    changes = []
    for key, peers in _ratios(new).items():
        both = {peer: (olds[key][peer], peers[peer]) for peer in peers if peer in olds.get(key, {})}
        if both:
            change = statistics.median(now / before for before, now in both.values()) - 1
            changes.append(Change(*key, change, both))
    if not changes:
        msg = "the two reports have no case, backend and peer in common"
        raise InputError(msg, remedy="compare runs with the same --sizes, --formats and --backends")
    return changes


def other_machine(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Return how the machines of two reports differ, or None; ratios hold on one machine only."""
    before, now = (
        f"{machine.get('processor')}, {machine.get('cores')} cores"
        for machine in (old.get("machine") or {}, new["machine"])
    )
    return None if before == now else f"the old report is of another machine: {before}, now {now}"


def parse_share(text: str) -> float:
    """Return 0.1 for ``10%`` or ``0.1``.

    Raises
    ------
    InputError
        It is no number, or negative.
    """
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value < float("inf"):
        msg = f"--regression {text!r} is no share"
        raise InputError(msg, remedy="for example --regression 10%")
    return value


def _ratios(report: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """Return {(case, backend): {peer, or the copy: median ratio of seconds}}."""
    found = {}
    try:
        for case in report["cases"]:
            for row in case["rows"]:
                ratios = row.get("ratios", {})
                peers = {peer: _ratio(spread["median"]) for peer, spread in ratios.items()}
                if not peers and "share_of_copy" in row:
                    peers = {row["copy"]: 1 / _ratio(row["share_of_copy"])}
                if peers:
                    found[case["name"], row["name"]] = peers
    except KeyError as error:
        msg = f"a report lacks {_shown(error.args[0])}"
        raise InputError(msg, remedy=_AGAIN) from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        msg = f"a report is damaged: {error}"
        raise InputError(msg, remedy=_AGAIN) from error
    return found


def _ratio(value: float) -> float:
    """Return a ratio of two times, which nothing but a positive number can be."""
    ratio = float(value)
    if isinstance(value, str | bool) or not (math.isfinite(ratio) and ratio > 0):
        msg = f"a ratio is {_shown(value)}, expected a number above 0"
        raise ValueError(msg)
    return ratio


def _shown(value: object) -> str:
    """Return the beginning of a value for a message."""
    return repr(value)[:80]
