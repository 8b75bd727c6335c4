"""How much traffic a client and a quota carry before an SLO breaks."""
