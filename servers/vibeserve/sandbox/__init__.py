"""Sandbox: where a role runs commands and services, apart from the host and from the target's secrets.

One sentence per module: `workbench` holds what one session shares, its network, scratch folder and services;
`places` says on which files each role works; `commands` and `services` run things there; `outputs` cuts what
they print; `artifacts` reads stored outputs; `environment` describes it all; `results` is what tools return;
`server` declares the tools.
"""
