"""Validation answers: FlexMeasures' texts, nested as the fields are."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.dialects.flexibility.errors import reply_to_error
from services.gateway.dialects.flexibility.fields import Colour, Email, Url
from services.gateway.dialects.flexibility.validation import Invalid, read_as, refused_values
from shared.errors import Conflict, InvalidInput


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    soc_min: int = Field(alias="soc-min")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    flex_model: list[Inner] = Field(default_factory=list, alias="flex-model")
    short: Annotated[str, Field(max_length=3)] = ""
    colour: Colour | None = None
    email: Email | None = None
    url: Url | None = None


def faults(**values: object) -> object:
    with pytest.raises(Invalid) as caught:
        read_as(Outer, {name.replace("_", "-"): value for name, value in values.items()}, "json")
    return caught.value.messages["json"]


def test_positions_in_lists_are_keys() -> None:
    found = faults(flex_model=[{"soc-min": 1}, {"soc-min": "x", "colour": 1}, 5])
    assert found == {
        "flex-model": {
            "1": {"soc-min": ["Not a valid integer."], "colour": ["Unknown field."]},
            "2": ["Invalid input type."],
        }
    }


def test_every_fault_is_told_at_once() -> None:
    assert faults(flex_model={}, short="four", nope=1) == {
        "flex-model": ["Not a valid list."],
        "short": ["Longer than maximum length 3."],
        "nope": ["Unknown field."],
    }


@pytest.mark.parametrize("text", ["", "red", "#12", "#12345", "#1a3443 ", "1a3443", "#zz", "#١٢٣"])
def test_what_is_no_colour(text: str) -> None:
    assert faults(colour=text) == {"colour": [f"{text} is not a valid hex color code."]}


@pytest.mark.parametrize("text", ["", "a", "a@b", "@b.c", "a b@c.d", "a@b..c", "a@@b.c", "a\n@b.c"])
def test_what_is_no_address(text: str) -> None:
    assert faults(email=text) == {"email": ["Not a valid email address."]}


@pytest.mark.parametrize(
    "text", ["", "logo.png", "javascript:alert(1)", "http://", "https://a b", 'https://a"onload=x']
)
def test_what_is_no_address_of_a_picture(text: str) -> None:
    assert faults(url=text) == {"url": ["Not a valid URL."]}


def test_values_that_are_refused_further_inside_are_told_by_field() -> None:
    for error, field in (
        (Conflict("taken", field="name"), "name"),
        (InvalidInput("no", field="email"), "email"),
        (Conflict("not now"), "_schema"),
    ):
        with pytest.raises(Invalid) as caught, refused_values():
            raise error
        assert caught.value.messages == {"json": {field: [error.message]}}


def test_the_answer_has_the_documented_shape() -> None:
    reply = reply_to_error(Invalid("path", {"id": ["Not a valid integer."]}), {})
    assert (reply.status, reply.content_type) == (422, "application/json")
    assert reply.body == (
        b'{"message":{"path":{"id":["Not a valid integer."]}},"result":"Rejected","status":"UNPROCESSABLE_ENTITY"}'
    )
