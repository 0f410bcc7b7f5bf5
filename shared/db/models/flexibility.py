"""Tables of flexibility scheduling: assets, sensors, who states what about them, and jobs.

The gateway writes assets, sensors, annotations and what was asked for (jobs); whoever works on a job writes what came of it.
Sources and beliefs are written through ``shared/beliefs``. Ids that clients know are integers. A row without an account is
public: everyone may read it, and only a transaction that reaches every account may write it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    BigInteger,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.models.base import account_column, created_at_column, metadata

# What ``flexibility_jobs.kind`` says.
SCHEDULING, FORECASTING, INGESTION = "scheduling", "forecasting", "ingestion"
# What ``flexibility_job_states.state`` says; no row at all means that nobody has begun. A deferred job waits for its steps, a
# canceled one is worked on by nobody, because what it was to follow has failed.
STARTED, DEFERRED, FINISHED, FAILED, CANCELED = "STARTED", "DEFERRED", "FINISHED", "FAILED", "CANCELED"
# What the arguments of an ingestion job say that it is about, as ``kind``.
POSTED_VALUES, UPLOADED_FILE = "values", "upload"
# What its result says that came of it, as ``outcome``.
PROCESSED, ALREADY_RECEIVED, INVALID_REPLACEMENT, NOT_STORED = (
    "processed",
    "already_received",
    "invalid_replacement",
    "failed",
)

# Tables where a row may belong to nobody, and be read by all.
WITH_PUBLIC_ROWS = (
    "flexibility_assets",
    "flexibility_sensors",
    "flexibility_sources",
    "flexibility_beliefs",
    "flexibility_annotations",
)


def _account_or_public() -> Column[Any]:
    return Column("account_id", Uuid, ForeignKey("accounts.account_id", ondelete="CASCADE"))


def _reference(name: str, target: str, *, primary_key: bool = False, nullable: bool = False) -> Column[Any]:
    kind = Uuid if target.startswith(("flexibility_jobs.", "accounts.")) else BigInteger
    key = ForeignKey(target, ondelete="CASCADE")
    return Column(name, kind, key, primary_key=primary_key, nullable=nullable and not primary_key)


# ------------------------------------------------------------------ written by the gateway

assets = Table(
    "flexibility_assets",
    metadata,
    Column("asset_id", BigInteger, Identity(always=True), primary_key=True),
    _account_or_public(),
    Column("name", Text, nullable=False),
    Column("asset_type", Text, nullable=False),  # a name of shared/flexibility/asset_types.py
    _reference("parent_asset_id", "flexibility_assets.asset_id", nullable=True),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("description", Text),
    Column("external_id", Text),
    # JSON and not JSONB: clients get back what they wrote, in their order.
    Column("attributes", JSON, nullable=False),
    Column("flex_context", JSON, nullable=False),
    Column("flex_model", JSON, nullable=False),
    Column("sensors_to_show", JSON, nullable=False),
    Column("sensors_to_show_as_kpis", JSON, nullable=False),
    created_at_column(),
    Index("ix_flexibility_assets_account_id", "account_id"),
    Index("uq_flexibility_assets_name_among_siblings", "parent_asset_id", "name", unique=True),
    Index(
        "uq_flexibility_assets_name_among_roots",
        "account_id",
        "name",
        unique=True,
        postgresql_where=text("parent_asset_id IS NULL"),
    ),
    Index(
        "uq_flexibility_assets_name_among_public_roots",
        "name",
        unique=True,
        postgresql_where=text("parent_asset_id IS NULL AND account_id IS NULL"),
    ),
)

# Its account is its asset's. Deleting a sensor deletes its beliefs (a trigger does it).
sensors = Table(
    "flexibility_sensors",
    metadata,
    Column("sensor_id", BigInteger, Identity(always=True), primary_key=True),
    _account_or_public(),
    _reference("asset_id", "flexibility_assets.asset_id"),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("event_resolution_s", Integer, nullable=False),  # 0: values at moments
    Column("timezone", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    created_at_column(),
    UniqueConstraint("asset_id", "name"),
    Index("ix_flexibility_sensors_account_id", "account_id"),
)

# (The plain name is taken by the import from the future.)
annotation_rows = Table(
    "flexibility_annotations",
    metadata,
    Column("annotation_id", BigInteger, Identity(always=True), primary_key=True),
    _account_or_public(),
    # Exactly one of the three is what it is about.
    _reference("asset_id", "flexibility_assets.asset_id", nullable=True),
    _reference("sensor_id", "flexibility_sensors.sensor_id", nullable=True),
    _reference("annotated_account_id", "accounts.account_id", nullable=True),
    Column("content", Text, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("end", DateTime(timezone=True), nullable=False),
    Column("belief_time", DateTime(timezone=True), nullable=False),
    Column("type", Text, nullable=False),
    _reference("source_id", "flexibility_sources.source_id"),
    created_at_column(),
    Index("ix_flexibility_annotations_asset_id", "asset_id"),
    Index("ix_flexibility_annotations_sensor_id", "sensor_id"),
    Index("ix_flexibility_annotations_annotated_account_id", "annotated_account_id"),
)

# What was asked for. ``data`` is emptied when the job is done, which is how those that wait are found.
jobs = Table(
    "flexibility_jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    account_column(),  # of the asset or sensor; of a public one, the caller's
    Column("kind", Text, nullable=False),  # scheduling | forecasting | ingestion
    _reference("asset_id", "flexibility_assets.asset_id", nullable=True),
    _reference("sensor_id", "flexibility_sensors.sensor_id", nullable=True),
    Column("requested_by", BigInteger),  # number of a user
    Column("arguments", JSONB, nullable=False),
    Column("data", LargeBinary),  # ingestion: packed little-endian float64, NaN for none; or a file
    Column("cache_key", Text),
    Column("position", Integer),  # of a step or a cycle
    Column("parent_job_id", Uuid),
    created_at_column(),
    Index("ix_flexibility_jobs_account_id_created_at", "account_id", "created_at"),
    Index("ix_flexibility_jobs_asset_id", "asset_id", postgresql_where=text("asset_id IS NOT NULL")),
    Index("ix_flexibility_jobs_sensor_id", "sensor_id"),
    Index("ix_flexibility_jobs_cache_key", "cache_key", postgresql_where=text("cache_key IS NOT NULL")),
    Index("ix_flexibility_jobs_parent", "parent_job_id", postgresql_where=text("parent_job_id IS NOT NULL")),
    Index(
        "ix_flexibility_jobs_waiting_ingestion",
        "created_at",
        "job_id",
        postgresql_where=text("kind = 'ingestion' AND data IS NOT NULL"),
    ),
    Index(
        "ix_flexibility_jobs_waiting_of_sensor",
        "sensor_id",
        "created_at",
        postgresql_where=text("kind = 'ingestion' AND data IS NOT NULL"),
    ),
)

# ------------------------------------------------------------------ written by whoever works on the job

job_states = Table(
    "flexibility_job_states",
    metadata,
    _reference("job_id", "flexibility_jobs.job_id", primary_key=True),
    account_column(),
    Column("state", Text, nullable=False),  # STARTED | FINISHED | FAILED | …; no row: QUEUED
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("result", JSONB(none_as_null=True)),
    Column("failure", Text),
    Column("info", JSONB(none_as_null=True)),
    Index("ix_flexibility_job_states_ended_at", "ended_at"),
)

# What a scheduling or forecasting job computed for a sensor, for whoever asks for this job's and not for the latest.
job_outputs = Table(
    "flexibility_job_outputs",
    metadata,
    _reference("job_id", "flexibility_jobs.job_id", primary_key=True),
    _reference("sensor_id", "flexibility_sensors.sensor_id", primary_key=True),
    account_column(),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("resolution_s", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("values", ARRAY(Double), nullable=False),  # consumption positive where it is power
    Column("stored_sign", SmallInteger, nullable=False),  # +1 or -1: times this, it is what the beliefs say
    Index("ix_flexibility_job_outputs_sensor_id", "sensor_id"),
)

# ------------------------------------------------------------------ written through shared/beliefs

# Who states a value. Those of one name, type and model are a family, which has versions.
sources = Table(
    "flexibility_sources",
    metadata,
    Column("source_id", BigInteger, Identity(always=True), primary_key=True),
    _account_or_public(),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),  # user | scheduler | forecaster | reporter | …
    Column("model", Text),
    Column("version", Text),
    Column("user_number", BigInteger),
    Column("attributes", JSON, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),  # SHA-256 of all of the above
    created_at_column(),
    Index("ix_flexibility_sources_account_id", "account_id"),
)

# One statement about one event of a sensor. No references to sensors and sources: checked for each row, they would cost more than the
# row. Who writes holds the sensor's row, so that it does not go meanwhile. The columns stand in the order that wastes no room.
beliefs = Table(
    "flexibility_beliefs",
    metadata,
    Column("sensor_id", BigInteger, primary_key=True, autoincrement=False),
    Column("event_start", DateTime(timezone=True), primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("belief_time", DateTime(timezone=True), primary_key=True),
    Column("value", Double, nullable=False),
    Column("cumulative_probability", REAL, primary_key=True),
    Column("account_id", Uuid),
)
