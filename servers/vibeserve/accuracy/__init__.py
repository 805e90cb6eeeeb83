"""Accuracy: the gate that a candidate must pass, and the Judge's verdict.

One sentence per module: `stand` puts a candidate and its judges into sandboxes on one private loopback;
`boot`, `checker`, `numeric` and `probes` are the stages; `gate` runs them in order and records the outcome;
`reports` shows it; `verdicts` takes the Judge's word; `server` declares the tools.
"""
