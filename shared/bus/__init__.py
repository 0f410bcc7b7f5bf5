"""The message path: the Bus port and its two adapters, the outbox relay, the consumer runner, ask-and-wait, dead letters."""
