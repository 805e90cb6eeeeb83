"""Trees: candidates as git trees in the run's own bare repository.

`git` runs git with nothing taken from outside; `walk` reads a hostile folder into a staging area;
`repository` makes trees, commits and refs of it and checks trees out; `differences` compares two trees;
`workspace` resets the workspace and sets refs after a transaction, redone until done.
"""

from vibeserve.lab.trees.repository import Repository
from vibeserve.lab.trees.walk import Limits
from vibeserve.lab.trees.workspace import repository_of, settle

__all__ = ["Limits", "Repository", "repository_of", "settle"]
