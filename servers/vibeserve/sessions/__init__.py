"""Headless role turns: each a fresh MCP session of one role, played by a client, in the driver's order."""
