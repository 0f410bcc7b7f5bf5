"""One folder for each service: a process that can be started, scaled and killed by itself; and the command line that composes them."""
