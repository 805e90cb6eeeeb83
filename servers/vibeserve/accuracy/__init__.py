"""Accuracy: the gate that a candidate must pass, and the Judge's verdict.

One sentence per module: `stand` keeps the candidate running for the stages `boot`, `checker`, `numeric` and
`repeat`; `gate` runs them in order and records the outcome; `reports` shows it; `verdicts` takes the Judge's
word; `server` declares the tools.
"""
