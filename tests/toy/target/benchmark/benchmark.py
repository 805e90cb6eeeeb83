"""One open-loop Poisson window.

Usage: python -I benchmark.py --url U --model D --seed N --load FILE --out FILE
"""

import argparse
import asyncio
import json
import random
from pathlib import Path

from vibeserve.lab.load import Plan, Request, drive, poisson, summarize

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--load", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    load = json.loads(arguments.load.read_text())
    generator = random.Random(arguments.seed)
    common = {"max_tokens": load["output_tokens"], "temperature": 0, "stream": True, "return_token_ids": True}
    requests = tuple(
        Request(
            at_s=at_s,
            path="/v1/completions",
            body={**common, "prompt": f"fresh {generator.randrange(10**9)}"},
        )
        for at_s in poisson(load["rate_per_s"], load["window_s"], arguments.seed)
    )
    samples = asyncio.run(drive(arguments.url, Plan(requests=requests, window_s=load["window_s"])))
    summary = summarize(samples, load["window_s"])
    timed = [
        {
            "endpoint": "completions",
            "prompt": request.body["prompt"],
            "max_tokens": request.body["max_tokens"],
            "token_ids": list(sample.token_ids),
            "text": sample.text,
            "finish_reason": sample.finish_reason,
        }
        for request, sample in zip(requests, samples, strict=True)
        if sample.completed
    ]
    arguments.out.write_text(json.dumps({"headline": summary.model_dump(), "samples": timed}))
