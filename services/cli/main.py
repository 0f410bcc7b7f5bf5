"""The command ``busbar``. Each subcommand imports what it needs when it runs, so that the command line itself is quick.

Exit status: 0 done, 1 failed, 2 wrong usage. Results go to standard output, the rest to standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.account_commands import account, audit, user
from services.cli.credential_commands import client, key
from services.cli.import_command import import_
from services.cli.optimise_command import optimise
from services.cli.options import AsJson, DataDir, EnvFile, act_command, read_settings
from services.cli.schedule_command import schedule
from services.cli.signing_key_commands import signing_key
from shared.errors import BusbarError

app = typer.Typer(
    name="busbar",
    help="Self-hosted grid operations: network reconfiguration with certified results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
dlq = typer.Typer(help="Dead letters: messages that were given up, with the reason.", no_args_is_help=True)
app.add_typer(dlq, name="dlq")
app.add_typer(account, name="account")
app.add_typer(user, name="user")
app.add_typer(key, name="key")
app.add_typer(client, name="client")
app.add_typer(signing_key, name="signing-key")
app.add_typer(import_, name="import")
act_command(app, "audit")(audit)
app.command("optimise")(optimise)
app.command("schedule")(schedule)

LogFormat = Annotated[str | None, typer.Option("--log-format", help="json or console.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on (default: 8000).")]
MessageIdArgument = Annotated[str, typer.Argument(help="Message id as listed, or 'all'.")]


def main() -> None:
    """Entry point: run the command, turn our errors into one line and an exit status."""
    try:
        app()
    except BusbarError as error:
        sys.stderr.write(f"busbar: {error.message}\n")
        sys.exit(getattr(error, "exit_status", 1))


@app.command()
def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    open_mode: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open", help="Serve the reconfiguration API without credentials (default: on loopback)."
        ),
    ] = None,
    log_format: LogFormat = None,
    env_file: EnvFile = None,
) -> None:
    """Run everything on this machine; with no settings on an embedded Postgres and bus."""
    from services.cli.up import run_up

    loaded = read_settings(
        env_file, host=host, port=port, data_dir=data_dir, reconfiguration_open=open_mode, log_format=log_format
    )
    run_up(loaded.settings)


@app.command()
def gateway(host: Host = None, port: Port = None, log_format: LogFormat = None, env_file: EnvFile = None) -> None:
    """Run the gateway alone; needs BUSBAR_DATABASE_URL and BUSBAR_BROKER_URL."""
    from services.cli.up import run_one

    run_one(read_settings(env_file, host=host, port=port, log_format=log_format).settings, "gateway")


@app.command()
def optimizer(log_format: LogFormat = None, env_file: EnvFile = None) -> None:
    """Run one optimizer; needs BUSBAR_DATABASE_URL and BUSBAR_BROKER_URL."""
    from services.cli.up import run_one

    run_one(read_settings(env_file, log_format=log_format).settings, "optimizer")


@app.command()
def telemetry(log_format: LogFormat = None, env_file: EnvFile = None) -> None:
    """Run one telemetry service; needs BUSBAR_DATABASE_URL and BUSBAR_BROKER_URL."""
    from services.cli.up import run_one

    run_one(read_settings(env_file, log_format=log_format).settings, "telemetry")


@app.command()
def migrate(
    to: Annotated[str, typer.Option("--to", help="A revision, head or base; up or down.")] = "head",
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Bring the database to the newest schema, or to a revision."""
    from services.cli.database import run_migrate

    run_migrate(read_settings(env_file, data_dir=data_dir).settings, to)


@app.command()
def config(as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Show every setting in force and where it came from; secrets stay hidden."""
    from services.cli.configuration import show

    show(read_settings(env_file, data_dir=data_dir), as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Check settings, database, broker, clock, disk and solver processes, and say how to mend each."""
    from services.cli.doctor import run_doctor

    if not run_doctor(read_settings(env_file, data_dir=data_dir).settings, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def demo(
    report: Annotated[Path, typer.Option("--report", help="Where to write the picture.")] = Path("busbar-demo.html"),
) -> None:
    """Start on the embedded default, optimise a 33-bus feeder over HTTP, prove the result, draw it."""
    from services.cli.demo.command import run_demo

    if not run_demo(report):
        raise typer.Exit(1)


@app.command()
def openapi(dialect: Annotated[str, typer.Argument(help="Such as reconfiguration or flexibility.")]) -> None:
    """Print a dialect's OpenAPI document."""
    from services.cli.documents import print_openapi

    print_openapi(dialect)


@dlq.command("list")
def dlq_list(as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """List what waits in the dead-letter queues."""
    from services.cli.dead_letters import list_all

    list_all(read_settings(env_file, data_dir=data_dir).settings, as_json=as_json)


@dlq.command("show")
def dlq_show(message_id: MessageIdArgument, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Show one dead letter whole."""
    from services.cli.dead_letters import show

    show(read_settings(env_file, data_dir=data_dir).settings, message_id)


@dlq.command("replay")
def dlq_replay(message_id: MessageIdArgument, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Put a dead letter, or 'all', back into its queue."""
    from services.cli.dead_letters import replay

    replay(read_settings(env_file, data_dir=data_dir).settings, message_id)


@dlq.command("drop")
def dlq_drop(message_id: MessageIdArgument, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Delete a dead letter, or 'all'."""
    from services.cli.dead_letters import drop

    drop(read_settings(env_file, data_dir=data_dir).settings, message_id)


if __name__ == "__main__":
    main()
