"""Schedule and forecast jobs: what was asked for is read, a child works it out, and what came of it is written. See ``jobs``."""
