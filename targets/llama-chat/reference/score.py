"""Scores answers by teacher forcing them through the reference.

Usage: python -I score.py --model DIR --dtype float32 --in sequences.json --out scores.json
In:  {"sequences": [{"endpoint": "completions", "prompt": str, "token_ids": [...]},
                    {"endpoint": "chat", "messages": [...], "token_ids": [...]}]}
Out: {"sequences": [{"gaps": [float, ...], "agreement": float, "text": str}]}, in the same order.
A gap is the reference's largest logit minus its logit of the emitted token; agreement is the share of
tokens whose gap is zero; text is what the ids decode to. An id outside the vocabulary has no logit:
from there on every gap of its sequence is 1e9.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

# An isolated interpreter (-I) does not search the script's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from snapshot import Snapshot

UNKNOWN_ID_GAP = 1e9


def known_prefix(token_ids: list[Any], vocabulary: int) -> list[int]:
    """The leading ids that are ids of this vocabulary: what comes after an unknown one cannot be forced."""
    for place, token in enumerate(token_ids):
        if not isinstance(token, int) or not 0 <= token < vocabulary:
            return token_ids[:place]
    return token_ids


def score(snapshot: Snapshot, sequence: dict[str, Any]) -> dict[str, Any]:
    """Gaps, agreement and decoded text of one answer."""
    token_ids = sequence["token_ids"]
    known = known_prefix(token_ids, snapshot.model.config.vocab_size)
    gaps = snapshot.gaps(snapshot.prompt_ids(sequence), known) if known else []
    gaps += [UNKNOWN_ID_GAP] * (len(token_ids) - len(known))
    agreement = sum(gap == 0 for gap in gaps) / len(gaps) if gaps else 0.0
    return {"gaps": gaps, "agreement": agreement, "text": snapshot.decode(known)}


def main() -> None:
    """Score a file of answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--in", dest="input", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    snapshot = Snapshot(arguments.model, arguments.dtype)
    sequences = json.loads(arguments.input.read_text())["sequences"]
    scores = [score(snapshot, sequence) for sequence in sequences]
    arguments.out.write_text(json.dumps({"sequences": scores}))


if __name__ == "__main__":
    main()
