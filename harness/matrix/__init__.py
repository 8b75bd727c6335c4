"""What clients make of each fault, measured over real sockets.

    FAULTS ─► cases ─► a server of its own ─► openai, httpx2, aiohttp ─► observed calls ─┐
                       its served records (what was meant, how many attempts) ───────────┴─► sentences ─► observed.json

    cases.py           every fault, in every form of an answer it can act on
    server.py          the server process, and its records
    clients.py         openai and httpx2 in threads, aiohttp on a loop
    observed_call.py   what an application has in hand after a call, and what went wrong
    sentence.py        an observed call as a sentence
    measure.py         all of it together

Answers are read as the gallery's clients read them (`harness/clients`). The drivers themselves do not serve here: they
report rows, and a sentence needs the text of an answer and whose error it was that ended it.
`python -m windtunnel.harness.matrix` measures everything anew.
"""
