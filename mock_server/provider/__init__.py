"""The closed loop: what the provider has, what it gives away, and what it keeps busy.

    admission.py         whether a request is refused, queued or served
    service.py           a request in its slot: what is sent and what is billed
    ticket.py            one request on its way through both
    regions.py           one region: its slots, limiter and work clock
    slots.py             slots and the queue before them
    rate_limiter.py      RPM, TPM and growth, per key and model (buckets.py, growth.py)
    work_clock.py        how far an answer has got
    compiled_settings.py a region's settings in one phase, ready for use
    refusals.py          the 429s of the limiter
    apply_faults.py      the faults chosen for a request, applied to its script
    requested_faults.py  faults that a request asks for itself
    calls.py             which call a request belongs to, and which attempt of it
    idempotency.py       requests that repeat an earlier one
    work_handle.py       what stored objects know of work that goes on
    outages.py           when a region's port is closed

Nothing here does I/O or reads a clock: `now` is an argument, in seconds from t0.
"""
