"""What planning is agreed on by whoever asks for it, does it and tells of it: names of schedulers, how far it looks ahead."""

from __future__ import annotations

from datetime import timedelta

# FlexMeasures' names: of what plans devices and stocks, and of what plans processes alone.
STORAGE_SCHEDULER, PROCESS_SCHEDULER = "StorageScheduler", "ProcessScheduler"
# So far a schedule or a forecast reaches where nothing is asked for, and so much of a schedule is told at most.
PLANNING_HORIZON = timedelta(hours=48)
# Levels of assets below one another that are looked into. No tree is deeper; a cycle would end there.
DEEPEST_TREE = 1000
