"""The embedded default's database: a PostgreSQL cluster in the data folder, started, watched and stopped by this process.

``postgres.py`` starts and watches the server, ``cluster.py`` keeps the folder and who may use it, ``binaries.py`` finds the
programs, ``launcher.py`` is the small program in between that gives up root's rights and ties the server's life to ours.
"""

from shared.db.embedded.failures import ClusterVersionMismatch, DataDirInUse, EmbeddedPostgresFailed
from shared.db.embedded.postgres import EmbeddedPostgres

__all__ = ["ClusterVersionMismatch", "DataDirInUse", "EmbeddedPostgres", "EmbeddedPostgresFailed"]
