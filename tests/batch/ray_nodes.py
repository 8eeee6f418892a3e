"""A Ray cluster of several nodes on this machine, each with an environment of its own."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE_BYTES = 80 << 20

_COUNTING = """#!/bin/sh
case "$*" in *-version*|*filter=libvmaf*) exec '{ffmpeg}' "$@" ;; esac
{before}
'{ffmpeg}' "$@" || exit $?
echo scored >>'{log}'
"""

# The others leave some pairs for the node that is to die, however long it takes to begin.
_WAITS = """while [ -e '{folder}/waits' ] && [ ! -e '{folder}/hangs' ] &&
    [ $(wc -l <'{log}') -ge {most} ]; do sleep 0.1; done"""

_HANGS = """echo began >>'{folder}/began-{number}'
if [ $(wc -l <'{folder}/began-{number}') -ge {call} ]; then
    echo hangs >>'{folder}/hangs'
    while kill -0 $PPID 2>/dev/null; do sleep 0.1; done
    exit 1
fi"""


class Nodes:
    """The cluster; `log` gets a line for each run of VMAF that came to its end on it."""

    def __init__(self, folder: Path) -> None:
        # Ray knows nothing of a suite where every warning is an error.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster  # noqa: PLC0415 - Ray need not be there

            self._folder = folder
            self._count = 0
            self.log = folder / "scored"
            self.log.touch()
            self._cluster = Cluster(
                initialize_head=True,
                head_node_args={
                    "num_cpus": 0,
                    "include_dashboard": False,
                    "object_store_memory": STORE_BYTES,
                    # A third of the time that Ray takes to see that a node is gone.
                    "_system_config": {"health_check_period_ms": 1000},
                },
            )

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def completions(self) -> int:
        return len(self.log.read_text().splitlines())

    def add(
        self, *backends: str, slots: int = 1, env: dict[str, str] | None = None, hangs: int = 0
    ) -> Any:
        """Start a node that offers `backends`, whose VMAF hangs in call `hangs`."""
        resources = dict.fromkeys(("roi", *(f"roi_{each}" for each in backends)), slots)
        return self._cluster.add_node(
            num_cpus=slots,
            resources=resources,
            object_store_memory=STORE_BYTES,
            env_vars={"ROI_ACCEL_VMAF": str(self._ffmpeg(hangs)), **(env or {})},
        )

    @contextmanager
    def having(self, *backends: str, **more: Any) -> Iterator[Any]:
        """Have one more node, as `add` makes it."""
        node = self.add(*backends, **more)
        try:
            yield node
        finally:
            if node in self._cluster.list_all_nodes():
                self._cluster.remove_node(node)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let nodes that are not to hang wait after some pairs until the one that is does so."""
        (self._folder / "waits").touch()
        try:
            yield
        finally:
            (self._folder / "waits").unlink()

    @property
    def hung(self) -> int:
        """How many runs of VMAF came to hang."""
        path = self._folder / "hangs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def _ffmpeg(self, hangs: int) -> Path:
        self._count += 1
        script = self._folder / f"ffmpeg-{self._count}"
        before = (_HANGS if hangs else _WAITS).format(
            folder=self._folder, call=hangs, number=self._count, log=self.log, most=12
        )
        script.write_text(_COUNTING.format(ffmpeg=bundled_ffmpeg(), log=self.log, before=before))
        script.chmod(0o755)
        return script

    def kill(self, node: Any) -> None:
        """End a node as a power cut would."""
        self._cluster.remove_node(node, allow_graceful=False)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Let this process be the cluster's, quietly, and not afterwards."""
        import ray  # noqa: PLC0415 - as above

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
            try:
                yield
            finally:
                ray.shutdown()

    def shutdown(self) -> None:
        self._cluster.shutdown()
