"""The one place for child processes: a launcher that forks warm children, a pool for short work, channels for long work.

A service starts one ``Launcher``, a fresh process that has imported and compiled everything heavy, and forks from it: a child
starts in milliseconds, shares that memory, and holds nothing of the service (no sockets, no locks, no event loop). Children
end with the launcher and the launcher ends with the service, also when that is killed with -9.

The launcher is our own and not ``multiprocessing``'s forkserver because that one imports the service's main module anew in
each child, blocks the caller while it forks, hides a failing preload, and lives on while any of its children does.
"""

from shared.workers.channel import Channel, ChannelClosed
from shared.workers.child import Child
from shared.workers.launcher import Launcher
from shared.workers.pool import PoolSaturated, WorkerPool

__all__ = ["Channel", "ChannelClosed", "Child", "Launcher", "PoolSaturated", "WorkerPool"]
