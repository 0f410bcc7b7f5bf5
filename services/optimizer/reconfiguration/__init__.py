"""Network reconfiguration: radial networks, power flow, search, certificates. Pure: arrays in, arrays out, no I/O."""
