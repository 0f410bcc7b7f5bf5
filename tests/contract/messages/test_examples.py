"""Every message has an example, and the examples of yesterday still parse."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest

from shared import contracts
from shared.bus.codec import parse
from shared.contracts.message import Envelope, Message
from shared.contracts.registry import CONTRACT_OF, CONTRACTS
from shared.db.outbox import MAX_BODY_BYTES, MAX_ROUTING_KEY_BYTES
from shared.errors import PoisonMessage
from shared.ids import OPEN_ACCOUNT_ID, MessageId, uuid7

EXAMPLES = Path(str(resources.files(contracts))) / "examples"


def example_of(contract: type[Message]) -> Path:
    return EXAMPLES / f"{contract.name}.v{contract.version}.json"


def envelope_with(contract: type[Message], body: bytes) -> Envelope:
    queue = contract.queue.name if contract.queue else None
    return Envelope(
        message_id=MessageId(uuid7()),
        account_id=OPEN_ACCOUNT_ID,
        name=contract.name,
        version=contract.version,
        body=body,
        routing_key=contract.name,
        queue=queue,
    )


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_message_has_an_example_that_names_all_its_fields(contract: type[Message]) -> None:
    example = json.loads(example_of(contract).read_bytes())
    message = parse(contract, envelope_with(contract, example_of(contract).read_bytes()))
    assert message.model_dump(mode="json") == example
    assert set(example) == set(contract.model_fields)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_parses_as_the_message_that_its_name_says(path: Path) -> None:
    found = re.fullmatch(r"(.+)\.v(\d+)\.json", path.name)
    assert found is not None
    contract = CONTRACT_OF[found[1], int(found[2])]
    parse(contract, envelope_with(contract, path.read_bytes()))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_an_example_without_a_required_field_is_refused_and_one_with_more_fields_is_not(
    contract: type[Message],
) -> None:
    example = json.loads(example_of(contract).read_bytes())
    parse(contract, envelope_with(contract, json.dumps(example | {"of tomorrow": {"x": [1]}}).encode()))
    for name, field in contract.model_fields.items():
        if field.is_required():
            less = {key: value for key, value in example.items() if key != name}
            with pytest.raises(PoisonMessage, match=name):
                parse(contract, envelope_with(contract, json.dumps(less).encode()))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_messages_are_small_and_their_names_fit_a_routing_key(contract: type[Message]) -> None:
    assert len(example_of(contract).read_bytes()) < MAX_BODY_BYTES / 100
    assert len(contract.name) <= MAX_ROUTING_KEY_BYTES
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)*", contract.name)
    assert contract.queue is None or contract.queue.name.startswith("busbar.")


def test_no_two_contracts_share_a_name_and_a_version() -> None:
    assert len(CONTRACT_OF) == len(CONTRACTS)
