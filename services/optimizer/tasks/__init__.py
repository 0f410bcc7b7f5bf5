"""What runs in child processes: documents in, results out. No database, no bus, no clock but those that pace
progress and date solutions.

``entry`` has the functions that the service calls and ``values`` what goes in and comes out; neither imports anything heavy, so
that the service itself stays light. The other modules are imported in the launcher of the children, by ``preload``.
"""
