"""Compares one completion with the model's own greedy answer.

Usage: python -I checker.py --url URL --model DIR --seed N --out FILE
"""

import argparse
import json
import random
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))

from toy_lm import ToyModel

TOKENS = 6


def served(url: str, prompt: str) -> list[int]:
    body = {
        "prompt": prompt,
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
        "return_token_ids": True,
    }
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode())
    ids: list[int] = []
    with urllib.request.urlopen(request, timeout=10) as response:
        for line in response:
            if line.startswith(b"data: {"):
                ids += json.loads(line[6:])["choices"][0]["token_ids"]
    return ids


def expected(model: ToyModel, prompt: str) -> list[int]:
    state, ids = model.start(prompt.encode()), []
    for _ in range(TOKENS):
        ids.append(model.greedy(state))
        state = model.step(state, ids[-1])
    return ids


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = ToyModel(arguments.model)
    generator = random.Random(arguments.seed)
    prompts = [f"check {generator.randrange(10**6)}" for _ in range(2)]
    right = sum(served(arguments.url, prompt) == expected(model, prompt) for prompt in prompts)
    result = {"passed": right == len(prompts), "right": right, "prompts": len(prompts)}
    arguments.out.write_text(json.dumps({"result": result}))
