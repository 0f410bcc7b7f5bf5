"""Scheduling of flexible devices: linear and mixed-integer programs. Pure: arrays in, arrays out, no I/O."""
