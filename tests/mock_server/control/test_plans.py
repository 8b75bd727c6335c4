"""Named plans and the adjustable clock, over the admin API without a network."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_server.control.control_server import Server, ask, content
from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.control.control import Control
from windtunnel.mock_server.control.named_plans import MAX_PLANS

OVERLOADED = {"rules": [{"fault": "overloaded"}]}
REFUSE = {"rules": [{"fault": "refuse"}]}


@pytest.fixture
def server() -> Server:
    """A server that only remembers."""
    return Server()


@pytest.fixture
def control(server: Server) -> Control:
    """Its admin API."""
    return Control(server)


def test_a_named_plan_waits_until_it_is_used(server: Server, control: Control) -> None:
    """A plan without a key changes nothing until somebody puts it in force, and then is the one in force."""
    assert ask(control, "PUT", "plans/incident", {"plan": OVERLOADED}).status == 200
    assert server.plan.name == "first"
    assert content(ask(control, "GET", "plans"))["plans"][0]["in_force"] is False
    assert content(ask(control, "POST", "plan/use", {"name": "incident"}))["name"] == "incident"
    assert server.plan.rules[0].fault == "overloaded"
    assert content(ask(control, "GET", "plans/incident"))["in_force"] is True


def test_keys_are_only_known_by_their_hash(server: Server, control: Control) -> None:
    """A key and its hash name the same scope, and nothing that is given out contains the key."""
    secret = "sk-very-secret"
    replies = [ask(control, "PUT", "plans/mine", {"plan": OVERLOADED, "key": secret})]
    assert list(server.plans.scoped) == [key_hash(secret)]
    replies.append(ask(control, "PUT", "plans/mine", {"plan": OVERLOADED, "key": key_hash(secret)}))
    assert list(server.plans.scoped) == [key_hash(secret)]
    replies += [ask(control, "GET", "plans"), ask(control, "GET", "plans/mine")]
    assert all(reply.status == 200 and secret.encode() not in reply.body for reply in replies)
    assert content(replies[-1])["key_hash"] == key_hash(secret)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", "plans/a%2Fb", {"plan": {}}, 400, "expected up to 64 letters"),
        ("PUT", "plans/mine", {}, 400, "expected a plan"),
        ("PUT", "plans/mine", b"{", 400, "not JSON"),
        ("PUT", "plans/mine", {"plan": {"rules": [{"fault": "overloded"}]}}, 400, "overloaded"),
        ("PUT", "plans/mine", {"plan": {}, "key": ""}, 400, "expected an API key"),
        ("PUT", "plans/mine", {"plan": {}, "colour": 1}, 400, "expected an object with no key but"),
        ("PUT", "plans/mine", {"plan": REFUSE, "key": "sk-1"}, 409, "closes a port"),
        ("PUT", "plans/other", {"plan": {}, "key": "sk-taken"}, 409, "has the plan 'taken' already"),
        ("POST", "plan/use", {"name": "taken"}, 409, "belongs to one key"),
        ("POST", "plan/use", {"name": "nobody"}, 404, "expected one of: taken"),
        ("POST", "plan/use", {}, 404, "expected one of: taken"),
        ("GET", "plans/nobody", None, 404, "expected one of: taken"),
        ("DELETE", "plans/nobody", None, 404, "expected one of: taken"),
        ("POST", "clock", {"advance": 2}, 400, "without a unit"),
        ("POST", "clock", {"advance": "999999h"}, 400, "ten years"),
        ("POST", "clock", {"advance": "2h", "plan": "nobody"}, 404, "expected one of: taken"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    server: Server, control: Control, method: str, path: str, body: Any, status: int, said: str
) -> None:
    """Every mistake gets a status and a sentence that says what was expected."""
    ask(control, "PUT", "plans/taken", {"plan": {}, "key": "sk-taken"})
    server.use_plan = _refuse_scoped(server)  # type: ignore[method-assign]  # a stand-in for the test
    reply = ask(control, method, path, body)
    assert (reply.status, said in content(reply)["error"]["message"]) == (status, True), reply.body
    assert [named.plan.name for named in server.plans] == ["taken"]
    assert (server.plan.name, server.engine.store.skew_s) == ("first", 0.0)


def _refuse_scoped(server: Server) -> Any:
    from windtunnel.mock_server.control.named_plans import PlansError

    def use(name: str) -> None:
        raise PlansError(f"the plan {name!r} belongs to one key")

    return use


def test_the_number_of_named_plans_is_capped(server: Server, control: Control) -> None:
    """One plan too many is refused; replacing one of them is not."""
    for number in range(MAX_PLANS):
        assert ask(control, "PUT", f"plans/p{number}", {"plan": {}}).status == 200
    assert ask(control, "PUT", "plans/more", {"plan": {}}).status == 409
    assert ask(control, "PUT", "plans/p0", {"plan": OVERLOADED}).status == 200
    assert ask(control, "DELETE", "plans/p1").status == 200
    assert ask(control, "PUT", "plans/more", {"plan": {}}).status == 200
    assert len(list(server.plans)) == MAX_PLANS


def test_the_clock_of_batches_goes_forward(server: Server, control: Control) -> None:
    """It adds up; a scoped plan's objects have a clock of their own."""
    ask(control, "PUT", "plans/mine", {"plan": {}, "key": "sk-1"})
    assert content(ask(control, "POST", "clock", {"advance": "2h"})) == {"ahead_s": 7200.0}
    assert content(ask(control, "POST", "clock", {"advance": "30m"})) == {"ahead_s": 9000.0}
    ask(control, "POST", "clock", {"advance": "1s", "plan": "mine"})
    assert content(ask(control, "GET", "clock")) == {"ahead_s": 9000.0, "plans": {"mine": 1.0}}
    assert server.engine.store.skew_s == 9000.0


def test_recent_requests(control: Control) -> None:
    """The last requests come with the time that they are seen from."""
    assert content(ask(control, "GET", "recent")) == {"now_s": 2.5, "requests": [{"served_id": "s1"}]}
