"""The closed loop: what the provider has, what it gives away, and what it keeps busy.

    buckets.py   a level that refills continuously      growth.py    how fast traffic grows
    limits.py    RPM, TPM and growth, per key and model  capacity.py  slots and the queue before them
    speed.py     how far an answer has got               settings.py  a phase's settings, ready for use
    refusals.py  the answers that say no                 regions.py   all of it, for one region

Nothing here does I/O or reads a clock: `now` is an argument, in seconds from t0.
"""
