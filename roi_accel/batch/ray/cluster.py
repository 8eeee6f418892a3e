"""Ray, as far as a batch needs it: which nodes there are, hand over a call, get its answer.

Only this module knows Ray's names, options and errors. Ray is large, so it is imported only when a
cluster is used.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel._util.error_translation import require
from roi_accel.backends.host import available_cores
from roi_accel.batch.jobs import Failure
from roi_accel.batch.ray.node import SLOTS, node_resources
from roi_accel.errors import BackendUnavailable, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from roi_accel.batch.ray.node import Answer

_ADDRESS_VARIABLE = "RAY_ADDRESS"
_USAGE_VARIABLE = "RAY_USAGE_STATS_ENABLED"
_NODE_LABEL = "ray.io/node-id"
_STORE_BYTES = 100 << 20
"""Answers are small; Ray takes no less than 75 MiB."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and all that it offers, in use or not.

    Its label is its host's name and the beginning of its id.
    """

    id: str
    label: str
    resources: Mapping[str, float]


class Cluster:
    """A connection to a Ray cluster, or to a Ray of this machine that lives as long as it.

    Parameters
    ----------
    address : str or None
        As ``ray.init`` takes it. None takes the variable ``RAY_ADDRESS``, or else starts Ray on
        this machine.
    workers : int, optional
        What a Ray that is started here offers; see `node_resources`.

    Attributes
    ----------
    nodes : list of Node
        Those alive that offer `SLOTS`, as of the last `refresh`.

    Raises
    ------
    InputError
        Ray is missing, or `address` is one that cannot be used.
    """

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        self._ray = require("ray", "ray", "--engine ray")
        self._address = address or os.environ.get(_ADDRESS_VARIABLE)
        if self._address and self._address.startswith("ray://"):
            msg = f"--address {self._address}: Ray Client is not supported"
            remedy = "run the batch on a node of the cluster, with --address auto"
            raise InputError(msg, remedy=remedy)
        self._workers = workers
        self._is_ours = False
        self._known: dict[str, Node] = {}
        self.nodes: list[Node] = []

    def connect(self) -> None:
        """Be connected; a connection that this process has already is used and left.

        Raises BackendUnavailable where there is no such cluster, or no node of it offers anything.
        """
        if not self._ray.is_initialized():
            self._is_ours = True
            self._connect()
        self.refresh()
        self.require((SLOTS,))

    def require(self, resources: Sequence[str]) -> None:
        """Raise BackendUnavailable where no node offers all of `resources`."""
        if not self.offering(resources):
            msg = f"no node of the Ray cluster offers {resources[-1]}"
            remedy = 'start nodes with ray start --resources "$(roi-accel devices --ray)"'
            raise BackendUnavailable(msg, remedy=remedy)

    def _connect(self) -> None:
        # Ray puts a handler of its own in place, which would end the batch without a word.
        before = signal.getsignal(signal.SIGTERM)
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if self._address is None:
                os.environ[_USAGE_VARIABLE] = "0"  # roi-accel sends nothing anywhere.
                self._ray.init(
                    address="local",
                    num_cpus=available_cores(),
                    resources=node_resources(self._workers),
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    **quiet,
                )
            else:
                self._ray.init(address=self._address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            where = f"at {self._address}" if self._address else "on this machine"
            msg = f"there is no Ray cluster {where} that can be used: {reason}"
            remedy = "start one with ray start --head, or leave out --address"
            raise BackendUnavailable(msg, remedy=remedy) from error
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)

    def refresh(self) -> list[Node]:
        """Bring `nodes` up to date, and return those that are gone since."""
        before = self.nodes
        self.nodes = [
            Node(
                node["NodeID"],
                f"{node['NodeManagerHostname']}/{node['NodeID'][:6]}",
                node["Resources"],
            )
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(SLOTS)
        ]
        alive = {node.id: node for node in self.nodes}
        self._known |= alive
        return [node for node in before if node.id not in alive]

    def node(self, node_id: str) -> Node:
        """Return a node by its id, whether it is still there or not."""
        return self._known.get(node_id) or Node(node_id, node_id[:6], {})

    def offering(self, resources: Sequence[str]) -> list[Node]:
        """Return the nodes that offer all of `resources`."""
        return [node for node in self.nodes if all(map(node.resources.get, resources))]

    def submit(
        self,
        function: Callable[..., Answer],
        arguments: tuple[object, ...],
        *,
        resources: Sequence[str],
        barred: Collection[str],
        retries: int,
    ) -> Any:  # noqa: ANN401 - Ray's own
        """Have `function` called on a node that offers `resources` and is not in `barred`.

        It is called again, at most `retries` times, where its worker or its node dies; never
        because it raises.
        """
        # What every node has for each of its slots.
        shares = [node.resources.get("CPU", 0) / node.resources[SLOTS] for node in self.nodes]
        options: dict[str, Any] = {
            "num_cpus": int(min(shares, default=1)),
            "resources": dict.fromkeys(resources, 1),
            "max_retries": retries,
            "retry_exceptions": False,
        }
        if barred:
            options["label_selector"] = {_NODE_LABEL: f"!in({','.join(sorted(barred))})"}
        return self._ray.remote(**options)(function).remote(*arguments)

    def wait(self, refs: list[Any], *, seconds: float) -> list[Any]:
        """Return those of `refs` that have an answer, once one has or time is up."""
        try:
            ready, _ = self._ray.wait(refs, num_returns=1, timeout=seconds)
        except SystemError as error:
            # Compiled code wraps in it what the handler of a signal raises.
            raise (error.__cause__ or error) from None
        return list(ready)

    def answer(self, ref: object) -> Answer | Failure | str:
        """Return what came of a call; how its workers or nodes died, though it was tried again."""
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(ref)
        except errors.RayTaskError as error:
            # `do_job` raises nothing: the node could not even begin.
            reason = str(error).strip().splitlines()[-1]
            msg = f"a node of the cluster cannot run roi-accel: {reason}"
            remedy = "install the same version of roi-accel on every node"
            return Failure.of(BackendUnavailable(msg, remedy=remedy))
        except errors.RayError as error:
            text = " ".join(str(error).split()) or type(error).__name__
            return text.partition(". ")[0]
        return answer

    def cancel(self, ref: object) -> None:
        """Have a call not be made, or ended."""
        self._ray.cancel(ref, force=True)

    def close(self, refs: Sequence[Any]) -> None:
        """End the calls in `refs`, and the connection if it is ours; safe to call twice."""
        if not self._ray.is_initialized():
            return
        for ref in refs:
            self.cancel(ref)
        if self._is_ours:
            self._ray.shutdown()
