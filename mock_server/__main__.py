"""`python -P -m mock_server`: the mock server alone."""

import sys

from mock_server.serve import main

sys.exit(main())
