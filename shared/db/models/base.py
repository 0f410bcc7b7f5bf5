"""What all tables share: one metadata with a naming convention, so that constraints have the same names everywhere."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Uuid, func

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def account_column() -> Column[object]:
    """The account that a row belongs to; every table with customer data has it."""
    return Column("account_id", Uuid, nullable=False)


def created_at_column() -> Column[object]:
    """When the row was made, by the database's clock."""
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())
