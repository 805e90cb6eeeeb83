"""Main of a sandbox's supervisor."""

import os

from . import capture, cgroups, child, plan, uids, watch


def main(caller: int) -> None:
    """Run the plan on standard input; report "started", then "ended" or "failed"."""
    wanted = plan.decode(plan.read_line(0))
    group = None
    try:
        # Opened first: staging hides the host's /tmp from us.
        log = capture.LogFile(wanted.log_path) if wanted.log_path else None
        uid, _lock = uids.allocate() if os.geteuid() == 0 else (None, None)
        group = cgroups.create(wanted.memory_bytes, wanted.processes + child.OWN_PROCESSES)
        started = child.start(wanted, uid, group)
        closing = watch.Watch(wanted, started, group, log, caller).run()
    except OSError as error:
        closing = {"event": "failed", "evidence": f"{error}"}
    finally:
        if group:
            group.remove()
    watch.report(closing)
