"""What an operator sees: logs, metrics, traces and health. Every service uses it the same way."""
