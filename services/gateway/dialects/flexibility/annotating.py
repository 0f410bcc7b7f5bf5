"""Notes about periods of sensors, assets and accounts."""

from __future__ import annotations

from datetime import UTC

from services.gateway.dialects.flexibility import annotation_store, people_store
from services.gateway.dialects.flexibility.access import (
    asset_to_work_on,
    no_sensor_in_path,
    sensor_for_posting,
)
from services.gateway.dialects.flexibility.accounts import readable_account
from services.gateway.dialects.flexibility.annotation_schemas import AnnotationInfo, NewAnnotation
from services.gateway.dialects.flexibility.annotation_store import Annotated, AnnotationRow
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAccount, UnknownAsset
from services.gateway.dialects.flexibility.permissions import Caller, caller_of, may_create_in
from services.gateway.dialects.flexibility.reading import number_in_path
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import object_reply
from services.gateway.http.call import Call, Reply
from shared.beliefs import source_store
from shared.beliefs.source_store import USER, NewSource
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.identity import audit


async def annotate_sensor(app: Flexibility, call: Call[None, NewAnnotation]) -> Reply:
    """Note something about a sensor; the same note again changes nothing."""
    number, caller = number_in_path(call, no_sensor_in_path), caller_of(call.identity)
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        row = await sensor_for_posting(work.connection, caller, number)
        return await _annotate(work, call, caller, Annotated(row.account_id, sensor_id=number))


async def annotate_asset(app: Flexibility, call: Call[None, NewAnnotation]) -> Reply:
    """Note something about an asset; the same note again changes nothing."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        row = await asset_to_work_on(work.connection, caller, number)
        return await _annotate(work, call, caller, Annotated(row.account_id, asset_id=number))


async def annotate_account(app: Flexibility, call: Call[None, NewAnnotation]) -> Reply:
    """Note something about an account; the same note again changes nothing."""
    number, caller = number_in_path(call, UnknownAccount), caller_of(call.identity)
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        row = await readable_account(work.connection, caller, number)
        if not may_create_in(caller, row.owner):
            raise NotPermitted
        account_id = row.owner.account_id
        return await _annotate(work, call, caller, Annotated(account_id, annotated_account_id=account_id))


async def _annotate(work: UnitOfWork, call: Call[None, NewAnnotation], caller: Caller, about: Annotated) -> Reply:
    connection, body = work.connection, call.body
    name = await people_store.find_name(connection, caller.user_number) or call.actor.subject
    source = NewSource(name=name, type=USER, user_number=caller.user_number)
    new = annotation_store.NewAnnotation(
        content=body.content,
        start=body.start,
        end=body.end,
        type=body.type,
        source_id=await source_store.source_id_of(connection, caller.account_id, source),
        belief_time=body.prior,
    )
    await annotation_store.take_turn(connection, new.source_id)
    if known := await annotation_store.find_same(connection, about, new):
        return object_reply(annotation_info_of(known))
    made = await annotation_store.insert_annotation(connection, about, new)
    await audit.record(
        connection,
        about.account_id or caller.account_id,
        "annotation:created",
        actor=call.actor,
        object_kind="annotation",
        object_id=str(made.annotation_id),
        details={"sensor_id": about.sensor_id, "asset_id": about.asset_id},
    )
    return object_reply(annotation_info_of(made), status=201)


def annotation_info_of(row: AnnotationRow) -> AnnotationInfo:
    """A note, with its times in UTC."""
    return AnnotationInfo(
        id=row.annotation_id,
        content=row.content,
        start=row.start.astimezone(UTC),
        end=row.end.astimezone(UTC),
        prior=row.belief_time.astimezone(UTC),
        source=row.source_id,
        type=row.type,
    )
