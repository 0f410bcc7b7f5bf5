"""Postgres: the single source of truth. Engine, unit of work, outbox, inbox, leases, tables, migrations, the embedded server."""
