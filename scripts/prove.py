"""Runs the long proofs and writes docs/results/: `prove.py` all, `prove.py NAME …` some, `--shard HEX` one of them.

A proof is a module of `scripts/proofs` with `prove(report: Report) -> None`; it raises when what it proves does
not hold, and its report is written either way.
"""

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proofs.report import Report

PROOFS = ("latency", "writers", "sandbox", "catches", "kills", "recorded")
RESULTS = Path(__file__).parent.parent / "docs" / "results"


def main() -> None:
    """Run the chosen proofs; exit status 1 when any does not hold."""
    parser = argparse.ArgumentParser(description="Run the long proofs and write docs/results/.")
    parser.add_argument("names", nargs="*", choices=[*PROOFS, []], metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--shard", metavar="HEX", help="run one proof, chosen by this hexadecimal hash")
    options = parser.parse_args()
    names = [PROOFS[int(options.shard[:8], 16) % len(PROOFS)]] if options.shard else options.names or PROOFS
    outcomes = [run(name) for name in names]
    sys.exit(0 if all(outcomes) else 1)


def run(name: str) -> bool:
    """Run one proof and write its report."""
    print(f"prove {name}", flush=True)
    report, begun = Report(name), time.monotonic()
    try:
        importlib.import_module(f"proofs.{name}").prove(report)
        holds = True
    except Exception:
        traceback.print_exc()
        report.line("", "**This proof did not hold when it last ran.**")
        holds = False
    report.write(RESULTS / f"{name}.md")
    print(f"{name}: {'holds' if holds else 'DOES NOT HOLD'} ({time.monotonic() - begun:.0f} s)", flush=True)
    return holds


if __name__ == "__main__":
    main()
