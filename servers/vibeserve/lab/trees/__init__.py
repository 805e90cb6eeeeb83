"""Trees: candidates as git trees in the run's own bare repository.

One sentence per module: `git` runs git with nothing taken from outside; `walk` reads a hostile folder into a
staging area; `repository` makes trees, commits and refs of it and checks trees out; `differences` compares two
trees; `workspace` resets the workspace and sets refs after a transaction, redone until done.
"""
