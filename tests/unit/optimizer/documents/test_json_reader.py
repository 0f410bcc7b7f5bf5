"""Reading JSON: what is no JSON, what has the wrong shape, and what each accessor takes."""

from __future__ import annotations

import math
import pickle
import re
from enum import StrEnum

import pytest

from services.optimizer.documents.errors import DocumentError, UnreadableDocumentError
from services.optimizer.documents.json_reader import JsonObject, is_blank, read_json_object

PLACE = re.compile(r" Path '.*', line \d+, position \d+\.\Z", re.DOTALL)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def given(text: str) -> JsonObject:
    return read_json_object(text.encode())


def refusal(document: bytes) -> UnreadableDocumentError:
    with pytest.raises(UnreadableDocumentError) as caught:
        read_json_object(document)
    assert PLACE.search(caught.value.message), caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"", "Path '', line 1, position 1."),
        (b"   ", "Path '', line 1, position"),
        (b"not a network", "Path '', line 1, position"),
        (b'{"nodes": [\n {"id": tru}]}', "Path 'nodes[0].id', line 2, position "),
        (b'{"nodes": [1, 2,]}', "Path 'nodes[1]', line 1, position 16."),
        (b'{"nodes": [1, 2', "Path 'nodes[1]', line 1, position 16."),
        (b'{"a": NaN}', "Path 'a', line 1, position 7."),
        (b'{"a": 1e999}', "Path 'a', line 1, position 7."),
        (b'{"a": 1} x', "Path '', line 1, position 10."),
        (b"{'a': 1}", "Path '', line 1, position 2."),
        (b'{"a": "\\ud800"}', "Path 'a', line 1, position "),
        (b'{"a": "x\x00y"}', "Path 'a', line 1, position "),
        (b'\n{"a": "caf\xe9"}', "Path 'a', line 2, position 11."),
        (b'{"\xc3\xa9": x}', "Path 'é', line 1, position 7."),
        (b"\xff\xfe{\x00}\x00", "Path '', line 1, position 1."),
        (b"\xef\xbb\xbf{x}", "Path '', line 1, position 2."),
        (b"[" * 100_000, "line 1, position "),
        (b"[" * 100_000 + b"]" * 100_000, "line 1, position "),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "line 1, position "),
        (b"1" * 100_000, "Path '', line 1, position 1."),
        (b"[]", "Path '', line 1, position 1."),
        (b"  7", "Path '', line 1, position 3."),
        (b"null", "Path '', line 1, position 1."),
        (b'"text"', "Path '', line 1, position 1."),
        (b"123456789012345678901234567890", "Path '', line 1, position 1."),
    ],
)
def test_what_is_no_json_object_is_refused_with_its_place(document: bytes, place: str) -> None:
    assert place in refusal(document).message


def test_byte_order_mark_is_skipped() -> None:
    assert read_json_object(b'\xef\xbb\xbf{"a": "b"}').text("a") == "b"


def test_errors_cross_process_boundaries() -> None:
    error = refusal(b'{"a": [x]}')
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.message, copied.path) == (UnreadableDocumentError, error.message, "a[0]")
    assert pickle.loads(pickle.dumps(DocumentError("why"))).message == "why"


@pytest.mark.parametrize("document", [b"", b"null", b" \r\n", b"\tnull\n", b"\xef\xbb\xbf", b"\xef\xbb\xbfnull"])
def test_blank_documents(document: bytes) -> None:
    assert is_blank(document)


@pytest.mark.parametrize("document", [b"{}", b"undefined", b"nul", b"0", b'""', b"[null]"])
def test_documents_that_say_something(document: bytes) -> None:
    assert not is_blank(document)


def test_names_match_in_any_case_and_the_last_of_several_counts() -> None:
    assert given('{"Node_ID": "x"}').text("node_id") == "x"
    assert given('{"id": "x", "id": "y"}').text("id") == "y"
    assert given('{"id": "x", "ID": "y"}').text("id") == "y"
    assert given('{"ID": "x", "id": "y", "other": {}}').text("id") == "y"


def test_unknown_names_are_ignored() -> None:
    assert given('{"": [1], "id": "x", "123": null}').text("id") == "x"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", 12.5),
        ("-0.25", -0.25),
        ("7", 7.0),
        ("1E3", 1000.0),
        ("18446744073709551616", 2.0**64),
        ('"12.5"', 12.5),
        ('" -1e3 "', -1000.0),
        ('".5"', 0.5),
        ('"5."', 5.0),
        ('"+3"', 3.0),
        ('"Infinity"', math.inf),
        ('"+Infinity"', math.inf),
        ('"-Infinity"', -math.inf),
    ],
)
def test_numbers(text: str, number: float) -> None:
    fields = given(f'{{"n": {text}, "list": [1, {text}]}}')
    assert fields.number("n", 99) == fields.required_number("n") == fields.optional_number("n") == number
    assert fields.numbers("list") == [1.0, number]
    assert all(type(value) is float for value in fields.required_numbers("list"))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "false",
        "[]",
        "[1]",
        "{}",
        '""',
        '"NaN"',
        '"nan"',
        '"-nan"',
        '"inf"',
        '"1e999"',
        '"1_000"',
        '"0x10"',
        '"１２"',
        '"1,5"',
        '"12.5 kV"',
        '"' + "1" * 65 + '"',
        '"' + "9" * 1_000_000 + '"',
    ],
)
def test_what_is_no_number(text: str) -> None:
    fields = given(f'{{"n": {text},\n"list": [1, {text}]}}')
    with pytest.raises(UnreadableDocumentError, match=r"number.* Path 'n', line 1, position 7\.\Z") as caught:
        fields.number("n", 99)
    assert len(caught.value.message) < 500
    with pytest.raises(UnreadableDocumentError, match=r"Path 'list\[1\]', line 2, position 13\.\Z"):
        fields.numbers("list")


def test_null_and_absence_mean_not_given() -> None:
    for fields in (given("{}"), given('{"x": null}')):
        assert not fields.has("x")
        assert fields.text("x") is None
        assert fields.optional_number("x") is None
        assert fields.numbers("x") is None
        assert fields.objects("x") is None
        assert fields.choice("x", Colour) is None
        assert fields.duration_s("x") is None
        assert fields.number("x", 5.0) == 5.0
        assert fields.flag("x", default=True) is True


@pytest.mark.parametrize(
    "accessor",
    [
        "required_text",
        "required_number",
        "required_numbers",
        "required_flag",
        "required_objects",
        "required_moment",
    ],
)
def test_required_properties_that_are_missing_or_null(accessor: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"'x' is missing. Path '', line 1, position 1\.\Z"):
        getattr(given("{}"), accessor)("x")
    with pytest.raises(UnreadableDocumentError, match=r"'x' is null. Path 'x', line 1, position 7\.\Z"):
        getattr(given('{"x": null}'), accessor)("x")


@pytest.mark.parametrize(
    ("accessor", "text", "expected"),
    [
        ("text", "5", "string"),
        ("text", "[]", "string"),
        ("required_flag", "1", "true or false"),
        ("required_flag", '"true"', "true or false"),
        ("objects", "{}", "list"),
        ("objects", "[[]]", "object"),
        ("objects", "[7]", "object"),
        ("numbers", '"1"', "list"),
        ("numbers", "[null]", "number"),
        ("duration_s", "60", "string"),
        ("duration_s", '"1h"', "1h"),
        ("required_moment", '"soon"', "soon"),
        ("text", r'"a\u0000b"', "NUL"),
    ],
)
def test_wrong_types(accessor: str, text: str, expected: str) -> None:
    fields = given(f'{{"outer": [{{"x": {text}}}]}}').required_objects("outer")[0]
    with pytest.raises(UnreadableDocumentError, match=rf"{expected}.* Path 'outer\[0\]\.x(\[0\])?', line 1") as caught:
        getattr(fields, accessor)("x")
    assert PLACE.search(caught.value.message)


def test_enumerations_match_in_any_case_and_an_error_lists_them() -> None:
    assert given('{"x": "GREEN"}').required_choice("x", Colour) is Colour.GREEN
    with pytest.raises(UnreadableDocumentError, match=r"'blue' of 'x' is none of: red, green. Path 'x', line 1"):
        given('{"x": "blue"}').choice("x", Colour)
    with pytest.raises(UnreadableDocumentError, match="'x' is missing"):
        given("{}").required_choice("x", Colour)


def test_an_entry_that_is_null_is_refused() -> None:
    with pytest.raises(
        UnreadableDocumentError, match=r"'x' has an entry that is null. Path 'x\[1\]', line 1, position 11\."
    ):
        given('{"x": [{},null]}').objects("x")


def test_long_values_are_shortened_in_messages() -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        given('{"x": "' + "y" * 1_000_000 + '"}').required_moment("x")
    assert len(caught.value.message) < 500
