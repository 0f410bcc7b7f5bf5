"""The demonstration: a 33-bus feeder, loaded, optimised and proven over HTTP on the embedded default, and its picture."""
