"""Compares a running server with Hugging Face's greedy decoding of the same model.

Usage: python -I checker.py --url URL --model DIR --seed N --out result.json
The cases are those of data.json and a few drawn from the seed, asked one after the other. Each answer is
forced through the reference: a token passes when its logit is within 1e-3 of the largest, which forgives
near-ties and nothing else. Bodies that break the contract must be refused. An answer has 30 seconds, all
of them together 60.
Result: {"passed": bool, "cases": n, "max_gap": x, "failures": [...]}.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

# An isolated interpreter (-I) does not search the script's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))

from client import BrokenStream, Client, Streamed
from snapshot import Snapshot

CASES = Path(__file__).resolve().parent / "data.json"
MAX_GAP = 1e-3
SEEDED_CASES = 5
# Bodies that break the contract: a server that lets them through fails somewhere less clear.
REFUSED = (
    {"prompt": ["a", "list"], "max_tokens": 1, "stream": True},
    {"prompt": "no room for an answer", "max_tokens": 0, "stream": True},
    {"prompt": "more than any context", "max_tokens": 10**9, "stream": True},
)
WORDS = ("river", "lamp", "seven", "under", "cloud", "paper", "green", "walk", "early", "stone", "bridge")


def seeded_cases(seed: int, vocabulary: int) -> list[dict[str, Any]]:
    """Cases of random words; each may be stopped by one of many random ids."""
    generator = random.Random(seed)
    cases = []
    for place in range(SEEDED_CASES):
        words = " ".join(generator.choices(WORDS, k=generator.randint(3, 40)))
        asked = {"messages": [{"role": "user", "content": words}]} if place % 2 else {"prompt": words}
        cases.append(
            {
                "endpoint": "chat" if place % 2 else "completions",
                **asked,
                "max_tokens": generator.randint(8, 48),
                "stop_token_ids": sorted(generator.sample(range(vocabulary), vocabulary // 64)),
            }
        )
    return cases


def fault(snapshot: Snapshot, case: dict[str, Any], streamed: Streamed) -> str | None:
    """What is wrong with an answer apart from its logits, or None."""
    ids, stops = streamed.token_ids, snapshot.eos_ids | frozenset(case.get("stop_token_ids", ()))
    if any(type(token) is not int or not 0 <= token < snapshot.model.config.vocab_size for token in ids):
        return "an id is not in the vocabulary"
    ends = [place for place, token in enumerate(ids) if token in stops]
    expected = ("stop", ends[0] + 1) if ends else ("length", case["max_tokens"])
    if (streamed.finish_reason, len(ids)) != expected:
        return f"ended by {streamed.finish_reason!r:.40} after {len(ids)} tokens, expected {expected}"
    if streamed.text != snapshot.decode(ids):
        return "the text is not what the token ids decode to"
    return None


def check(url: str, snapshot: Snapshot, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask every case and judge what came."""
    client = Client(url)
    failures: list[str] = []
    largest = 0.0
    for place, case in enumerate(cases):
        try:
            streamed = client.ask(case)
        except BrokenStream as broken:
            failures.append(f"case {place} ({case['endpoint']}): {broken}")
            continue
        wrong = fault(snapshot, case, streamed)
        if wrong is None:
            gap = max(snapshot.gaps(snapshot.prompt_ids(case), streamed.token_ids))
            largest = max(largest, gap)
            wrong = None if gap <= MAX_GAP else f"a token lies {gap:.3g} below the reference's choice"
        if wrong:
            failures.append(f"case {place} ({case['endpoint']}): {wrong}")
    failures += [f"{body} was not refused with status 400" for body in REFUSED if client.status(body) != 400]
    return {"passed": not failures, "cases": len(cases), "max_gap": largest, "failures": failures}


def main() -> None:
    """Write the result; the exit status says only whether the checker itself worked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    snapshot = Snapshot(arguments.model, arguments.dtype)
    cases = json.loads(CASES.read_text())
    cases += seeded_cases(arguments.seed, snapshot.model.config.vocab_size)
    arguments.out.write_text(json.dumps(check(arguments.url, snapshot, cases), indent=2))


if __name__ == "__main__":
    main()
