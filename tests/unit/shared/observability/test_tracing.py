from __future__ import annotations

import asyncio

import pytest
import structlog

from shared.observability.tracing import (
    TraceContext,
    child_of,
    current_correlation_id,
    current_traceparent,
    new_traceparent,
    parse,
    usable_correlation_id,
    working_on,
)

# The example of the W3C recommendation, section 3.2.
EXAMPLE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_standards_example_is_read_and_written() -> None:
    context = parse(EXAMPLE)
    assert context == TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)
    assert str(context) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        EXAMPLE.upper(),
        EXAMPLE + "-extra",
        EXAMPLE[:-1],
        "00-4bf92f3577b34da6a3ce929d0e0e473٦-00f067aa0ba902b7-01",
    ],
)
def test_what_the_standard_calls_invalid_is_ignored(text: str) -> None:
    assert parse(text) is None
    assert parse(child_of(text)) is not None


def test_a_later_version_with_more_fields_is_read() -> None:
    assert parse("01" + EXAMPLE[2:] + "-what-comes") == parse(EXAMPLE)


def test_a_child_is_another_span_of_the_same_trace_with_the_same_flags() -> None:
    for flags in ("00", "01"):
        child = parse(child_of(EXAMPLE[:-2] + flags))
        assert child is not None
        assert child.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert child.span_id != "00f067aa0ba902b7"
        assert f"{child.flags:02x}" == flags


def test_new_traces_differ() -> None:
    assert len({parse(new_traceparent()) for _ in range(100)} - {None}) == 100


async def test_work_is_known_by_its_ids_in_its_own_task_only() -> None:
    async def work(number: int) -> tuple[str, str, dict[str, object]]:
        with working_on(correlation_id=f"c{number}", traceparent=EXAMPLE, message_id=f"m{number}") as span:
            await asyncio.sleep(0)
            assert current_traceparent() == span
            return current_correlation_id(), span, structlog.contextvars.get_contextvars()

    (first, first_span, facts), (second, second_span, _) = await asyncio.gather(work(1), work(2))
    assert (first, second) == ("c1", "c2")
    assert first_span[:35] == second_span[:35] == EXAMPLE[:35]
    assert first_span != second_span
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert facts == {"correlation_id": "c1", "trace_id": trace_id, "message_id": "m1"}
    assert current_correlation_id() == ""
    assert structlog.contextvars.get_contextvars() == {}
    assert parse(current_traceparent()) is not None


@pytest.mark.parametrize("proposed", ["a" * 129, "two\nlines", "", "ümlaut", 'quo"te'])
def test_a_harmful_correlation_id_is_replaced(proposed: str) -> None:
    assert usable_correlation_id(proposed) != proposed
    assert usable_correlation_id("order-17:b/2") == "order-17:b/2"
    assert len(usable_correlation_id(None)) == 32
