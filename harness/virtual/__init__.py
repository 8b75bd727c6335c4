"""The virtual clock: the unmodified SDK against the unmodified mock, on one loop whose time jumps.

    timers.py    timers in a strict order            steady.py    one clock, drawn randomness, ordered sets
    loop.py      the loop: time jumps when idle      guard.py     threads, sleeps and sockets that would cheat
    network.py   addresses, links, connecting        blocking.py  sync clients: calls as greenlets on the loop
    endpoint.py  one end of a connection             sockets.py   what sync and async clients take for a socket
    ports.py     listeners, closed by faults         watchdog.py  what gets nowhere ends, and says why
    replay.py    a call played again: rerun.py (its process), witness.py and hooks.py (who notes), timeline.py (shown)

A process that is put on the virtual clock stays there: a cell is played in a process of its own.
"""
