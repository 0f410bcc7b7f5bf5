"""Outbox, inbox, answers, presence and chunks on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from shared.db import answers, inbox, outbox, presence
from shared.db.answers import Answer
from shared.db.chunks import CHUNK_BYTES, read_chunks, write_chunks
from shared.db.engine import PostgresDatabase
from shared.db.models.reconfiguration import network_uploads, networks
from shared.db.presence import Presence
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, AskId, MessageId, NetworkKey, uuid7
from shared.observability import tracing
from tests.support.eventually import eventually
from tests.support.toys import TOY_QUEUE, ToyHappened, ToyRequested, toy_command

OTHER_ACCOUNT = AccountId(UUID("018f0000-0000-7000-8000-0000000000aa"))


# ------------------------------------------------------------------ outbox


async def test_a_message_carries_the_ids_of_the_work_that_caused_it(database: PostgresDatabase) -> None:
    message = ToyRequested(label="x")
    with tracing.working_on(correlation_id="c-1") as traceparent:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            message_id = await uow.outbox.add(OPEN_ACCOUNT_ID, message, reply_to="reply.me")
    claim = await claim_all(database)
    (envelope,) = claim.envelopes
    assert envelope.message_id == message_id
    assert (envelope.name, envelope.version, envelope.queue) == ("toy.work.requested", 1, TOY_QUEUE.name)
    assert (envelope.routing_key, envelope.reply_to) == ("toy.work.requested", "reply.me")
    assert (envelope.correlation_id, envelope.traceparent) == ("c-1", traceparent)
    assert ToyRequested.model_validate_json(envelope.body) == message
    assert envelope.attempt == 0


async def test_an_event_has_no_queue_and_may_have_a_routing_key_of_its_own(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, ToyHappened(label="x"), routing_key="reply.somebody")
    (envelope,) = (await claim_all(database)).envelopes
    assert (envelope.queue, envelope.routing_key) == (None, "reply.somebody")


async def test_a_message_of_a_transaction_that_fails_does_not_exist(database: PostgresDatabase) -> None:
    with pytest.raises(RuntimeError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x"))
            raise RuntimeError
    assert (await claim_all(database)).envelopes == []


async def test_only_messages_that_are_due_at_once_are_announced(database: PostgresDatabase) -> None:
    announced: list[MessageId] = []
    database.on_outbox_commit = announced.extend
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        now = await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="now"))
        later = await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="later"), delay_s=0.4)
    assert announced == [now]
    assert [each.message_id for each in (await claim_all(database)).envelopes] == [now]

    async def is_due() -> bool:
        return [each.message_id for each in (await claim_all(database)).envelopes] == [later]

    await eventually(is_due)


async def test_a_document_is_no_message(database: PostgresDatabase) -> None:
    with pytest.raises(ValueError, match="bytes"):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x" * 300_000))
    with pytest.raises(ValueError, match="routing key"):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x"), routing_key="k" * 256)


async def test_two_relays_never_claim_the_same_message_and_each_takes_the_oldest(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        ids = [await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label=str(i))) for i in range(30)]

    async def claim() -> list[MessageId]:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            claimed = await outbox.claim_due(uow.connection, limit=10, claim_s=30)
        return [each.message_id for each in claimed.envelopes]

    claims = await asyncio.gather(claim(), claim(), claim())
    assert sorted(each for claimed in claims for each in claimed) == ids
    assert all(each == sorted(each) for each in claims)


async def test_a_relay_that_dies_leaves_a_claim_that_runs_out(database: PostgresDatabase) -> None:
    await add_one(database)
    first = await claim_all(database, claim_s=0.3)
    assert len(first.envelopes) == 1
    assert (await claim_all(database)).envelopes == []
    second = await eventually(lambda: claim_some(database))
    # The late relay may not delete what is another's to publish now.
    await forget(database, first)
    assert await is_pending(database, first.envelopes[0].message_id)
    await forget(database, second)
    assert not await is_pending(database, first.envelopes[0].message_id)


async def test_what_the_broker_did_not_take_is_free_at_once(database: PostgresDatabase) -> None:
    await add_one(database)
    claim = await claim_all(database)
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await outbox.give_back(uow.connection, claim, [each.message_id for each in claim.envelopes])
    assert len((await claim_all(database)).envelopes) == 1


async def test_what_the_broker_refuses_is_tried_again_after_growing_pauses(database: PostgresDatabase) -> None:
    await add_one(database)
    pauses: list[float] = []
    for _ in range(8):
        claim = await claim_all(database)
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await outbox.postpone(uow.connection, claim, [each.message_id for each in claim.envelopes])
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            row = await uow.connection.execute(text("SELECT extract(epoch FROM available_at - now()) FROM outbox"))
            pauses.append(float(row.scalar_one()))
            await uow.connection.execute(text("UPDATE outbox SET available_at = now()"))
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=0.9)


async def test_a_message_can_be_withdrawn_until_it_is_published(database: PostgresDatabase) -> None:
    message_id = await add_one(database)
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await outbox.withdraw(uow.connection, message_id)
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert not await outbox.withdraw(uow.connection, message_id)
    assert (await claim_all(database)).envelopes == []


async def test_the_next_attempt_is_the_same_message_under_another_id(database: PostgresDatabase) -> None:
    first = replace(toy_command("x", body=b'{"label":"x","field of tomorrow":1}'), attempt=1, reply_to="reply.me")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        again_id = await outbox.put_again(uow.connection, first, delay_s=0)
    (again,) = (await claim_all(database)).envelopes
    assert again_id != first.message_id
    assert again == replace(first, message_id=again_id, attempt=2)


async def test_a_dead_letter_takes_the_place_of_its_own_row_and_cannot_be_deleted_by_its_publisher(
    database: PostgresDatabase,
) -> None:
    await add_one(database)
    published = await claim_all(database)
    (envelope,) = published.envelopes
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await outbox.put_dead(uow.connection, envelope, "no good")
    await forget(database, published)
    (dead,) = (await claim_all(database)).envelopes
    assert dead == replace(envelope, headers={"busbar-dead-reason": "no good"})


async def test_the_backlog_is_what_is_due(database: PostgresDatabase) -> None:
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert await outbox.backlog(connection) == outbox.Backlog(0, 0.0)
    await add_one(database)
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="later"), delay_s=60)
        await uow.connection.execute(
            text("UPDATE outbox SET available_at = available_at - interval '5 s' WHERE available_at <= now()")
        )
    async with database.reading(EVERY_ACCOUNT) as connection:
        waiting = await outbox.backlog(connection)
    assert waiting.count == 1
    assert 5 <= waiting.oldest_s < 10


# ------------------------------------------------------------------ inbox


async def test_a_message_is_new_to_a_handler_once(database: PostgresDatabase) -> None:
    message_id = MessageId(uuid7())
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await inbox.first_time(uow.connection, "a", message_id)
        assert not await inbox.first_time(uow.connection, "a", message_id)
        assert await inbox.first_time(uow.connection, "b", message_id)
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert await inbox.was_processed(connection, "a", message_id)
        assert not await inbox.was_processed(connection, "c", message_id)


async def test_of_two_transactions_at_once_the_second_waits_for_the_first(database: PostgresDatabase) -> None:
    message_id = MessageId(uuid7())
    verdicts: list[bool] = []

    async def second() -> None:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            verdicts.append(await inbox.first_time(uow.connection, "a", message_id))

    with pytest.raises(RuntimeError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            assert await inbox.first_time(uow.connection, "a", message_id)
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.2)
            assert verdicts == []
            raise RuntimeError  # the first one fails, so the message is the second one's
    await waiting
    assert verdicts == [True]


async def test_old_inbox_rows_are_forgotten(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await inbox.first_time(uow.connection, "a", MessageId(uuid7()))
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await inbox.forget_older_than(uow.connection, 60, 10) == 0
        assert await inbox.forget_older_than(uow.connection, -1, 10) == 1


async def test_only_so_many_old_rows_go_at_a_time_the_oldest_first_and_two_sweeps_share_them(
    database: PostgresDatabase,
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(
            text(
                "INSERT INTO inbox (handler, message_id, processed_at) SELECT 'age ' || n, gen_random_uuid(), "
                "now() - n * interval '1 day' FROM generate_series(1, 12) AS n"
            )
        )

    async def left() -> set[int]:
        async with database.reading(EVERY_ACCOUNT) as connection:
            return {
                int(name.removeprefix("age ")) for name in await connection.scalars(text("SELECT handler FROM inbox"))
            }

    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await inbox.forget_older_than(uow.connection, 2.5 * 86400, 3) == 3
    assert await left() == set(range(1, 10))
    async with database.unit_of_work(EVERY_ACCOUNT) as one, database.unit_of_work(EVERY_ACCOUNT) as other:
        assert await inbox.forget_older_than(one.connection, 2.5 * 86400, 4) == 4
        assert await inbox.forget_older_than(other.connection, 2.5 * 86400, 4) == 3
    assert await left() == {1, 2}


# ------------------------------------------------------------------ answers


async def test_a_question_has_one_answer_and_only_its_account_sees_it(database: PostgresDatabase) -> None:
    ask_id = AskId(uuid7())
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await answers.put(uow.connection, OPEN_ACCOUNT_ID, Answer(ask_id, "refused", "line 7"))
        await answers.put(uow.connection, OPEN_ACCOUNT_ID, Answer(ask_id, "done"))
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert await answers.get(connection, OPEN_ACCOUNT_ID, ask_id) == Answer(ask_id, "refused", "line 7")
        assert await answers.get(connection, OTHER_ACCOUNT, ask_id) is None
        assert await answers.get(connection, OPEN_ACCOUNT_ID, AskId(uuid7())) is None
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await answers.forget_older_than(uow.connection, 60, 10) == 0
        assert await answers.forget_older_than(uow.connection, -1, 10) == 1


# ------------------------------------------------------------------ presence


async def test_a_process_is_present_from_its_start_to_its_stop(database: PostgresDatabase) -> None:
    async def live() -> int:
        async with database.reading(EVERY_ACCOUNT) as connection:
            return await presence.live(connection, "optimizer")

    first = Presence(database, instance="optimizer-1", service="optimizer")
    second = Presence(database, instance="optimizer-2", service="optimizer", version="9.9")
    other = Presence(database, instance="gateway-1", service="gateway")
    for each in (first, second, other):
        await each.start()

    async def both() -> bool:
        return await live() == 2

    await eventually(both)
    await first.stop()
    assert await live() == 1
    # A killed process says no goodbye: its row goes stale.
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("UPDATE workers SET seen_at = now() - interval '7 s'"))
        assert await presence.live(uow.connection, "optimizer") == 0
        assert await presence.live(uow.connection, "optimizer", within_s=10) == 1

    async def back() -> bool:
        return await live() == 1

    await eventually(back)
    await second.stop()
    await other.stop()
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await presence.forget_older_than(uow.connection, 0, 10) == 0


# ------------------------------------------------------------------ chunks


@pytest.fixture
async def network_key(database: PostgresDatabase) -> NetworkKey:
    key = NetworkKey(uuid7())
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(
            insert(networks).values(
                network_key=key, account_id=OPEN_ACCOUNT_ID, owner="o", kind="json", network_id="n", state="pending"
            )
        )
    return key


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("as_stream", [False, True])
async def test_a_document_comes_back_as_it_was_written(
    database: PostgresDatabase, network_key: NetworkKey, size: int, as_stream: bool
) -> None:
    document = bytes(i % 251 for i in range(size))

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, size, 700_001):
            yield document[start : start + 700_001]

    keys = {"network_key": network_key}
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        data = stream() if as_stream else document
        assert await write_chunks(uow.connection, network_uploads, keys, OPEN_ACCOUNT_ID, data) == size
    async with database.reading(EVERY_ACCOUNT) as connection:
        pieces = [each async for each in read_chunks(connection, network_uploads, keys, OPEN_ACCOUNT_ID)]
        others = [each async for each in read_chunks(connection, network_uploads, keys, OTHER_ACCOUNT)]
    assert b"".join(pieces) == document
    assert len(pieces) == max(1, -(-size // CHUNK_BYTES))
    assert others == []


async def test_writing_a_document_again_replaces_it(database: PostgresDatabase, network_key: NetworkKey) -> None:
    keys = {"network_key": network_key}
    for document in (b"x" * (2 * CHUNK_BYTES), b"short"):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await write_chunks(uow.connection, network_uploads, keys, OPEN_ACCOUNT_ID, document)
    async with database.reading(EVERY_ACCOUNT) as connection:
        pieces = [each async for each in read_chunks(connection, network_uploads, keys, OPEN_ACCOUNT_ID)]
    assert pieces == [b"short"]


async def add_one(database: PostgresDatabase) -> MessageId:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        return await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x"))


async def claim_all(database: PostgresDatabase, claim_s: float = 30.0) -> outbox.Claim:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        return await outbox.claim_due(uow.connection, limit=100, claim_s=claim_s)


async def claim_some(database: PostgresDatabase) -> outbox.Claim | None:
    claim = await claim_all(database)
    return claim if claim.envelopes else None


async def forget(database: PostgresDatabase, claim: outbox.Claim) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await outbox.forget_published(uow.connection, claim, [each.message_id for each in claim.envelopes])


async def is_pending(database: PostgresDatabase, message_id: MessageId) -> bool:
    async with database.reading(EVERY_ACCOUNT) as connection:
        return await outbox.is_pending(connection, message_id)
