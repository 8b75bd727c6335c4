"""What is around a target: set-up and tear-down, classes, a file of prompts, and what it may ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import Exchange, completion
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import load_profile_file
from windtunnel.harness.inputs.prompts import read_prompts

PROFILE = """\
name: mine
about: Mine.
driver: python
target: {target}
{more}
timeouts: {{read: 5s}}
pool: {{connections: 10}}
"""
CODE = """\
import contextlib
import os

import httpx

SAID = []


def note(word):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(word + "\\n")


def client(base_url, api_key):
    note("up")
    return httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {api_key}"})


def down(state):
    note("down" if not state.is_closed else "closed")
    state.close()


def generated(instance):
    note(f"up {instance}")
    yield "given"
    note("down")


@contextlib.contextmanager
def managed():
    note("up")
    yield "given"
    note("down")


async def connected():
    note("up")
    return "given"


async def generated_on_a_loop():
    note("up")
    yield "given"
    note("down")


@contextlib.asynccontextmanager
async def managed_on_a_loop():
    note("up")
    yield "given"
    note("down")


class Resource:
    def __enter__(self):
        note("up")
        return "given"

    def __exit__(self, *_):
        note("down")


class Closed:
    def close(self):
        note("down")


def closed():
    note("up")
    return Closed()


def fails():
    raise KeyError("no key")


def yields_nothing():
    return
    yield


def asks(somebody):
    return somebody


def of_client(client, prompt):
    answer = client.post("/chat/completions", json={"messages": [{"role": "user", "content": prompt}]})
    return answer.json()["choices"][0]["message"]["content"]


def of_state(state):
    note(f"call {state}")
    return ""


async def of_state_on_a_loop(state):
    note(f"call {state}")
    return ""


class Bot:
    greeting = "Hi"

    def __init__(self, base_url, instance):
        note(f"bot {instance}")
        self.url = base_url

    def answer(self, prompt):
        note(f"asked {prompt}")
        return httpx.post(self.url + "/chat/completions", json={"messages": []}).json()

    async def answer_on_a_loop(self, text: str):
        note(f"asked {text}")

    def __call__(self, prompt, /):
        note(f"called {prompt}")

    def close(self):
        note("closed")


class Deaf:
    pass


class Slow:
    async def __aenter__(self): ...
    async def __aexit__(self, *_): ...
    def ask(self, prompt): ...


def styled(prompt, style, call_id, model="none"):
    note(f"{call_id} {prompt} {style} {model}")


def left(deadline_s=7.0, stream=None, kept=1):
    note(f"{deadline_s} {stream} {kept}")


def hands_back_a_coroutine():
    return of_state_on_a_loop(1)


def yields_numbers():
    yield 7


def returns_numbers():
    return 7
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "around.py").write_text(CODE)
    return tmp_path


def healthy(exchange: Exchange) -> None:
    exchange.json(completion())


class Notes:
    """Plays targets of `CODE`, and gives what they noted."""

    def __init__(self, play: Play, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._play = play
        self._folder = folder
        self.file = folder / "notes"
        monkeypatch.setenv("NOTES", str(self.file))

    def of(self, target: str, *, calls: int = 1, kind: str = "plain", **parts: Any) -> list[str]:
        """The notes of a play in which all calls were well."""
        (self._folder / "around.py").write_text(
            f"import os\nos.environ['NOTES'] = {str(self.file)!r}\n{CODE}"
        )
        self.file.unlink(missing_ok=True)
        name = f"around_{self._folder.name.replace('-', '_')}"
        (self._folder / f"{name}.py").write_text((self._folder / "around.py").read_text())
        for key in ("setup", "teardown"):
            if key in parts:
                parts[key] = f"{name}:{parts[key]}"
        played = self._play(
            "python",
            healthy,
            calls=calls,
            target=f"{name}:{target}",
            target_kind=kind,
            target_folders=[str(self._folder)],
            **parts,
        )
        assert [call["outcome"] for call in played.calls] == ["ok"] * calls, played.calls
        return self.file.read_text().splitlines() if self.file.exists() else []


@pytest.fixture
def notes(play: Play, code: Path, monkeypatch: pytest.MonkeyPatch) -> Notes:
    return Notes(play, code, monkeypatch)


@pytest.mark.parametrize(
    ("setup", "kind", "noted"),
    [
        ("generated", "plain", ["up 0", "call given", "call given", "down"]),
        ("managed", "plain", ["up", "call given", "call given", "down"]),
        ("Resource", "plain", ["up", "call given", "call given", "down"]),
        ("generated", "async", ["up 0", "call given", "call given", "down"]),
        ("connected", "async", ["up", "call given", "call given"]),
        ("generated_on_a_loop", "async", ["up", "call given", "call given", "down"]),
        ("managed_on_a_loop", "async", ["up", "call given", "call given", "down"]),
        ("Resource", "async", ["up", "call given", "call given", "down"]),
    ],
)
def test_a_setup_is_around_all_calls_of_an_instance(
    notes: Notes, setup: str, kind: str, noted: list[str]
) -> None:
    """Once before them, once after them; what it gives is `state`."""
    target = "of_state" if kind == "plain" else "of_state_on_a_loop"
    assert notes.of(target, calls=2, kind=kind, setup=setup) == noted


def test_a_setup_is_known_by_its_name_and_torn_down(notes: Notes) -> None:
    """A parameter with its name is what it returned; a tear-down has it before it is closed."""
    assert notes.of("of_client", calls=2, setup="client", teardown="down") == ["up", "down"]


def test_what_a_setup_returns_is_closed(notes: Notes) -> None:
    """Where nobody says how it is torn down, and it has a `close`."""
    found = notes.of("of_state", setup="closed")
    assert (found[0], found[-1]) == ("up", "down")


@pytest.mark.parametrize(
    ("target", "kind", "noted"),
    [
        ("Bot.answer", "plain", ["bot 0", "asked Hello", "asked Hello", "closed"]),
        ("Bot.answer_on_a_loop", "async", ["bot 0", "asked Hello", "asked Hello", "closed"]),
        ("Bot", "plain", ["bot 0", "called Hello", "called Hello", "closed"]),
    ],
)
def test_a_class_is_made_once_for_an_instance(notes: Notes, target: str, kind: str, noted: list[str]) -> None:
    """Its method is called for each call; it is closed after them."""
    assert notes.of(target, calls=2, kind=kind) == noted


def test_each_call_has_its_line_of_the_file_of_prompts(notes: Notes, tmp_path: Path) -> None:
    """In turn, by the number of the call; what a function asks for by name it gets; the body has the prompt as well."""
    lines = [{"prompt": "a", "style": "short"}, {"prompt": "b", "style": "long", "model": "m2"}]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    again = notes.of("styled", calls=3, prompts=str(file))
    assert sorted(again) == ["c0 a short gpt-4.1-mini", "c1 b long m2", "c2 a short gpt-4.1-mini"]


def test_what_nobody_knows_is_left_out(notes: Notes) -> None:
    """A default stays where there is nothing to give; a deadline is what is left of the profile's own."""
    assert notes.of("left") == ["7.0 False 1"]
    (given,) = notes.of("left", timeouts={"total": "3s"})
    assert 2.5 < float(given.split()[0]) <= 3.0


@pytest.mark.parametrize(
    ("target", "more", "where", "said"),
    [
        ("around:of_state", "setup: around:nosuch", "5: setup", "found no 'nosuch'"),
        ("around:of_state", "setup: around:connected", "5: setup", "which is async, with a target that is plain"),
        ("around:of_state", "setup: around:fails", "5: setup", "'fails', which fails: KeyError: 'no key' (around"),
        ("around:of_state", "setup: around:yields_nothing", "5: setup", "it yielded nothing"),
        ("around:of_state", "setup: around:asks", "5: setup", "parameters among base_url, api_key, model, instance"),
        ("around:of_state", "setup: around:SAID", "5: setup", "which is of type list"),
        ("around:of_state", "teardown: around:styled", "5: teardown", "parameters among state, base_url"),
        ("around:Deaf", "", "4: target", "a class whose objects cannot be called"),
        ("around:Bot.greeting", "", "4: target", "which is of type str"),
        ("around:Slow.ask", "", "4: target", "a plain method of a class with `async with`"),
        ("around:styled", "", "4: target", "parameters among call, prompt"),
        ("around:styled", "prompts: nosuch.txt", "5: prompts", "which cannot be read (No such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_played(
    code: Path, monkeypatch: pytest.MonkeyPatch, target: str, more: str, where: str, said: str
) -> None:
    """One message with the key, what was found and what was expected."""
    monkeypatch.setenv("NOTES", str(code / "notes"))
    file = code / "mine.yaml"
    file.write_text(PROFILE.format(target=target, more=more))
    with pytest.raises(InputError) as caught:
        load_profile_file(file)
    assert str(caught.value).startswith(f"{file}:{where}: "), caught.value
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_setup_that_finds_nobody_is_no_mistake(code: Path) -> None:
    """When a profile is read there is no server yet."""
    (code / "early.py").write_text(
        "import httpx\n\n\ndef up(base_url):\n    return httpx.get(base_url)\n\n\ndef ask(state): ...\n"
    )
    file = code / "mine.yaml"
    file.write_text(PROFILE.format(target="early:ask", more="setup: early:up"))
    assert load_profile_file(file).target_kind == "plain"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": 7}\n', "p.jsonl:2: found int as prompt, expected a string"),
        ("p.jsonl", '"a"\nb\n', "p.jsonl:2: found what is not JSON"),
        (
            "p.jsonl",
            "[1]\n",
            'p.jsonl:1: found [1], expected a string, or an object such as {"prompt": "Hello"}',
        ),
        ("p.txt", "\n \n", "p.txt: found no line, expected at least one prompt"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    """File, line, what was found and what was expected."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_prompts(tmp_path / name)
    assert said in str(caught.value)


def test_lines_go_by_the_number_of_a_call(tmp_path: Path) -> None:
    """The same call has the same line whoever makes it; empty lines are none."""
    (tmp_path / "p.txt").write_text("a\n\nb\n  c\n")
    found = read_prompts(tmp_path / "p.txt")
    assert [found.line(f"c{n}")["prompt"] for n in range(4)] == ["a", "b", "c", "a"]
    assert found.line("first1")["prompt"] == found.line("c1~2")["prompt"] == "b"


def test_keys_of_a_target_are_of_targets_alone(tmp_path: Path) -> None:
    """Another driver has no use for them."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: a\nabout: b.\ndriver: httpx2\nprompts: p.txt\ntimeouts: {}\npool: {}\n",
    )
    with pytest.raises(InputError, match=r"4: prompts: found 'p.txt', expected none with the driver httpx2"):
        load_profile_file(file)
