"""The command line, and the composition of services into processes: the one place that may import every service."""
