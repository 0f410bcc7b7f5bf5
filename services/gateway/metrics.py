"""The gateway's own metrics. Routes are templates, so that the number of labels is that of the route table."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("busbar_gateway_requests", "Requests by how they ended.", ["dialect", "route", "status_class"])
REQUEST_SECONDS = Histogram(
    "busbar_gateway_request_seconds",
    "Time from the request's head to the last byte of its response.",
    ["dialect"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 30.0),
)
IN_FLIGHT = Gauge("busbar_gateway_in_flight_requests", "Requests that are being answered now.")
SPOOLED_BYTES = Gauge(
    "busbar_gateway_spooled_bytes", "Bytes of documents on their way between clients and the database."
)
SWEPT = Counter("busbar_gateway_swept_rows", "Rows that the housekeeping has deleted.", ["table"])
SIGN_INS = Counter("busbar_gateway_sign_ins", "Attempts to sign in with a password by how they ended.", ["outcome"])
REFUSED = Counter("busbar_gateway_refused_requests", "Requests that a gate turned away, by reason.", ["reason"])
HUB_CONNECTIONS = Gauge("busbar_gateway_hub_connections", "Connections of the real-time hub.", ["transport"])
HUB_MESSAGES = Counter("busbar_gateway_hub_messages", "Statuses handed to connections of the hub.")
HUB_LEFT_OUT = Counter(
    "busbar_gateway_hub_left_out_messages", "Statuses that a slow client was spared for a newer one."
)
HUB_ENDED = Counter("busbar_gateway_hub_ended_connections", "Connections of the hub that ended, by reason.", ["reason"])
