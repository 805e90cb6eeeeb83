"""The long proofs, one a module; see scripts/prove.py."""
