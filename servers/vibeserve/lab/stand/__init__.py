"""The test stand that gate and measurement share: candidates and judges, each in a sandbox of its own.

`systems` starts a candidate or the reference; `judges` runs commands of the target or of ours beside it;
`driving` and `scoring` are two of those; `outputs` reads what they wrote; `inputs` proves that target and model
are still those of the run.
"""
