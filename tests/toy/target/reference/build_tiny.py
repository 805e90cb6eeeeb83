"""Builds the model: its configuration is all there is of it. Usage: python -I build_tiny.py --out DIR"""

import argparse
import json
from pathlib import Path

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20261120)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = {"vocab_size": 1024, "seed": arguments.seed, "eos_token_id": None}
    (arguments.out / "config.json").write_text(json.dumps(config))
