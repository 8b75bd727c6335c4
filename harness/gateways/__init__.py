"""The gateways that are known by name, a YAML file each (`harness/inputs/gateway.py` reads them)."""
