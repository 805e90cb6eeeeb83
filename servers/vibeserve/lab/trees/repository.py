"""The run's bare repository: a folder becomes a tree, a tree becomes a folder, byte for byte."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound, Refused
from vibeserve.core.locks import exclusive
from vibeserve.lab.trees.git import GIT_TIMEOUT_S, BareGit
from vibeserve.lab.trees.walk import Entry, Limits, Walk, refused

# Attributes that a candidate brings along must change neither its bytes nor what the Judge sees of them.
_ATTRIBUTES = "* -text -eol -ident -filter -working-tree-encoding !diff -merge\n"
_OBJECT_ID = re.compile(r"^[0-9a-f]{40}$")
_EPOCH = "@0 +0000"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree. `mode` is 100644, 100755 or 120000."""

    path: str
    mode: str
    blob: str
    size_bytes: int


class Repository:
    """A bare repository that only we write to. It is made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def git(self) -> BareGit:
        """git on this repository, which exists from here on."""
        if not self.path.is_dir():
            self._create()
        return BareGit(self.path)

    def snapshot(self, folder: Path, limits: Limits | None = None) -> str:
        """The tree id of a folder as it is now. Raises Refused for what a tree may not hold.

        The tree is kept: a ref holds on to it from here on.
        """
        with self._private_folder() as private:
            staging = private / "staged"
            staging.mkdir()
            entries = Walk(staging, limits or Limits()).folder(folder)
            tree = self._write_tree(entries, private / "index")
        self._verify(tree, entries)
        self.keep(tree)
        return tree

    def checkout(self, tree: str, folder: Path) -> None:
        """Write the files of a tree into `folder`, which is made, or must be empty."""
        self.require_tree(tree)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadRequest(f"The folder {folder.name} is not empty.", "Check out into an empty folder.")
        with self._private_folder() as private:
            environment = {"GIT_INDEX_FILE": str(private / "index"), "GIT_WORK_TREE": str(folder.resolve())}
            self.git.run("read-tree", tree, environment=environment)
            self.git.run("checkout-index", "--all", "--force", environment=environment)

    def files(self, tree: str) -> list[TreeFile]:
        """The files of a tree, sorted by path."""
        listing = self.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", tree).decode()
        files = []
        for line in listing.split("\0")[:-1]:
            described, _, path = line.partition("\t")
            mode, _, blob, size = described.split()
            files.append(TreeFile(path, mode, blob, int(size)))
        return sorted(files, key=lambda file: file.path)

    def read(self, blob: str) -> bytes:
        """The bytes of a blob that `files` named."""
        return self.git.run("cat-file", "blob", blob)

    def write(self, content: bytes) -> str:
        """The id of a blob with these bytes, which is stored; no tree holds on to it yet."""
        return self.git.run("hash-object", "-w", "--no-filters", "--stdin", stdin=content).decode().strip()

    def tree_of(self, entries: Iterable[tuple[str, str, str]]) -> str:
        """The tree of (mode, blob, path) entries whose blobs are here; it is kept."""
        with self._private_folder() as private:
            tree = self._index_tree(entries, private / "index")
        self.keep(tree)
        return tree

    def empty_tree(self) -> str:
        """The id of the tree that holds nothing."""
        tree = self.git.run("mktree").decode().strip()
        self.keep(tree)
        return tree

    def require_tree(self, tree: str) -> None:
        """NotFound unless `tree` is the id of a tree that is here."""
        known = _OBJECT_ID.match(tree) and self.git.attempt("cat-file", "-t", tree)[1] == b"tree\n"
        if not known:
            raise NotFound(f"There is no tree {tree[:60]!a}.", "Use a tree id that a tool returned.")

    def commit(self, tree: str, parents: Sequence[str], message: str, date: str | None = None) -> str:
        """The id of a new commit of `tree`; no ref points to it. `date` is `@seconds zone`, now if None."""
        parents_given = [part for parent in parents for part in ("-p", parent)]
        when = date or f"@{int(time.time())} +0000"
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        written = self.git.run(
            "commit-tree", tree, *parents_given, "-F", "-", stdin=message.encode(), environment=dates
        )
        return written.decode().strip()

    def keep(self, tree: str) -> None:
        """Keep a tree reachable for good, under `refs/trees/<tree>`."""
        ref = f"refs/trees/{tree}"
        if self.ref(ref) is None:
            # The same date every time makes the same commit of the same tree.
            self.set_ref(ref, self.commit(tree, (), f"Tree {tree}\n", date=_EPOCH))

    def ref(self, name: str) -> str | None:
        """The commit that a ref points to, or None."""
        status, output, _ = self.git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return output.decode().strip() if status == 0 else None

    def set_ref(self, name: str, commit: str) -> None:
        """Point a ref to a commit."""
        git = self.git
        with exclusive(self.path.with_name(f"{self.path.name}.lock")):
            leftover = self.path / f"{name}.lock"
            # No git call of ours lives longer than its limit: an older lock is a killed one's.
            if leftover.exists() and time.time() - leftover.stat().st_mtime > GIT_TIMEOUT_S:
                leftover.unlink(missing_ok=True)
            git.run("update-ref", name, commit)

    def _write_tree(self, entries: Sequence[Entry], index: Path) -> str:
        """Write the staged bytes as blobs, without any filter, and the tree over them."""
        paths = "".join(f"{entry.staged}\n" for entry in entries).encode()
        blobs = self.git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=paths).decode().split()
        return self._index_tree(
            ((entry.mode, blob, entry.path) for entry, blob in zip(entries, blobs, strict=True)), index
        )

    def _index_tree(self, entries: Iterable[tuple[str, str, str]], index: Path) -> str:
        """The tree over (mode, blob, path) entries, made through an index of its own."""
        lines = (f"{mode} {blob}\t{path}\0" for mode, blob, path in entries)
        environment = {"GIT_INDEX_FILE": str(index)}
        status, _, complaint = self.git.attempt(
            "update-index", "-z", "--index-info", stdin="".join(lines).encode(), environment=environment
        )
        if status != 0:
            raise Refused("git does not accept a name in this folder.", f"Rename it: {complaint[:200]!a}")
        return self.git.run("write-tree", environment=environment).decode().strip()

    def _verify(self, tree: str, entries: Sequence[Entry]) -> None:
        """git leaves out names that are dangerous on some system; a tree without them is another tree."""
        stored = {(file.path, file.mode) for file in self.files(tree)}
        for entry in entries:
            if (entry.path, entry.mode) not in stored:
                raise refused(entry.path, "has a name that git does not store", "Rename it")

    def _create(self) -> None:
        """Make the repository aside and move it into place, so that it is never seen half made."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".repository-", dir=self.path.parent))
        try:
            BareGit(draft).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(draft))
            (draft / "info").mkdir()
            (draft / "info" / "attributes").write_text(_ATTRIBUTES)
            draft.rename(self.path)
        except (OSError, InfrastructureFailed) as error:
            shutil.rmtree(draft)
            if not self.path.is_dir():  # else another process was faster
                raise as_disk_full(error, self.path.parent) or InfrastructureFailed(
                    f"The repository {self.path.name} could not be made: {error}", "Call again."
                ) from error

    @contextmanager
    def _private_folder(self) -> Iterator[Path]:
        """A folder for one call's index and staged files."""
        with tempfile.TemporaryDirectory(prefix="call-", dir=self.git.path) as name:
            yield Path(name)
