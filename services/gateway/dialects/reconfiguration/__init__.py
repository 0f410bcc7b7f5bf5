"""The API of the Power Grid Optimizer (PGO): networks, sessions, optimisation and solutions, as its existing clients know it."""
