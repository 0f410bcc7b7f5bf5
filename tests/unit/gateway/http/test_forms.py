from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType
from services.gateway.http.forms import FileField, FlagField, Form, FormBody, TextField
from services.gateway.http.spool import NoRoom, SpoolBudget
from tests.unit.gateway.http.streams import FORM_TYPE, form_body, incoming, part


class Document(BaseModel):
    pass


BODY = FormBody(
    [
        TextField("networkId", "which network"),
        FileField("demands", Document, "the demands"),
        FileField("startConfiguration", Document, "the start", required=False),
        FlagField("allowUnspecifiedConsumerDemands", "whether"),
    ]
)
NETWORK = part("networkId", "north")
DEMANDS = part("demands", '{"a": 1}', "d.json")


async def read(*parts: bytes, content_type: str | None = FORM_TYPE) -> Form:
    return await BODY.read(incoming([form_body(*parts)], content_type))


async def content(form: Form, name: str) -> bytes:
    return b"".join([piece async for piece in form.files[name].pieces()])


async def errors_of(*parts: bytes) -> dict[str, list[str]]:
    with pytest.raises(BindingFailed) as caught:
        await read(*parts)
    return caught.value.errors


@pytest.mark.parametrize("parts", [(NETWORK, DEMANDS), (DEMANDS, NETWORK)])
async def test_parts_may_come_in_any_order(parts: tuple[bytes, ...]) -> None:
    async with await read(*parts) as form:
        assert form.texts == {"networkId": "north"}
        assert await content(form, "demands") == b'{"a": 1}'
        assert form.flags == {} and set(form.files) == {"demands"}


async def test_a_file_may_have_any_name_and_content_type() -> None:
    async with await read(
        NETWORK, part("demands", b"\xef\xbb\xbf{}", "näme;x.bin", "application/octet-stream")
    ) as form:
        assert await content(form, "demands") == b"\xef\xbb\xbf{}"


@pytest.mark.parametrize("filename", [None, ""])
async def test_a_part_without_a_filename_is_no_file(filename: str | None) -> None:
    async with await read(NETWORK, DEMANDS, part("startConfiguration", "undefined", filename)) as form:
        assert "startConfiguration" not in form.files
    assert await errors_of(NETWORK, part("demands", "{}", filename)) == {"demands": ["The demands field is required."]}


async def test_a_part_with_a_filename_is_no_text() -> None:
    assert set(await errors_of(part("networkId", "north", "n.txt"), DEMANDS)) == {"networkId"}


async def test_all_missing_fields_are_reported_together() -> None:
    assert set(await errors_of(part("other", "x"))) == {"networkId", "demands"}
    assert set(await errors_of()) == {"networkId", "demands"}
    assert set(await errors_of(part("networkId", ""), DEMANDS)) == {"networkId"}


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("True", True), ("FALSE", False), (" true ", True)])
async def test_a_flag_is_a_truth_value_in_any_case(text: str, flag: bool) -> None:
    async with await read(NETWORK, DEMANDS, part("allowUnspecifiedConsumerDemands", text)) as form:
        assert form.flags == {"allowUnspecifiedConsumerDemands": flag}


@pytest.mark.parametrize("text", ["perhaps", "1", "", "truefalse"])
async def test_any_other_flag_is_reported_with_what_is_missing(text: str) -> None:
    errors = await errors_of(DEMANDS, part("allowUnspecifiedConsumerDemands", text))
    assert set(errors) == {"networkId", "allowUnspecifiedConsumerDemands"}
    assert repr(text) in errors["allowUnspecifiedConsumerDemands"][0]


async def test_names_of_fields_match_in_any_case_and_the_first_of_several_counts() -> None:
    parts = (part("NETWORKID", "first"), part("networkId", "second"), DEMANDS, part("Demands", "{}", "late.json"))
    async with await read(*parts) as form:
        assert form.texts == {"networkId": "first"}
        assert await content(form, "demands") == b'{"a": 1}'


async def test_unknown_parts_are_passed_over() -> None:
    async with await read(part("limits", "17"), NETWORK, part("big", os.urandom(300_000), "x"), DEMANDS) as form:
        assert form.texts == {"networkId": "north"}


async def test_an_empty_file_is_there_and_empty() -> None:
    async with await read(NETWORK, DEMANDS, part("startConfiguration", "", "c.json")) as form:
        assert await content(form, "startConfiguration") == b""


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=edge"]
)
async def test_another_content_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(NETWORK, DEMANDS, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--edge",
        b"--edge\r\n",
        b"--edge\r\nContent-Disposition: form-data\r\n",
        NETWORK,
        NETWORK + DEMANDS[:-8],
        NETWORK + DEMANDS,
        form_body(b"--edge\r\nnonsense\r\n\r\nx\r\n"),
        form_body(b"--edge\r\n" + b"X-Long: " + b"y" * 20_000 + b"\r\n\r\nx\r\n"),
        form_body(b"--edge\r\n" + b"X-Many: y\r\n" * 500 + b"\r\nx\r\n"),
        form_body(part("a", "x", content_type="multipart/mixed; boundary=inner")),
    ],
)
async def test_a_malformed_or_truncated_form_is_a_binding_error(body: bytes) -> None:
    with pytest.raises(BindingFailed):
        await BODY.read(incoming([body], FORM_TYPE))


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 71])
async def test_a_form_without_a_usable_boundary_is_a_binding_error(content_type: str) -> None:
    with pytest.raises(BindingFailed):
        await read(NETWORK, DEMANDS, content_type=content_type)


async def test_documents_are_bounded_together() -> None:
    body = form_body(NETWORK, part("demands", b"x" * 600, "d"), part("other", b"y" * 600, "e"))
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        await BODY.read(incoming([body], FORM_TYPE, max_document_bytes=1000))


async def test_a_text_field_is_bounded() -> None:
    with pytest.raises(BodyTooLarge, match="networkId"):
        await read(part("networkId", "x" * 20_000), DEMANDS)


async def test_the_number_of_parts_is_bounded() -> None:
    assert set(await errors_of(*[part("x", "y")] * 101, NETWORK, DEMANDS)) == {"$"}


@pytest.mark.parametrize("ending", [b"", DEMANDS[:-4]])
async def test_a_refused_form_holds_nothing(ending: bytes) -> None:
    budget = SpoolBudget(1 << 30)
    body = part("demands", b"x" * 3_000_000, "d") + ending
    with pytest.raises(BindingFailed):
        await BODY.read(incoming([body], FORM_TYPE, budget=budget))
    assert budget.held_bytes == 0


async def test_no_room_is_said_and_nothing_held() -> None:
    budget = SpoolBudget(1000)
    body = form_body(NETWORK, part("demands", b"x" * 3_000, "d"))
    with pytest.raises(NoRoom):
        await BODY.read(incoming([body], FORM_TYPE, budget=budget))
    assert budget.held_bytes == 0


async def test_bytes_that_are_no_text_are_replaced_in_a_text_field() -> None:
    async with await read(part("networkId", b"n\xffo\x00rth"), DEMANDS) as form:
        assert form.texts == {"networkId": "n�o�rth"}


@given(content_=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 200), min_size=1, max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
async def test_however_a_form_arrives_its_file_is_the_same(content_: bytes, cuts: list[int]) -> None:
    body = form_body(NETWORK, part("demands", content_.replace(b"\r\n--edge", b""), "d"))
    pieces, position = [], 0
    for cut in cuts * (len(body) // sum(cuts) + 1):
        pieces.append(body[position : position + cut])
        position += cut
    async with await BODY.read(incoming([piece for piece in pieces if piece], FORM_TYPE)) as form:
        assert await content(form, "demands") == content_.replace(b"\r\n--edge", b"")
