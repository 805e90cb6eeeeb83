"""The working parts, free of MCP: trees, sandboxes, serving, load, judging, models."""
