"""`roi-accel devices`: what this machine has, what is missing, and the command that fixes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.markup import escape

from roi_accel.cli import _options as shared  # noqa: TC001 - Typer reads the annotations
from roi_accel.cli._options import OUTPUT, option
from roi_accel.cli.console import make_table, write_stdout
from roi_accel.devices.inventory import Inventory, take_inventory
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from roi_accel.backends.protocol import DeviceStatus

_MIB = 1 << 20


def devices(
    as_json: Annotated[bool, option(OUTPUT, "As JSON, for programs.", "--json")] = False,
    as_resources: Annotated[
        bool,
        option(
            OUTPUT, "As 'ray start --resources' takes it, for a node of a Ray cluster.", "--ray"
        ),
    ] = False,
    workers: Annotated[
        int | None,
        option(
            OUTPUT,
            "With --ray, how many pairs the node scores at a time.",
            show_default="one per GPU, or per four cores",
        ),
    ] = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Show every backend, device, execution provider and VMAF, and how to get what is missing.

    Nothing is changed, and the network is not used. Examples:

        roi-accel devices

        roi-accel devices --json

        roi-accel devices --ray
    """
    if workers is not None and not as_resources:
        msg = "--workers is for --ray"
        raise InputError(msg, remedy="add --ray, or leave --workers out")
    if as_resources:
        if as_json:
            msg = "--ray and --json are two forms of output"
            raise InputError(msg, remedy="leave one of them out; --ray is JSON too")
        from roi_accel.batch.ray.node import node_resources  # noqa: PLC0415 - all that scores comes with it

        write_stdout(json.dumps(node_resources(workers)) + "\n")
        return
    inventory = take_inventory()
    if as_json:
        write_stdout(json.dumps(inventory.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False, emoji=False)
    console.print(_backend_table(inventory))
    _print_unwrapped(
        console,
        (
            (f"{name} ({status.state})", status.remedy)
            for name, found in inventory.backends.items()
            for status in found
        ),
    )
    console.print(f"auto takes {escape(inventory.auto)}", soft_wrap=True)
    console.print()
    providers = ", ".join(inventory.providers) or "none"
    console.print(
        f"ONNX Runtime {escape(inventory.onnxruntime)}: {escape(providers)}", soft_wrap=True
    )
    console.print(_provider_table(inventory))
    _print_unwrapped(
        console,
        ((f"{match.provider} for {match.device}", match.remedy) for match in inventory.matches),
    )
    console.print()
    console.print(_scorer_table(inventory))
    places = [(scorer.kind, scorer.path) for scorer in inventory.scorers if scorer.path]
    _print_unwrapped(console, places or [("no VMAF", 'pip install "roi-accel[cpu]" brings one')])


def _print_unwrapped(console: Console, said: Iterable[tuple[str, str]]) -> None:
    """Print what there is to copy of each thing, a remedy or a path, on a line of its own."""
    for what, text in dict.fromkeys(said):
        if text:
            console.print(f"[bold]{escape(what)}:[/] {escape(text)}", soft_wrap=True)


def _backend_table(inventory: Inventory) -> Table:
    table = make_table("Backends and devices", "backend", "device", "state", "what")
    for name, found in inventory.backends.items():
        for status in found:
            table.add_row(
                name,
                escape(status.device),
                f"[green]{status.state}[/]" if status.state == "ready" else status.state,
                escape(_describe(status)),
            )
    return table


def _provider_table(inventory: Inventory) -> Table:
    headings = ("backend", "device", "provider", "in this onnxruntime")
    table = make_table("What the saliency network runs on", *headings)
    for match in inventory.matches:
        table.add_row(
            match.backend,
            escape(match.device),
            match.provider,
            "no" if match.remedy else "[green]yes[/]",
        )
    return table


def _describe(status: DeviceStatus) -> str:
    parts = [status.description]
    if status.memory_bytes:
        parts.append(f"{status.memory_bytes // _MIB} MiB")
    if status.driver:
        parts.append(f"driver {status.driver}")
    return ", ".join(part for part in parts if part)


def _scorer_table(inventory: Inventory) -> Table:
    headings = ("program", "version", "libvmaf", "found through")
    table = make_table("VMAF, the first is taken", *headings)
    for scorer in inventory.scorers:
        table.add_row(scorer.kind, escape(scorer.version), escape(scorer.libvmaf), scorer.found)
    if not inventory.scorers:
        table.add_row("none")
    return table
