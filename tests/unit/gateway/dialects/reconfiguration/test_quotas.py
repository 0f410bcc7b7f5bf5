from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.gateway.dialects.reconfiguration.quotas import (
    LARGEST_FILE_BYTES,
    NAMED_QUOTAS,
    Quotas,
    QuotasFileRefused,
    QuotasName,
    read_quotas,
)
from services.gateway.dialects.reconfiguration.translate import quotas_of

DEMO = NAMED_QUOTAS["ForDemo"]


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("NoLimits", (2147483647, 2147483647, "365.00:00:00", "365.00:00:00", 2147483647)),
        ("ForDemo", (2, 2, "12:00:00", "1.00:00:00", 100)),
        ("Restrictive", (1, 1, "00:01:00", "00:30:00", 10)),
    ],
)
def test_the_named_quotas_are_as_clients_know_them(name: QuotasName, wire: tuple[object, ...]) -> None:
    names = ("networkLimit", "sessionLimit", "optimizationTimeout", "sessionTimeout", "networkMaxSize")
    written = json.loads(quotas_of(NAMED_QUOTAS[name]).model_dump_json(by_alias=True))
    assert list(written.items()) == list(zip(names, wire, strict=True))


def test_a_user_in_the_file_differs_from_the_default_in_what_is_said() -> None:
    table = read_quotas(
        b'\xef\xbb\xbf{"u1": {"networkLimit": 7, "sessionTimeout": "00:00:00.2"}, "user:4": {}}', DEMO, "q"
    )
    assert table.of("u1").network_limit == 7
    assert table.of("u1").session_timeout == timedelta(milliseconds=200)
    assert table.of("u1").session_limit == DEMO.session_limit
    assert table.of("u1").optimization_timeout == DEMO.optimization_timeout
    assert table.of("user:4") == table.of("anybody") == DEMO


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("", ["not valid JSON"]),
        ("{", ["not valid JSON"]),
        ("[" * 100_000, ["not valid JSON"]),
        ("[]", ["not a JSON object"]),
        ("null", ["not a JSON object"]),
        ('{"u1": 5}', ["user 'u1'"]),
        ('{"u1": {"networklimit": 5}}', ["user 'u1'", "networklimit"]),
        ('{"u1": {"networkLimit": "5"}}', ["user 'u1'", "networkLimit"]),
        ('{"u1": {"networkLimit": true}}', ["user 'u1'", "networkLimit"]),
        ('{"u1": {"networkLimit": 1.5}}', ["user 'u1'", "networkLimit"]),
        ('{"u1": {"networkLimit": NaN}}', ["not valid JSON", "NaN"]),
        ('{"u1": {"sessionLimit": -1}}', ["user 'u1'", "sessionLimit"]),
        ('{"u1": {"networkMaxSize": 2147483648}}', ["user 'u1'", "networkMaxSize"]),
        ('{"u1": {"networkLimit": null}}', ["user 'u1'", "networkLimit"]),
        ('{"u1": {"sessionTimeout": "PT1H"}}', ["user 'u1'", "sessionTimeout", "PT1H"]),
        ('{"u1": {"sessionTimeout": 60}}', ["user 'u1'", "sessionTimeout"]),
        ('{"u1": {"optimizationTimeout": "00:00:00"}}', ["user 'u1'", "optimizationTimeout", "longer"]),
        ('{"u1": {}, "u1": {}}', ["'u1'", "twice"]),
        ('{"u1": {"sessionLimit": -1}, "u2": {"x": 1}}', ["user 'u1'", "sessionLimit", "user 'u2'", "x"]),
    ],
)
def test_what_is_wrong_with_a_file_is_named(content: str, faults: list[str]) -> None:
    with pytest.raises(QuotasFileRefused) as refused:
        read_quotas(content.encode(), DEMO, "quotas.json")
    assert refused.value.message.startswith("quotas.json: ")
    for fault in faults:
        assert fault in refused.value.message


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b" " * (LARGEST_FILE_BYTES + 1)])
def test_a_bad_file_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "quotas.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(QuotasFileRefused, match=r"quotas\.json") as refused:
        Quotas(DEMO, file)
    assert refused.value.exit_status == 2


async def test_a_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "quotas.json"
    file.write_text('{"u1": {"networkLimit": 3}}')
    quotas = Quotas(DEMO, file)
    assert (await quotas.of("u1")).network_limit == 3
    unchanged = await quotas.current()
    assert await quotas.current() is unchanged
    for limit in (4, 5, 6):  # of the same length, and within one tick of the file system's clock
        file.write_text(f'{{"u1": {{"networkLimit": {limit}}}}}')
        assert (await quotas.of("u1")).network_limit == limit
    file.write_text("{}")
    assert await quotas.of("u1") == DEMO


async def test_a_file_that_goes_bad_leaves_the_last_good_one_in_force_and_is_logged_once(tmp_path: Path) -> None:
    file = tmp_path / "quotas.json"
    good = '{"u1": {"networkLimit": 3}}'
    file.write_text(good)
    quotas = Quotas(DEMO, file)
    for spoil, fault in ((lambda: file.write_text('{"u1": {'), "not valid JSON"), (file.unlink, "cannot be read")):
        with capture_logs() as logs:
            spoil()
            for _ in range(3):
                assert (await quotas.of("u1")).network_limit == 3
        (logged,) = [entry for entry in logs if entry["event"] == "quotas_file_refused"]
        assert logged["log_level"] == "error"
        assert fault in logged["reason"]
    file.write_text(good.replace("3", "8"))
    assert (await quotas.of("u1")).network_limit == 8


async def test_without_a_file_everybody_has_the_default() -> None:
    assert await Quotas(DEMO, None).of("anybody") == DEMO
