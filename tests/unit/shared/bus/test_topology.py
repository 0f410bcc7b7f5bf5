"""Names at the broker."""

from __future__ import annotations

from shared.bus.rabbitmq_topology import Names


def test_an_installations_prefix_takes_the_place_of_our_name() -> None:
    names = Names("site-7")
    assert names.queue("busbar.optimizer.runs") == "site-7.optimizer.runs"
    assert names.queue("busbar.optimizer.runs.dead") == "site-7.optimizer.runs.dead"
    assert (names.commands, names.events, names.dead) == ("site-7.commands", "site-7.events", "site-7.dead")


def test_the_usual_prefix_leaves_names_as_they_are() -> None:
    assert Names("busbar").queue("busbar.optimizer.runs") == "busbar.optimizer.runs"
