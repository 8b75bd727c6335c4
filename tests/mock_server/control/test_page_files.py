"""The live page without a browser: its files, and what it is told."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

from tests.mock_server.control.control_server import Server, ask, content
from tests.mock_server.engines import arrive, engine_with
from windtunnel.mock_server.control.control import Control
from windtunnel.mock_server.control.history import MAX_SAMPLES, History
from windtunnel.mock_server.control.live_routes import LONGEST
from windtunnel.mock_server.control.page import FILES, POLICY
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.plan.plan import Plan


class Limited(Server):
    """A server on which a client has chosen odd names."""

    def snapshot(self) -> dict[str, Any]:
        return {"regions": {"local": {"limits": [{"model": "x" * 5000}]}}, "plans": {}}

    def recent(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        assert not scripts
        return [{"served_id": "s1", "model": "y" * 5000, "call_id": "a\udcffb"}]


@pytest.fixture
def server() -> Server:
    """A server that only remembers."""
    return Limited()


@pytest.mark.parametrize("path", ["/_windtunnel/", *[f"/_windtunnel/page/{name}" for name in FILES]])
def test_the_page_needs_no_token_and_is_fenced_in(server: Server, path: str) -> None:
    """The page's own files come without a token, and forbid everything from elsewhere and any frame."""
    reply = ask(Control(server, token="secret"), "GET", path)
    assert reply.status == 200
    assert dict(reply.headers)["content-security-policy"] == POLICY
    assert dict(reply.headers)["x-content-type-options"] == "nosniff"
    for part in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in POLICY
    assert "unsafe" not in POLICY
    assert ask(Control(server, token="secret"), "GET", "live").status == 401
    assert ask(Control(server), "POST", path).status == 405


def test_the_page_is_made_of_its_own_files() -> None:
    """Every file is named by another one and the other way round; nothing is from elsewhere or written in place."""
    folder = files("windtunnel.mock_server.control").joinpath("templates")
    texts = {name: folder.joinpath(name).read_text() for name in ("page.html", *FILES)}
    page = texts["page.html"]
    named = set(re.findall(r'/_windtunnel/page/([\w.]+)"', page))
    for text in texts.values():
        named |= set(re.findall(r'from "\./([\w.]+)"', text))
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
    assert named == set(FILES)
    assert re.findall(r"\sstyle=|\son\w+=|<style|<script(?![^>]*src=)", page) == []


def test_nothing_becomes_markup() -> None:
    """The page's JavaScript uses none of the ways in which a text turns into markup or code."""
    for name in FILES:
        text = files("windtunnel.mock_server.control").joinpath("templates", name).read_text()
        assert (
            re.findall(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|eval\(|Function\(", text
            )
            == []
        )


@pytest.mark.parametrize("path", ["/_windtunnel", "/"])
def test_the_way_to_the_page(server: Server, path: str) -> None:
    """Without the last slash, and on the admin port's root, one is sent to the page."""
    reply = ask(Control(server), "GET", path)
    assert (reply.status, dict(reply.headers)["location"]) == (308, "/_windtunnel/")


def test_the_state_in_one_reply(server: Server) -> None:
    """One reply says everything that is drawn; names that clients chose are cut, and always text."""
    server.history.add(7.0, 3, server.counters, (1, 2))
    state = content(ask(Control(server, shared="one of several"), "GET", "/_windtunnel/live?since=0"))
    assert (state["plan"], state["now_s"], state["shared"]) == ("first", 2.5, "one of several")
    assert state["samples"] == [[1, 7.0, 3, 0, 0, 1, 2]]
    assert state["connections"] == 2
    assert state["requests"][0]["call_id"] == "a?b"
    assert len(state["requests"][0]["model"]) == LONGEST + 1
    assert len(state["provider"]["regions"]["local"]["limits"][0]["model"]) == LONGEST + 1
    assert content(ask(Control(server), "GET", "/_windtunnel/live?since=1"))["samples"] == []


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "%C2%B2", "9" * 16])
def test_since_is_a_number(server: Server, since: str) -> None:
    """What is no number of a sample is refused by its name."""
    reply = ask(Control(server), "GET", f"/_windtunnel/live?since={since}")
    assert (reply.status, content(reply)["error"]["path"]) == (400, "since")


def test_a_script_of_its_own(server: Server) -> None:
    """The script of one request is there by its id, and that of another one is not."""
    control = Control(server)
    assert content(ask(control, "GET", "recent/s1")) == {"served_id": "s1", "script": "End"}
    assert ask(control, "GET", "recent/s2").status == 404


def test_the_first_plan_is_remembered(server: Server) -> None:
    """The plan that the server began with can be put back, whatever was in force meanwhile."""
    control = Control(server)
    assert content(ask(control, "GET", "live"))["first_plan"]["in_force"]
    assert ask(control, "PUT", "plan", {"name": "other"}).status == 200
    assert not content(ask(control, "GET", "live"))["first_plan"]["in_force"]
    assert content(ask(control, "GET", "plan/first"))["name"] == "first"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("evil.example:8080", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_a_name_that_leads_here_is_a_stranger(server: Server, host: str, status: int) -> None:
    """Without a token nothing is said to who calls the server by a name of others, as a page does whose name an
    attacker has pointed here."""
    assert ask(Control(server), "GET", "live", headers={"Host": host}).status == status
    token = {"Host": host, "Authorization": "Bearer secret"}
    assert ask(Control(server, token="secret"), "GET", "live", headers=token).status == 200


def test_history_is_bounded() -> None:
    """Five minutes are kept, and refused are those with an error status, answered or not by the provider."""
    counters, history = Counters(), History()
    counters.requests = {
        ("chat", "a", 200): 5,
        ("chat", "a", 429): 2,
        ("chat", "b", 503): 1,
        ("chat", "b", None): 4,
    }
    for second in range(MAX_SAMPLES + 10):
        history.add(float(second), second, counters, (0, 0))
    samples = history.since(0)
    assert (len(samples), samples[0].number, samples[-1].refused) == (MAX_SAMPLES, 11, 3)
    assert history.since(MAX_SAMPLES + 9) == samples[-1:]


def test_how_often_a_rule_has_acted() -> None:
    """The snapshot counts by rule, also what requests ask for themselves; another plan begins at 0."""
    rules = [
        {"fault": "overloaded", "match": {"model": "bad*"}},
        {"fault": "stall", "id": "slow", "with": {"seconds": "1s"}},
    ]
    engine = engine_with(rules=rules)
    for i, model in enumerate(["bad-1", "bad-2", "good"]):
        arrive(engine, 0.0, f"c{i}", model=model)
    arrive(engine, 0.0, "asked", model="good", fault_header="server_error")
    seen = engine.snapshot(0.0)
    assert {rule["id"]: rule["acted"] for rule in seen["rules"]} == {"rules[0]": 2, "slow": 1}
    assert seen["acted_as_asked"] == 1
    engine.set_plan(Plan.model_validate({"rules": rules}), 1.0)
    assert [rule["acted"] for rule in engine.snapshot(1.0)["rules"]] == [0, 0]
