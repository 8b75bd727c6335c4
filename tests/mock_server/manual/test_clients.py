"""What clients make of faults, as tables for people."""

from __future__ import annotations

import pytest

from windtunnel.mock_server.manual.clients import Seen, build_clients, clients_table, together

VERSIONS = {"openai": "3.1", "httpx2": "2.1", "aiohttp": "3.2"}
FORMS = ("chat streamed", "chat whole", "responses streamed", "responses whole")
TRUE = dict.fromkeys(VERSIONS, "success: complete and true")


def seen(openai: str, other: str, *forms: str) -> Seen:
    return {form: {"openai": openai, "httpx2": other, "aiohttp": other} for form in forms}


@pytest.mark.parametrize(
    ("forms", "label"),
    [
        (["connect"], "connect"),
        (FORMS, "every form"),
        (FORMS[::2], "streamed"),
        (FORMS[1::2], "not streamed"),
        (FORMS[:2], "chat"),
        (FORMS[:3], "chat streamed, chat whole, responses streamed"),
        ([*FORMS, *[f"{form}, `html=true`" for form in FORMS]], "every form: by default or `html=true`"),
        (["chat streamed, `n=1`", "chat streamed, `n=2`"], "chat streamed: `n=1` or `n=2`"),
        (["chat whole", "responses whole, `n=1`"], "chat not streamed; responses not streamed: `n=1`"),
    ],
)
def test_forms_that_are_alike_get_one_name(forms: list[str], label: str) -> None:
    """Forms, and parameters, for which a client does the same stand in one row."""
    assert together(forms) == label


def test_a_table_says_once_what_is_the_same() -> None:
    """Rows that are equal are one row, and so are columns: the second client does `the same`."""
    table = clients_table(seen("waits", "waits", *FORMS), VERSIONS)
    assert table.splitlines() == [
        "| what clients make of it | openai 3.1 | httpx2 2.1 | aiohttp 3.2 |",
        "| --- | --- | --- | --- |",
        "| every form | waits | the same | the same |",
    ]


def test_what_stands_out_is_found_in_the_sentences() -> None:
    """Silent corruption in a table with its forms; endless waits, harmless faults and retries in a line each."""
    text = build_clients(
        {
            "swap": seen("success, but wrong (silent corruption)", "`KeyError`", *FORMS[::2]),
            "drop": seen("`E`; retried", "`E`", *FORMS[1::2]) | seen("`E`; not retried", "`E`", *FORMS[::2]),
            "beat": seen("a read timeout, which never fires", "the same", FORMS[0]),
            "calm": dict.fromkeys(FORMS, TRUE),
        },
        VERSIONS,
    )
    assert "| [`swap`](#swap) | streamed | – | – |\n" in text
    assert text.count("\n| [") == 1
    assert "however short it is: [`beat`](#beat).\n" in text
    assert "any of the three clients: [`calm`](#calm).\n" in text
    assert "retries by default: [`drop`](#drop) (not streamed).\n" in text
    assert "does not retry: [`drop`](#drop) (streamed).\n" in text
