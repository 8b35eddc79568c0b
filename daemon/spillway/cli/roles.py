"""`spillway roles`: the two roles of Spillway in Google Cloud, as commands that make them and as a page."""

from __future__ import annotations

from collections.abc import Iterator

import click

from spillway.adapters.permissions import PERMISSIONS, Permission, Role, create_command, of_role
from spillway.cli.console import out, print_json
from spillway.cli.options import json_option
from spillway.exits import Exit

_FOR = {
    Role.RUN: "the daemon while it runs",
    Role.BUILD: "`spillway up` and `destroy`, and a daemon that builds what a changed configuration says or steers a split",
}


@click.command(short_help="Print the gcloud commands that make Spillway's roles.")
@click.option(
    "--project", default="PROJECT_ID", show_default=True, help="Project that holds the load balancer."
)
@json_option
def roles(project: str, as_json: bool) -> int:
    """Print ready commands that make two custom roles in Google Cloud, with exactly the permissions in use.

    \b
    run    the daemon: sees, reads again after an edit or a crash, moves traffic
    build  besides, what building and removing the load balancer takes

    docs/permissions.md lists what each permission is for; `spillway doctor` tests which are granted.
    """  # noqa: D301 click wants the backspace itself, which keeps the lines below it as they are
    if as_json:
        print_json(
            [
                {
                    "role": role.value,
                    "permissions": [
                        {"name": each.name, "methods": list(each.methods), "purpose": each.purpose}
                        for each in of_role(role)
                    ],
                    "command": create_command(role, project),
                }
                for role in Role
            ]
        )
        return Exit.OK
    for role in Role:
        out.print(f"# {role.value}: {_FOR[role].replace('`', '')}", markup=False)
        out.print(create_command(role, project), markup=False, soft_wrap=True)
    return Exit.OK


def render() -> str:
    """The tables of both roles, for docs/permissions.md."""
    return "\n".join(line for role in Role for line in _table(role))


def _table(role: Role) -> Iterator[str]:
    besides = " It holds all of `run`, and besides:" if role is Role.BUILD else ""
    yield f"**`{role.value}`** is for {_FOR[role]}.{besides}"
    yield ""
    yield "| for | permission | needed by |"
    yield "| --- | --- | --- |"
    yield from (_row(each) for each in PERMISSIONS if each.role is role)
    yield ""


def _row(permission: Permission) -> str:
    methods = ", ".join(f"`{method}`" for method in permission.methods)
    return f"| {permission.purpose} | `{permission.name}` | {methods} |"
