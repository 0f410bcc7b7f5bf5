from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.dialects.reconfiguration.time_spans import LONGEST, format_time_span, parse_time_span

SPANS = [
    ("365.00:00:00", timedelta(days=365)),
    ("12:00:00", timedelta(hours=12)),
    ("1.00:00:00", timedelta(days=1)),
    ("00:01:00", timedelta(minutes=1)),
    ("00:30:00", timedelta(minutes=30)),
    ("00:00:00", timedelta(0)),
    ("23:59:59", timedelta(hours=23, minutes=59, seconds=59)),
    ("00:00:00.2000000", timedelta(milliseconds=200)),
    ("3.04:05:06.0070080", timedelta(days=3, hours=4, minutes=5, seconds=6, milliseconds=7, microseconds=8)),
    ("10675199.02:48:05.4775800", LONGEST),
]


@pytest.mark.parametrize(("text", "span"), SPANS)
def test_a_span_is_read_and_written(text: str, span: timedelta) -> None:
    assert parse_time_span(text) == span
    assert format_time_span(span) == text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00:00.2", timedelta(milliseconds=200)),
        ("00:00:00.0000019", timedelta(microseconds=1)),
        ("0.00:00:01", timedelta(seconds=1)),
    ],
)
def test_a_shorter_or_finer_form_is_read(text: str, span: timedelta) -> None:
    assert parse_time_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PT1H",
        "1",
        "1:00:00",
        "24:00:00",
        "00:60:00",
        "00:00:60",
        "00:00",
        "-00:01:00",
        "1 00:00:00",
        "1.00:00:00.",
        "00:00:00.12345678",
        "00:00:00,5",
        " 00:01:00",
        "00:01:00\n",
        "٠٠:٠١:٠٠",
        "10675199.02:48:05.4775810",
        "99999999.00:00:00",
    ],
)
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        parse_time_span(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=LONGEST))
def test_what_is_written_is_read_as_it_was(span: timedelta) -> None:
    assert parse_time_span(format_time_span(span)) == span
