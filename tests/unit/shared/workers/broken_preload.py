"""A module that cannot be imported, for the launcher to stumble over."""

raise RuntimeError("the kernels cannot be compiled")
