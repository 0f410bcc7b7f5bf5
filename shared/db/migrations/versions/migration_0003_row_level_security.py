"""Row-level security: services act as a role that reaches only its transaction's rows, and audit events are only ever added."""

from __future__ import annotations

from alembic import op

from shared.db.migrations.rights import ROLE, current_schema, make_service_role, protect, unprotect

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: None = None
depends_on: None = None

WITH_ACCOUNT = (
    "accounts",
    "outbox",
    "leases",
    "answers",
    "reconfiguration_networks",
    "reconfiguration_network_uploads",
    "reconfiguration_sessions",
    "reconfiguration_session_uploads",
    "reconfiguration_runs",
    "reconfiguration_network_models",
    "reconfiguration_network_model_chunks",
    "reconfiguration_session_models",
    "reconfiguration_session_demand_chunks",
    "reconfiguration_solutions",
    "reconfiguration_solution_chunks",
    "reconfiguration_run_states",
    "users",
    "user_tokens",
    "api_keys",
    "oauth_clients",
    "oauth_client_secrets",
    "web_sessions",
    "audit_events",
)
OF_THE_INSTALLATION = ("inbox", "workers", "signing_keys", "sign_in_failures", "rate_counters")

# The function says by a setting of its own that it is at work; the owner who deletes by mistake has not set it.
REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('busbar.is_pruning_audit_events', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'audit events are only ever added; prune_audit_events() deletes those of more than 400 days'
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""
KEEP_AUDIT_EVENTS = """
CREATE TRIGGER keep_audit_events BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events()
"""
# With the owner's rights, so that a service can have old events deleted without a right to delete any.
PRUNE = """
CREATE FUNCTION prune_audit_events(at_most bigint DEFAULT 5000) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pruned bigint;
BEGIN
    PERFORM set_config('busbar.is_pruning_audit_events', 'yes', true);
    DELETE FROM {schema}.audit_events WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {schema}.audit_events WHERE occurred_at < now() - interval '400 days'
        ORDER BY occurred_at LIMIT at_most FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    PERFORM set_config('busbar.is_pruning_audit_events', '', true);
    RETURN pruned;
END
$$
"""


def upgrade() -> None:
    """Apply: only what a service of the release before can live with; that one owns the tables, and owners are not bound."""
    make_service_role()
    schema = current_schema(op.get_bind())
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {ROLE}")
    op.execute(f"GRANT SELECT ON alembic_version TO {ROLE}")
    for table in OF_THE_INSTALLATION:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
    protect(*WITH_ACCOUNT)
    # What later migrations make.
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {ROLE}")
    op.execute(f"REVOKE UPDATE, DELETE ON audit_events FROM {ROLE}")
    op.execute(REFUSE_CHANGE)
    op.execute(KEEP_AUDIT_EVENTS)
    op.execute(PRUNE.format(schema=schema))
    op.execute("REVOKE ALL ON FUNCTION prune_audit_events(bigint) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION prune_audit_events(bigint) TO {ROLE}")


def downgrade() -> None:
    """Take it back. The role stays: it belongs to the cluster, and another database may use it."""
    schema = current_schema(op.get_bind())
    op.execute("DROP FUNCTION prune_audit_events(bigint)")
    op.execute("DROP TRIGGER keep_audit_events ON audit_events")
    op.execute("DROP FUNCTION refuse_change_of_audit_events()")
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM {ROLE}"
    )
    unprotect(*reversed(WITH_ACCOUNT))
    for table in ("alembic_version", *OF_THE_INSTALLATION):
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM {ROLE}")
