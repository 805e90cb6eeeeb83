"""VibeServe: MCP servers through which agents write, prove and measure a bespoke LLM serving system."""

__version__ = "0.1.0"
