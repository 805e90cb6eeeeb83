"""Scores answers by teacher forcing. Usage: python -I score.py --model DIR --dtype D --in FILE --out FILE"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from toy_lm import ToyModel, decode, prompt_ids

UNKNOWN_ID_GAP = 1e9


def score(model: ToyModel, sequence: dict[str, Any]) -> dict[str, Any]:
    state, gaps = model.start(prompt_ids(sequence)), []
    for token in sequence["token_ids"]:
        logits = model.logits(state)
        known = token < model.vocab_size
        gaps.append(max(logits) - logits[token] if known else UNKNOWN_ID_GAP)
        state = model.step(state, token)
    agreement = sum(gap == 0 for gap in gaps) / len(gaps) if gaps else 0.0
    known_ids = [token for token in sequence["token_ids"] if token < model.vocab_size]
    return {"gaps": gaps, "agreement": agreement, "text": decode(known_ids)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--in", dest="input", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = ToyModel(arguments.model)
    sequences = json.loads(arguments.input.read_text())["sequences"]
    arguments.out.write_text(json.dumps({"sequences": [score(model, sequence) for sequence in sequences]}))
