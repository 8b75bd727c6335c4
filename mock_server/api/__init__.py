"""The healthy API: parse a request, check it, and answer it with a script. No I/O, no clock."""
