"""Flexibility scheduling: assets, sensors, sources and beliefs, jobs and what came of them, annotations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.migrations.rights import current_schema, protect, show_public_rows

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: None = None
depends_on: None = None

ASSETS, SENSORS, SOURCES, BELIEFS = (f"flexibility_{name}" for name in ("assets", "sensors", "sources", "beliefs"))
ANNOTATIONS = "flexibility_annotations"
JOBS, STATES, OUTPUTS = "flexibility_jobs", "flexibility_job_states", "flexibility_job_outputs"
WAITING = "kind = 'ingestion' AND data IS NOT NULL"

# Beliefs have no references (they would be checked row by row): what a cascade would do, this does once for a statement.
FORGET = """
CREATE FUNCTION forget_beliefs_of_sensors() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
BEGIN
    DELETE FROM flexibility_beliefs WHERE sensor_id IN (SELECT sensor_id FROM gone);
    RETURN NULL;
END
$$
"""
FORGET_WITH_SENSORS = """
CREATE TRIGGER forget_beliefs AFTER DELETE ON flexibility_sensors REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION forget_beliefs_of_sensors()
"""


def upgrade() -> None:
    """Add the tables, and what deletes beliefs together with their sensor."""
    _make_assets()
    _make_sensors()
    _make_sources_and_beliefs()
    _make_annotations()
    _make_jobs()
    _make_results()
    protect(ASSETS, SENSORS, SOURCES, BELIEFS, ANNOTATIONS, JOBS, STATES, OUTPUTS)
    show_public_rows(ASSETS, SENSORS, SOURCES, BELIEFS, ANNOTATIONS)
    op.execute(FORGET.format(schema=current_schema(op.get_bind())))
    op.execute(FORGET_WITH_SENSORS)


def downgrade() -> None:
    """Drop them again."""
    for table in (OUTPUTS, STATES, JOBS, ANNOTATIONS, BELIEFS, SOURCES, SENSORS, ASSETS):
        op.drop_table(table)
    op.execute("DROP FUNCTION forget_beliefs_of_sensors()")


def _make_assets() -> None:
    op.create_table(
        ASSETS,
        _number("asset_id"),
        _account_or_public(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("asset_type", sa.Text, nullable=False),
        _reference("parent_asset_id", f"{ASSETS}.asset_id", nullable=True),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.Column("description", sa.Text),
        sa.Column("external_id", sa.Text),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("attributes", "flex_context", "flex_model", "sensors_to_show", "sensors_to_show_as_kpis")
        ),
        _created_at(),
    )
    op.create_index(f"ix_{ASSETS}_account_id", ASSETS, ["account_id"])
    op.create_index(f"uq_{ASSETS}_name_among_siblings", ASSETS, ["parent_asset_id", "name"], unique=True)
    for name, columns, where in (
        ("roots", ["account_id", "name"], "parent_asset_id IS NULL"),
        ("public_roots", ["name"], "parent_asset_id IS NULL AND account_id IS NULL"),
    ):
        of_name = f"uq_{ASSETS}_name_among_{name}"
        op.create_index(of_name, ASSETS, columns, unique=True, postgresql_where=sa.text(where))


def _make_sensors() -> None:
    op.create_table(
        SENSORS,
        _number("sensor_id"),
        _account_or_public(),
        _reference("asset_id", f"{ASSETS}.asset_id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("event_resolution_s", sa.Integer, nullable=False),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        _created_at(),
        sa.UniqueConstraint("asset_id", "name"),
    )
    op.create_index(f"ix_{SENSORS}_account_id", SENSORS, ["account_id"])


def _make_sources_and_beliefs() -> None:
    op.create_table(
        SOURCES,
        _number("source_id"),
        _account_or_public(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("user_number", sa.BigInteger),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False, unique=True),
        _created_at(),
    )
    op.create_index(f"ix_{SOURCES}_account_id", SOURCES, ["account_id"])
    op.create_table(
        BELIEFS,
        sa.Column("sensor_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_start", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("source_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("belief_time", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("cumulative_probability", sa.REAL, primary_key=True),
        sa.Column("account_id", sa.Uuid),
    )


def _make_annotations() -> None:
    op.create_table(
        ANNOTATIONS,
        _number("annotation_id"),
        _account_or_public(),
        _reference("asset_id", f"{ASSETS}.asset_id", nullable=True),
        _reference("sensor_id", f"{SENSORS}.sensor_id", nullable=True),
        _reference("annotated_account_id", "accounts.account_id", nullable=True),
        sa.Column("content", sa.Text, nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("start", "end", "belief_time")),
        sa.Column("type", sa.Text, nullable=False),
        _reference("source_id", f"{SOURCES}.source_id"),
        _created_at(),
    )
    for name in ("asset_id", "sensor_id", "annotated_account_id"):
        op.create_index(f"ix_{ANNOTATIONS}_{name}", ANNOTATIONS, [name])


def _make_jobs() -> None:
    op.create_table(
        JOBS,
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _reference("asset_id", f"{ASSETS}.asset_id", nullable=True),
        _reference("sensor_id", f"{SENSORS}.sensor_id", nullable=True),
        sa.Column("requested_by", sa.BigInteger),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("cache_key", sa.Text),
        sa.Column("position", sa.Integer),
        sa.Column("parent_job_id", sa.Uuid),
        _created_at(),
    )
    # Written once and read once: compression would only cost time.
    op.execute(f"ALTER TABLE {JOBS} ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_index(f"ix_{JOBS}_account_id_created_at", JOBS, ["account_id", "created_at"])
    op.create_index(f"ix_{JOBS}_sensor_id", JOBS, ["sensor_id"])
    for name, columns, where in (
        ("asset_id", ["asset_id"], "asset_id IS NOT NULL"),
        ("cache_key", ["cache_key"], "cache_key IS NOT NULL"),
        ("parent", ["parent_job_id"], "parent_job_id IS NOT NULL"),
        ("waiting_ingestion", ["created_at", "job_id"], WAITING),
        ("waiting_of_sensor", ["sensor_id", "created_at"], WAITING),
    ):
        op.create_index(f"ix_{JOBS}_{name}", JOBS, columns, postgresql_where=sa.text(where))


def _make_results() -> None:
    op.create_table(
        STATES,
        _reference("job_id", f"{JOBS}.job_id", primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("result", JSONB),
        sa.Column("failure", sa.Text),
        sa.Column("info", JSONB),
    )
    op.create_index(f"ix_{STATES}_ended_at", STATES, ["ended_at"])
    op.create_table(
        OUTPUTS,
        _reference("job_id", f"{JOBS}.job_id", primary_key=True),
        _reference("sensor_id", f"{SENSORS}.sensor_id", primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolution_s", sa.Integer, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("values", sa.ARRAY(sa.Double), nullable=False),
        sa.Column("stored_sign", sa.SmallInteger, nullable=False),
    )
    op.create_index(f"ix_{OUTPUTS}_sensor_id", OUTPUTS, ["sensor_id"])


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, sa.Identity(always=True), primary_key=True)


def _account_or_public() -> sa.Column[object]:
    return sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.account_id", ondelete="CASCADE"))


def _reference(name: str, target: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[object]:
    kind = sa.Uuid if target.startswith((f"{JOBS}.", "accounts.")) else sa.BigInteger
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, kind, key, primary_key=primary_key, nullable=nullable)


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
