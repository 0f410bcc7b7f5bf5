"""The telemetry service: takes what was accepted for sensors, values and files, and stores it as beliefs."""
