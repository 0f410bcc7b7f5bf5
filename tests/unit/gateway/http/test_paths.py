from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.http.paths import MalformedPath, Match, PathTable, WrongMethod, parse_prefix, parse_target


def table() -> PathTable[str]:
    made: PathTable[str] = PathTable()
    made.add("GET", "/", "home")
    made.add("GET", "/api/server", "server")
    made.add("GET", "/api/networks/{network_id}", "network")
    made.add("POST", "/api/networks/{network_id}", "load")
    made.add("GET", "/api/networks/{network_id}/analysis", "analysis")
    made.add("PUT", "/api/sessions/{session_id}/runOptimization", "run")
    made.add("GET", "/swagger/index.html", "page")
    made.add("GET", "/swagger/{file}", "file")
    return made


def found(method: str, raw: str) -> object:
    match table().find(method, parse_target(raw).segments):
        case Match(leads_to, ids):
            return leads_to, ids
        case other:
            return other


@pytest.mark.parametrize(
    "raw", ["/api/networks/Demo", "/API/Networks/Demo", "/api/networks/Demo/", "/api/networks/Demo?x=1&y"]
)
def test_literal_segments_match_in_any_case_and_a_trailing_slash_is_accepted(raw: str) -> None:
    assert found("GET", raw) == ("network", {"network_id": "Demo"})


def test_literal_segments_of_a_case_sensitive_api_match_as_they_are() -> None:
    made = table()
    made.add("GET", "/api/v2/user/{id}", "exact", is_case_sensitive=True)
    assert made.find("GET", ("api", "v2", "user", "A")) == Match("exact", {"id": "A"})
    for path in (("API", "v2", "user", "A"), ("api", "V2", "user", "A"), ("api", "v2", "User", "A")):
        assert made.find("GET", path) is None
    assert made.find("GET", ("API", "Server")) == Match("server", {}), "the others match in any case still"


def test_ids_keep_their_case_and_are_percent_decoded() -> None:
    assert found("GET", "/api/networks/Blank%20(and)%20brackets") == ("network", {"network_id": "Blank (and) brackets"})
    assert found("GET", "/api/networks/K%C3%B8benhavn%3F") == ("network", {"network_id": "København?"})
    assert found("GET", "/api/networks/a+b") == ("network", {"network_id": "a+b"})


def test_raw_utf8_in_a_path_is_read_as_it_stands() -> None:
    raw = b"/api/networks/K\xc3\xb8ge".decode("utf-8", "surrogateescape")
    assert found("GET", raw) == ("network", {"network_id": "Køge"})


@pytest.mark.parametrize(
    "raw",
    ["/api/networks/", "/api/networks//", "/api/networks//analysis", "/api/networks", "//api/server", "/api", "/x"],
)
def test_an_empty_id_or_an_unknown_path_leads_nowhere(raw: str) -> None:
    assert found("GET", raw) is None


def test_an_encoded_slash_is_no_part_of_an_id() -> None:
    assert found("GET", "/api/networks/a%2Fb") is None


def test_a_known_path_with_another_method_names_the_allowed_ones() -> None:
    assert found("PUT", "/api/networks/x") == WrongMethod(("GET", "HEAD", "POST"))
    assert found("GET", "/api/sessions/x/runOptimization") == WrongMethod(("PUT",))


def test_head_is_answered_where_get_is() -> None:
    assert found("HEAD", "/api/server") == ("server", {})


def test_a_literal_segment_is_preferred_to_an_id() -> None:
    assert found("GET", "/swagger/index.html") == ("page", {})
    assert found("GET", "/swagger/other.js") == ("file", {"file": "other.js"})


def test_the_root_is_a_path() -> None:
    assert found("GET", "/") == ("home", {})


@pytest.mark.parametrize("raw", ["/api/networks/%FF", "/api/networks/a%00b", "/api/networks/%C3"])
def test_what_is_no_text_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedPath):
        parse_target(raw)


def test_a_target_in_the_form_of_proxies_is_understood() -> None:
    assert parse_target("http://grid.example:8000/api/server?x=1").segments == ("api", "server")
    assert parse_target("http://grid.example").segments == ()
    assert parse_target("*").segments == ()


def test_a_prefix_is_stripped_when_present_and_never_required() -> None:
    prefix = parse_prefix("/opfsolver")
    for raw in ("/opfsolver/api/server", "/OpfSolver/api/server", "/api/server"):
        assert parse_target(raw).without_prefix(prefix).segments == ("api", "server")
    assert parse_target("/opfsolver").without_prefix(prefix).segments == ()
    assert parse_target("/opfsolverx/api").without_prefix(prefix).segments == ("opfsolverx", "api")
    assert parse_target("/opfsolver/a/").without_prefix(prefix).path == "/a/"
    assert parse_target("/opfsolver/").without_prefix(prefix).path == "/"


def test_a_prefix_may_have_several_segments() -> None:
    assert parse_target("/grid/tools/api").without_prefix(parse_prefix("grid/Tools/")).segments == ("api",)


def test_a_target_knows_the_prefix_that_was_taken_off_as_the_client_wrote_it() -> None:
    prefix = parse_prefix("/grid tools/opf")
    assert parse_target("/Grid%20Tools/OPF/swagger").without_prefix(prefix).prefix == "/Grid%20Tools/OPF"
    assert parse_target("/swagger").without_prefix(prefix).prefix == ""


def test_a_path_is_encoded_anew_for_location_headers() -> None:
    assert parse_target("/api/networks/a%20(b)/").path == "/api/networks/a%20%28b%29/"


def test_a_route_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        table().add("GET", "/API/server", "again")


@given(st.text(min_size=1))
def test_no_target_makes_the_parser_fail_otherwise(text: str) -> None:
    raw = "/" + text.encode("utf-8", "replace").decode()
    try:
        segments = parse_target(raw).segments
    except MalformedPath:
        return
    table().find("GET", segments)
