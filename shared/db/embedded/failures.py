"""What can be wrong with the embedded database."""

from __future__ import annotations

from shared.errors import BusbarError


class EmbeddedPostgresFailed(BusbarError):
    """The embedded database cannot be made or does not start; the message has the server's own words where there are any."""

    code = "embedded_postgres_failed"


class DataDirInUse(BusbarError):
    """Another process, or a database server that it left behind, uses the data folder."""

    code = "data_dir_in_use"
    exit_status = 2


class ClusterVersionMismatch(EmbeddedPostgresFailed):
    """The data folder's database belongs to a major version of PostgreSQL that is not there."""

    code = "cluster_version_mismatch"
