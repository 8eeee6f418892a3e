"""How commands are looked up: a misspelt one is met with the nearest there is, in our own words."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from roi_accel._util.suggest import no_such


class Group(TyperGroup):
    """Commands of `roi-accel`, or of one of its commands."""

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - Typer keeps the type of its contexts to itself
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """Return the command that `args` begin with, and what follows it.

        Raises
        ------
        InputError
            There is no such command.
        """
        name = args[0]
        is_option = name.startswith("-")
        if not (is_option or ctx.resilient_parsing) and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            raise no_such(name, known, what="command", otherwise=f"see {ctx.command_path} --help")
        return super().resolve_command(ctx, args)
