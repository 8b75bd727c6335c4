"""`python -m windtunnel.mock_server`: the mock server alone."""

import os
import sys

# numpy comes along with pyarrow and starts a thread per core for arithmetic that nobody does here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from windtunnel.mock_server.server.serve import main

sys.exit(main())
