"""What clients make of each fault, measured over real sockets.

    FAULTS ─► cases ─► a server of its own ─► openai, httpx2, aiohttp ─► readings ─┐
                       its served records (what was meant, how many attempts) ─────┴─► sentences ─► observed.json

    cases.py    what is asked: every fault, in every form it can act on     clients.py   openai and httpx2, in threads
    server.py   the server process, and its records                        looping.py   aiohttp, on a loop
    reading.py  what an application has in hand                            telling.py   a reading as a sentence
    measure.py  all of it together

`python -m windtunnel.harness.matrix` measures everything anew. The clients are imported here and nowhere else in
this package.
"""
