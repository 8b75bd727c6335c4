"""The live page in a browser, on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.mock_server.control.browser import chromium, tab
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.end_with_parent import PARENT_PID

pytestmark = pytest.mark.chromium

TOKEN = "sesame-1"
MARKUP = "<img src=x onerror=\"document.title='pwned'\">"
PLAN: dict[str, Any] = {
    "name": "storm",
    "provider": {
        "regions": {"east": {}, "west": {}},
        "capacity": {"slots": 3, "queue": 5},
        "answer": {"first_token": "1ms", "tokens": 8, "tokens_per_second": 10_000.0},
        "limits": {"rpm": 100},
    },
    "rules": [
        {"fault": "overloaded", "match": {"model": "bad"}},
        {"fault": "slow_first_token", "with": {"seconds": "1h"}, "match": {"model": "slow"}, "holds_slot": True},
        {"fault": "refuse", "match": {"region": "west"}},
    ],
    "phases": [{"name": "calm", "for": "1h"}, {"name": "worse", "for": "2h", "rules": [{"fault": "server_error"}]}],
}  # fmt: skip


class Mock:
    """A server process, called over HTTP."""

    def __init__(self, line: dict[str, Any]) -> None:
        self.page = f"{line['admin_url']}/"
        self._base = line["base_url"]

    def chat(self, model: str, call: str, *, timeout: float = 20.0) -> int | None:
        """One chat completion; its status, None where the client gave up."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        headers = {
            "authorization": "Bearer sk-x",
            "content-type": "application/json",
            "x-windtunnel-call": call,
        }
        return self._status(f"{self._base}/chat/completions", body, headers, "POST", timeout)

    def tell(self, method: str, path: str, body: Any = None, token: str = "") -> int | None:
        """A request to the admin API; its status."""
        return self._status(self.page + path, body, {"authorization": f"Bearer {token}"}, method, 20.0)

    def plan(self) -> dict[str, Any]:
        """The plan in force."""
        with _OPENER.open(f"{self.page}plan", timeout=20) as answer:
            return dict(json.load(answer))

    def _status(
        self, url: str, body: Any, headers: dict[str, str], method: str, timeout: float
    ) -> int | None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with _OPENER.open(request, timeout=timeout) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except TimeoutError:
            return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Mock]:
    """A server under `PLAN`."""
    path = folder / "plan.json"
    path.write_text(json.dumps(Plan.model_validate(PLAN).model_dump(mode="json", by_alias=True)))
    command = [sys.executable, "-m", "windtunnel.mock_server", "--plan", str(path), *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in (PARENT_PID, "WINDTUNNEL_CONTROL_TOKEN")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield Mock(json.loads(process.stdout.readline()))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One browser for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as url:
        yield url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """One server for all tests."""
    with serving(tmp_path_factory.mktemp("server")) as mock:
        yield mock


@pytest.fixture
def mock(served: Mock) -> Mock:
    """The server, under its first plan and without a memory."""
    assert served.tell("PUT", "plan", Plan.model_validate(PLAN).model_dump(mode="json", by_alias=True)) == 200
    assert served.tell("POST", "reset") == 200
    return served


ROW = "[...document.querySelectorAll('tr.request')].find((row) => row.textContent.includes(%s))"
CLICK = "[...document.querySelectorAll('button')].find((one) => one.textContent.startsWith(%s)).click()"
TEXT = "document.getElementById('%s').textContent"


def _row(text: str) -> str:
    return ROW % json.dumps(text)


def _click(text: str) -> str:
    return CLICK % json.dumps(text)


async def test_the_state_at_a_glance(devtools: str, mock: Mock) -> None:
    """Traffic, slots, limits, phases, faults and the last requests are on the page, and nothing is asked elsewhere."""
    assert mock.chat("good", "c1") == 200
    assert mock.chat("bad", "c2") == 503
    assert mock.chat("slow", "c3", timeout=0.2) is None
    async with tab(devtools, mock.page) as page:
        await page.until(f"{_row('c2')} && {TEXT % 'plan'} === 'storm'")
        assert await page.value(
            "document.querySelector('#phases p').textContent.startsWith('Phase 1 of 2: calm')"
        )
        provider = await page.value("document.getElementById('regions').innerText")
        assert "1 of 3" in provider
        assert "port closed: refuse" in provider
        assert " of 100" in provider
        rules = await page.value("document.getElementById('rules').innerText")
        assert "model: bad\talways\t1×\trules[0]" in rules
        refused = await page.value(f"{_row('c2')}.innerText")
        assert all(word in refused.split() for word in ("503", "overloaded", "complete"))
        assert "client left; in progress" in await page.value(f"{_row('c3')}.innerText")
        await page.until("[...document.querySelectorAll('.line')].every((line) => line.getAttribute('d'))")
        assert page.complaints == []
        assert {url.split("/_windtunnel/")[0] for url in page.requests} == {
            mock.page.removesuffix("/_windtunnel/")
        }


async def test_names_are_never_markup(devtools: str, mock: Mock) -> None:
    """A model and a call that are named like markup appear as they were written, and do nothing."""
    assert mock.chat(MARKUP, "<script>document.title='pwned'</script>") == 200
    async with tab(devtools, mock.page) as page:
        await page.until(_row(MARKUP))
        await page.until(f"document.getElementById('regions').textContent.includes({json.dumps(MARKUP)})")
        assert await page.value("document.querySelectorAll('main img, main script').length") == 0
        assert await page.value("document.title") == "storm – windtunnel"
        assert page.complaints == []


async def test_a_row_opens_to_its_script(devtools: str, mock: Mock) -> None:
    """A row shows its script where it is opened, and the table holds still until it is closed."""
    mock.chat("good", "first")
    async with tab(devtools, mock.page) as page:
        await page.until(_row("first"))
        await page.value(f"{_row('first')}.querySelector('button').click()")
        await page.until(
            "document.querySelector('.script')?.textContent.startsWith('Head 200 · first token')"
        )
        mock.chat("good", "second")
        await page.until(f"{TEXT % 'held'}.includes('1 newer')")
        assert await page.value(f"{_row('second')} === undefined")
        await page.value(f"{_row('first')}.querySelector('button').click()")
        await page.until(_row("second"))
        assert await page.value("document.querySelector('.script')") is None


async def test_buttons_switch_plans(devtools: str, mock: Mock) -> None:
    """Healthy, one phase alone, a named plan, and back: each button puts its plan in force, and shows it."""
    assert mock.tell("PUT", "plans/mine", {"plan": {"seed": 7}}) == 200
    async with tab(devtools, mock.page) as page:
        for label, name in (
            ("Healthy", "healthy"),
            ("storm: only worse", "storm, only worse"),
            ("mine", "mine"),
            ("storm (start", "storm"),
        ):
            await page.until(f"!document.getElementById('live').hidden && {_click(label)} === undefined")
            await page.until(
                f"{TEXT % 'plan-result'}.startsWith('Now used: ') && {TEXT % 'plan'} === {json.dumps(name)}"
            )
            assert mock.plan()["name"] == name
            pressed = "document.querySelector('#choices [aria-pressed=true]').textContent"
            assert (await page.value(pressed)).startswith(label)
            if label == "Healthy":
                assert list(mock.plan()["provider"]["regions"]) == ["east", "west"]
            if label.endswith("worse"):
                assert mock.chat("good", "held") == 500
        assert page.complaints == []
    assert mock.tell("DELETE", "plans/mine") == 200


async def test_one_click_breaks_every_request(devtools: str, mock: Mock) -> None:
    """A button per common fault: it acts on the next request and shows that it is on; Off leaves the plan as it was."""
    before = mock.plan()
    async with tab(devtools, mock.page) as page:
        await page.until("document.querySelectorAll('#faults button').length === 8")
        for label, status in (("429", 429), ("500", 500), ("503", 503), ("Malformed", 200)):
            await page.value(_click(label))
            pressed = "document.querySelector('#faults [aria-pressed=true]').textContent"
            await page.until(f"{pressed}.startsWith('{label}') && {TEXT % 'rules'}.includes('live page: ')")
            assert mock.chat("good", f"with-{label}") == status
            assert [rule["id"] for rule in mock.plan()["rules"] if rule["id"]].pop().startswith("live page: ")
        for label in ("Slow first", "Stall", "Cut"):
            await page.value(_click(label))
            await page.until(f"{pressed}.startsWith('{label}')")
        assert len(mock.plan()["rules"]) == len(before["rules"]) + 2
        await page.value(_click("Off"))
        await page.until(f"{pressed} === 'Off' && !{TEXT % 'rules'}.includes('live page: ')")
        assert mock.plan() == before
        assert mock.chat("good", "well") == 200
        assert page.complaints == []


async def test_a_reset_wants_two_clicks(devtools: str, mock: Mock) -> None:
    """One click asks, the second one begins anew."""
    mock.chat("good", "before")
    async with tab(devtools, mock.page) as page:
        await page.until(_row("before"))
        await page.value(_click("Reset"))
        await page.value(_click("Really reset?"))
        await page.until(f"{TEXT % 'plan-result'}.startsWith('Reset: ') && !{_row('before')}")


async def test_a_plan_of_one_s_own(devtools: str, mock: Mock) -> None:
    """A pasted plan is put in force, or everything that is wrong with it is named with its key path."""
    bad = json.dumps({"provider": {"capacity": {"slot": 1}}, "rules": [{"fault": "overlaoded"}]})
    good = json.dumps({"name": "pasted", "provider": {"regions": {"east": {}, "west": {}}}})
    async with tab(devtools, mock.page) as page:
        await page.until("!document.getElementById('live').hidden")
        put = "document.getElementById('plan-text').value = %s, document.getElementById('put').click()"
        await page.value("document.getElementById('own').open = true")
        await page.value(put % json.dumps("{nonsense"))
        await page.until(f"{TEXT % 'problems'}.includes('This is not JSON')")
        await page.value(put % json.dumps(bad))
        await page.until("document.querySelectorAll('#problems li').length === 2")
        problems = await page.value(TEXT % "problems")
        assert "provider.capacity.slot: found the unknown key 'slot'" in problems
        assert (
            "rules.0.fault: found the unknown fault 'overlaoded', expected 'overloaded' perhaps" in problems
        )
        assert mock.plan()["name"] == "storm"
        await page.value(put % json.dumps(good))
        await page.until(f"{TEXT % 'plan'} === 'pasted' && {TEXT % 'problems'} === ''")
        await page.value(
            "document.getElementById('plan-text').value = '', document.getElementById('load').click()"
        )
        await page.until("JSON.parse(document.getElementById('plan-text').value).name === 'pasted'")


async def test_a_token_is_asked_for_once(devtools: str, tmp_path: Path) -> None:
    """A server with a token shows nothing before it is given, takes the right one alone, and its tab remembers it;
    when the server ends, the page says that it does not answer, and leaves what was there."""
    give = (
        "document.getElementById('token').value = %s, document.getElementById('token-form').requestSubmit()"
    )
    with serving(tmp_path, "--control-token", TOKEN) as mock:
        async with tab(devtools, mock.page) as page:
            await page.until("!document.getElementById('token-form').hidden")
            assert await page.value("document.getElementById('live').hidden")
            await page.value(give % "'wrong'")
            await page.until(f"{TEXT % 'token-error'}.includes('does not take')")
            await page.value(give % json.dumps(TOKEN))
            await page.until(f"document.getElementById('token-form').hidden && {TEXT % 'plan'} === 'storm'")
            assert TOKEN not in json.dumps(page.requests)
            assert await page.value("localStorage.length + document.cookie.length") == 0
            await page.tell("Page.reload")
            await page.until(f"{TEXT % 'state'} === 'live' && {TEXT % 'plan'} === 'storm'")
            await page.value(_click("Healthy"))
            await page.until(f"{TEXT % 'plan'} === 'healthy'")
            assert mock.tell("POST", "stop", token=TOKEN) == 200
            await page.until(f"{TEXT % 'alarm'}.includes('no answer') && {TEXT % 'plan'} === 'healthy'")


async def test_the_page_is_quiet_while_nobody_looks(devtools: str, mock: Mock) -> None:
    """Hidden, the page asks nothing for longer than its period; seen again, it asks at once."""
    hide = "Object.defineProperty(document, 'hidden', {get: () => %s, configurable: true})"
    change = "document.dispatchEvent(new Event('visibilitychange'))"
    async with tab(devtools, mock.page) as page:
        await page.until(f"{TEXT % 'state'} === 'live'")
        await page.value(f"{hide % 'true'}, {change}")
        await page.value("new Promise((done) => setTimeout(done, 300))")  # what was under way comes back
        before = len(page.requests)
        await page.value("new Promise((done) => setTimeout(done, 1400))")
        assert len(page.requests) == before
        shown = await page.value(TEXT % "clock")
        await page.value(f"{hide % 'false'}, {change}")
        await page.until(f"{TEXT % 'clock'} !== {json.dumps(shown)}")


async def test_every_window_and_every_eye(devtools: str, mock: Mock) -> None:
    """From 360 to 1600 pixels, light or dark, the page is not wider than its window, and a refresh moves nothing."""
    for n in range(8):
        mock.chat(f"{'long-name-' * 30}{n}", f"c{n}")
    seen = "[...document.querySelectorAll('section, h2, #choices button')]"
    places = f"JSON.stringify({seen}.map((one) => one.offsetTop))"
    async with tab(devtools, mock.page) as page:
        await page.until(_row("c7"))
        for width in (480, 700, 800, 1100):
            await page.size(width)
            await page.until(f"innerWidth === {width} && document.documentElement.scrollWidth <= {width}")
        for width, dark in ((360, True), (1600, False)):
            await page.size(width, dark=dark)
            await page.until(f"innerWidth === {width} && document.documentElement.scrollWidth <= {width}")
            before, shown = await page.value(places), await page.value(TEXT % "clock")
            mock.chat("good", f"at-{width}")
            await page.until(f"{TEXT % 'clock'} !== {json.dumps(shown)} && {_row(f'at-{width}')}")
            assert await page.value(places) == before
            ink = await page.value("getComputedStyle(document.body).color")
            assert ink == ("rgb(233, 236, 240)" if dark else "rgb(26, 31, 38)")
