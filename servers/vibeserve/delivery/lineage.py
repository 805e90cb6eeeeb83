"""The line of promotions that led to a checkpoint."""

from dataclasses import dataclass

from vibeserve.core.backlog import backlog
from vibeserve.core.ledger import Ledger, Record
from vibeserve.core.run import Run


@dataclass(frozen=True, slots=True)
class Change:
    """What one promoted round changed: from the tree that it started on to the tree that was kept."""

    round: str
    issue: str
    title: str
    before: str
    after: str


def promotions_up_to(ledger: Ledger, tree: str) -> list[Record]:
    """The `checkpoint.promoted` records of a tree and its ancestors, oldest first; empty when never promoted."""
    line: list[Record] = []
    wanted, newest_first = tree, ledger.records("checkpoint.promoted", newest_first=True)
    for record in newest_first:
        if record.subject == wanted:
            line.append(record)
            wanted = str(record.body["parent"])
    return line[::-1]


def chosen_at(ledger: Ledger, tree: str) -> int:
    """The record at which a promoted tree was first chosen: what was measured later was not what it was chosen for.

    The first promotion counts: else a tree that is promoted again would lose what was measured of it meanwhile.
    """
    return ledger.records("checkpoint.promoted", tree, limit=1)[0].seq


def kept_changes(run: Run, tree: str) -> list[Change]:
    """The changes that make up a promoted tree, oldest first."""
    issues = backlog(run.ledger)
    opened = {record.subject: record.body for record in run.ledger.records("round.opened")}
    changes = []
    for record in promotions_up_to(run.ledger, tree):
        body = opened[record.body["round"]]
        issue = str(body["issue"])
        changes.append(
            Change(
                round=str(record.body["round"]),
                issue=issue,
                title=issues[issue].title,
                before=str(body["base_tree"]),
                after=record.subject,
            )
        )
    return changes
