"""``busbar signing-key list|rotate``: the words of the commands. What they do is in ``signing_keys.py``, imported when one runs."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.options import AsJson, DataDir, EnvFile, read_settings

signing_key = typer.Typer(help="Keys that sign access tokens of OAuth2 clients.", no_args_is_help=True)


@signing_key.command("list")
def signing_key_list(as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """List the keys that sign, will sign or are still believed, the newest first."""
    from services.cli.signing_keys import run_list

    run_list(read_settings(env_file, data_dir=data_dir).settings, as_json=as_json)


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
    from services.cli.signing_keys import run_rotate

    run_rotate(read_settings(env_file, data_dir=data_dir).settings, now=now, as_json=as_json)
