"""Compiled loops on plain arrays: trees of a radial network and the power flow on them."""
