"""The virtual clock: the unmodified SDK against the unmodified mock, on one loop whose time jumps.

    timers.py          timers in a strict order              clocks.py       every clock follows the loop
    determinism.py     ordered sets, collection              draws.py        every draw is a hash of seed and call
    loop.py            the loop: time jumps when idle        guard.py        forbids threads, sleeps and real sockets
    cell_process.py    a process that plays one cell         instances.py    clients on the virtual clock
    cell_queue.py      cells that wait for a process         shard.py        many seeds in one process
    preload.py         imports before a fork                 watchdog.py     ends what gets nowhere, and says why
    behaviour.py       what each call did                    verify.py       whether two plays are the same
    network/           addresses, connections, what sync and async clients take for a socket

A process that is put on the virtual clock stays there: a cell is played in a process of its own.
"""
