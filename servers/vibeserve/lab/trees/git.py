"""git on a bare repository: fixed arguments, a complete environment, a limit on the time of every call."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.disk import disk_full, is_full, says_full
from vibeserve.core.errors import InfrastructureFailed

GIT_TIMEOUT_S = 60.0

# Nothing of the system, of the user or of a candidate decides how git behaves here.
_FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_AUTHOR_NAME": "VibeServe",
    "GIT_AUTHOR_EMAIL": "vibeserve@localhost",
    "GIT_COMMITTER_NAME": "VibeServe",
    "GIT_COMMITTER_EMAIL": "vibeserve@localhost",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.quotePath=false",
    "gc.auto=0",
)


@dataclass(frozen=True, slots=True)
class BareGit:
    """The git of one bare repository."""

    path: Path

    def run(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
        """The standard output of `git <arguments>`.

        Raises DiskFull where that is why it fails, else InfrastructureFailed; so too when it takes too long.
        """
        status, output, complaint = self.attempt(*arguments, stdin=stdin, environment=environment)
        if status != 0 and (says_full(complaint) or is_full(self.path)):
            raise disk_full(self.path)
        if status != 0:
            raise InfrastructureFailed(
                f"git {arguments[0]} failed on {self.path.name} (exit status {status}).",
                "Check free disk space and the run directory's permissions, then call again.",
                evidence=complaint,
            )
        return output

    def attempt(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, str]:
        """Exit status, standard output and standard error, for questions that may be answered no."""
        from git.cmd import Git

        # GitPython merges `env` into ours, where the GIT_* of a surrounding git would decide: `env -i` starts
        # from nothing.
        path = os.environ.get("PATH", os.defpath)
        values = _FIXED | {"PATH": path, "GIT_DIR": str(self.path)} | dict(environment or {})
        assignments = [f"{name}={value}" for name, value in values.items()]
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            status, output, complaint = Git(str(self.path.parent)).execute(
                ["env", "-i", *assignments, "git", *settings, *arguments],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=GIT_TIMEOUT_S,
                umask=0o022,
            )
        return status, output, complaint
