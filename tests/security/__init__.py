"""Whether a stranger, a neighbour or garbage gets in."""
