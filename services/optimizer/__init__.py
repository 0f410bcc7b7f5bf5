"""The optimizer: takes commands, has the work done in child processes, writes what came of it, announces it.

Its own process imports no numpy: everything that computes is under ``tasks`` and runs in children.
"""
