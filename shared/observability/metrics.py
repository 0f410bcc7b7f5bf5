"""All metrics of the message path and the database, in one place, so that each noun has one name and one set of labels.

Names are ``busbar_<service>_<noun>_<unit>[_total]``, with the part of ``shared`` in the place of the service where every service
has it. Labels come from small closed sets (a contract's name, an outcome), never from an account or an id. Metrics are the one
thing that is made at import time; a service's own are beside the service.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_FAST_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SLOW_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

# ------------------------------------------------------------------ database

DATABASE_TRANSACTION_SECONDS = Histogram(
    "busbar_database_transaction_seconds", "Time from asking for a connection to giving it back.", buckets=_FAST_S
)
DATABASE_UNAVAILABLE = Counter(
    "busbar_database_unavailable", "Transactions that ended with: the database is away or cannot do it now."
)

# ------------------------------------------------------------------ messages going out

OUTBOX_DEPTH = Gauge("busbar_outbox_depth_messages", "Messages that are due and that the broker does not have yet.")
OUTBOX_OLDEST_SECONDS = Gauge("busbar_outbox_oldest_seconds", "Age of the oldest message that is due.")
PUBLISH_SECONDS = Histogram(
    "busbar_bus_publish_seconds", "Time until the broker has confirmed a batch.", buckets=_FAST_S
)
PUBLISHED = Counter("busbar_bus_published_messages", "Messages by what became of the attempt to publish.", ["outcome"])
BROKER_CONNECTED = Gauge("busbar_bus_connected_ratio", "1 while the broker is connected, else 0.")

# ------------------------------------------------------------------ messages coming in

# outcome: done | duplicate | superseded | expired | retried | failed | poison
HANDLED = Counter("busbar_bus_handled_messages", "Messages by contract and by how they ended.", ["contract", "outcome"])
HANDLE_SECONDS = Histogram(
    "busbar_bus_handle_seconds", "Time from delivery to acknowledgement.", ["contract"], buckets=_SLOW_S
)
WAITED_SECONDS = Histogram(
    "busbar_bus_waited_seconds", "Time from the message's making to its delivery.", ["contract"], buckets=_SLOW_S
)
IN_HAND = Gauge("busbar_bus_in_hand_messages", "Messages delivered to this process and not yet acknowledged.")
QUEUE_DEPTH = Gauge("busbar_bus_queue_depth_messages", "Commands that wait in a queue.", ["queue"])
DEAD_LETTERS = Gauge("busbar_bus_dead_letters_messages", "Messages in a dead-letter queue.", ["queue"])

# ------------------------------------------------------------------ questions and long work

# outcome: done | refused | failed | gone | unanswered | unavailable
ASK_SECONDS = Histogram(
    "busbar_asks_answer_seconds", "Time from a question to its answer.", ["contract", "outcome"], buckets=_SLOW_S
)
LEASES_HELD = Gauge("busbar_leases_held_leases", "Leases that this process holds.")
LEASES_LOST = Counter("busbar_leases_lost_leases", "Leases that expired or were taken over while this process worked.")

# ------------------------------------------------------------------ the process itself

LOOP_LAG_SECONDS = Histogram(
    "busbar_process_loop_lag_seconds",
    "How much later than asked the event loop came back.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
READY = Gauge("busbar_process_ready_ratio", "1 while work can be accepted, else 0.")
DEPENDENCY_WELL = Gauge("busbar_process_dependency_well_ratio", "1 while a dependency is well, else 0.", ["dependency"])
