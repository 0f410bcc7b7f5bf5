"""The compute jobs API, in cloudHPC's dialect: so far who is asking; files and jobs follow."""
