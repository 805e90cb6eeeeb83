"""The process that stands between a caller and one sandbox; stdlib only, no import of the rest of vibeserve.

It runs as `python -I -S`, reads one plan from its standard input and then watches that pipe: when the
caller closes it, or dies in any way, everything the supervisor started is killed. Death of a *thread* of
the caller does not matter, which PR_SET_PDEATHSIG in the caller's own child would get wrong.

It imports little (no pathlib, no dataclasses): its start is part of every run.
"""
