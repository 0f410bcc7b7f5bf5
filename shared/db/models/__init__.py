"""The tables, one module per domain. A table has one service that writes it; the infrastructure's tables belong to all."""
