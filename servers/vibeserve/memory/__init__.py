"""The memory server: what a run has learned, as sections of markdown and as directions with evidence."""
