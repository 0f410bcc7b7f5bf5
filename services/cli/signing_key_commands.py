"""``busbar signing-key list|rotate``: the words of the commands. What they do is in ``signing_keys.py``, imported when one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, DataDir, EnvFile, act_command, read_settings

if TYPE_CHECKING:
    from services.cli.acts import Act

signing_key = typer.Typer(help="Keys that sign access tokens of OAuth2 clients.", no_args_is_help=True)


@act_command(signing_key, "list")
def signing_key_list() -> Act:
    """List the keys that sign, will sign or are still believed, the newest first."""
    from services.cli.signing_keys import list_keys

    return list_keys()


@signing_key.command("rotate")
def signing_key_rotate(
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="Sign with it at once, not after ten minutes; for a key that is unsafe or unreadable."
        ),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make a new key; tokens that the old one signed stay valid until they expire."""
    from services.cli import acts, signing_keys

    settings = read_settings(env_file, data_dir=data_dir).settings
    acts.run(settings, signing_keys.rotate(settings, now=now), as_json=as_json)
