"""What everything stands on: the run's layout, its database and ledger, roles, the target, tools, errors."""
