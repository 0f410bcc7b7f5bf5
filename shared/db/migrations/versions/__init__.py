"""The steps, numbered in the order in which they are applied."""
