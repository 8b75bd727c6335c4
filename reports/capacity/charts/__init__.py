"""The charts of a capacity search: for each client waits, good calls, the scalability law, the sweep and the wall."""
