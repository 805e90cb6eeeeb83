"""The profiler server: paired measurements of what passed the gate, their history, and evaluations."""
