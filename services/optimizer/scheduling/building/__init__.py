"""From collected configuration and series to a scheduling problem. Pure: arrays and values in, a problem out."""
