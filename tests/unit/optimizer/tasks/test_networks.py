"""Loading and analysing networks as the service asks for it."""

from __future__ import annotations

import orjson
import pytest

from services.optimizer.tasks import networks
from services.optimizer.tasks.values import LoadedNetwork, Refused
from tests.support.feeders import baran_wu_33, consumer, line, network, provider, two_feeders
from tests.unit.optimizer.tasks.documents import as_bytes, loaded


def test_a_network_comes_back_normalised_with_size_and_connectivity() -> None:
    found = loaded(baran_wu_33())
    assert found.bus_count == 33
    assert found.connectivity == {
        "ok": True,
        "unbreakable_cycle": None,
        "unconnectable_buses": None,
        "invalid_transformers": None,
    }
    document = orjson.loads(found.document)
    assert [node["id"] for node in document["nodes"]] == [node["id"] for node in baran_wu_33().network["nodes"]]
    again = networks.load(found.document)
    assert again == found, "the normalised document stands for the same network"


def test_a_network_that_cannot_be_radial_is_loaded_and_its_status_says_so() -> None:
    lines = [line("A", "G", "C", r=0.1, switchable=False), line("B", "C", "D", r=0.1, switchable=False)]
    lines.append(line("Z", "D", "G", r=0.1, switchable=False))
    found = networks.load(as_bytes(network([provider("G"), consumer("C"), consumer("D")], lines)))
    assert isinstance(found, LoadedNetwork)
    assert not found.connectivity["ok"]
    assert sorted(found.connectivity["unbreakable_cycle"]) == ["A", "B", "Z"]


def test_what_is_wrong_is_said_after_the_phrase_that_clients_know() -> None:
    texts = []
    for document in (b"", b"not json", b'{"nodes": []}', as_bytes(network([provider("G"), provider("G")], []))):
        found = networks.load(document)
        assert isinstance(found, Refused)
        assert found.text.startswith("An error occurred while parsing the network data: ")
        texts.append(found.text)
    assert "'G'" in texts[-1]


def test_the_report_has_more_lines_when_verbose() -> None:
    document = loaded(two_feeders()).document
    brief, verbose = (networks.analyse(document, verbose=wordy, is_cim=False) for wordy in (False, True))
    assert "Number of nodes = 2" in brief
    assert len(brief.splitlines()) > 10
    assert len(verbose.splitlines()) > 30


def test_a_shortage_of_memory_is_not_the_documents_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(_: bytes) -> object:
        raise orjson.JSONDecodeError("Not enough memory to allocate buffer for parsing", "", 0)

    monkeypatch.setattr("services.optimizer.documents.json_reader.orjson.loads", without_memory)
    with pytest.raises(MemoryError):
        networks.load(as_bytes(two_feeders().network))
