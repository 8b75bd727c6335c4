"""A client of `driver: exec` that does what its first argument says: `fake_client.py MODE [FILE]`."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

MODE = sys.argv[1]
FILE = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(os.devnull)
LOCK = threading.Lock()


def say(**message: Any) -> None:
    with LOCK:
        print(json.dumps(message), flush=True)


def ok(call_id: str, **more: Any) -> None:
    say(event="ended", call_id=call_id, outcome="ok", **({"text": "Hello there"} | more))


def answer(call: dict[str, Any], number: int) -> None:
    """What becomes of the call with this number, from 0."""
    name = call["call_id"]
    if MODE == "text":
        say(event="started", call_id=name)
        ok(name)
    elif MODE == "pieces":
        say(event="started", call_id=name)
        say(event="first_content", call_id=name, text="Hello")
        say(event="content", call_id=name, text=" there")
        say(event="ended", call_id=name, outcome="ok", finish_reason="stop")
    elif MODE == "digest":
        ok(name, text=None, digest=FILE.name)
    elif MODE == "answer":
        message = {"role": "assistant", "content": "Hello there"}
        ok(name, text=None, answer={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    elif MODE == "endless_answer":
        ok(name, finish_reason=None)
    elif MODE == "bare":
        ok(name, text=None)
    elif MODE == "incomplete":
        say(event="ended", call_id=name, outcome="incomplete", text="Hello", finish_reason="length")
    elif MODE == "refused":
        say(
            event="ended",
            call_id=name,
            outcome="error",
            error_type="RateLimitError",
            error_message="no",
            status=429,
        )
    elif MODE == "late":
        say(
            event="ended",
            call_id=name,
            outcome="timeout",
            error_type="APITimeoutError",
            error_cause="ReadTimeout",
        )
    elif MODE == "prints":
        print("Give feedback to the makers of this library!", flush=True)
        print("[1, 2]", flush=True)
        say(event="ended", call_id="nobody", outcome="ok")
        ok(name)
    elif MODE == "wrong":
        say(event="ended", call_id=name, outcome="fine")
    elif MODE == "babbles":
        for line in range(200):
            print("line", line, flush=True)
    elif MODE == "endless":
        sys.stdout.write("x" * 9_000_000)
        sys.stdout.flush()
    elif MODE == "dies_once" and not FILE.exists():
        FILE.write_text("died")
        print("first things first\nout of luck", file=sys.stderr, flush=True)
        os._exit(3)
    elif MODE == "dies":
        print("always out of luck", file=sys.stderr, flush=True)
        os._exit(3)
    elif MODE in ("silent", "cancels", "stuck"):
        FILE.open("a").write(f"{name}\n")
        if number:
            ok(name)
    elif MODE == "header":
        ok(name, text=json.dumps([call["headers"], sorted(call)]))
    elif MODE == "where":
        ok(name, text=json.dumps([os.environ["OPENAI_BASE_URL"], call["base_url"], str(Path.cwd())]))
    else:
        ok(name)


def main() -> None:
    if MODE == "no_ready":
        print("Welcome to my client", flush=True)
        sys.exit(4)
    if MODE == "bad_ready":
        say(event="ready", concurrency="many")
        sys.exit(0)
    if MODE == "breeds":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        FILE.write_text(str(child.pid))
    many = MODE not in ("one", "stuck")
    say(event="ready", concurrency=64 if many else 1, cancel=MODE == "cancels", versions={"fake": 1})
    if MODE == "deaf":
        time.sleep(600)
    calls = []
    for line in sys.stdin:
        message = json.loads(line)
        if message["event"] == "cancel":
            FILE.open("a").write(f"cancel {message['call_id']}\n")
            say(event="ended", call_id=message["call_id"], outcome="cancelled")
            continue
        calls.append(message)
        if MODE == "together":  # in the other order, and none before all are here
            if len(calls) == 8:
                for call in reversed(calls):
                    ok(call["call_id"], text=call["call_id"])
        else:
            answer(message, len(calls) - 1)


if __name__ == "__main__":
    main()
