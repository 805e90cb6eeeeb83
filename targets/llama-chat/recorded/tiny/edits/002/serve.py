"""Entry point: python serve.py --port PORT --model DIR --dtype float32."""

import argparse
import asyncio
from pathlib import Path

import torch
from engine import SLOTS, Engine
from front import Front
from model import Llama
from prefiller import Prefiller
from text import Text
from weights import Config, load_weights


def main() -> None:
    """Load the model, then listen on loopback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    # The event loop and the clients need a core too; threads that spin for work would take it from them.
    torch.set_num_threads(max(1, min(4, torch.get_num_threads() // 2)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = Config.read(arguments.model)
    weights = load_weights(arguments.model, getattr(torch, arguments.dtype), device)
    model = Llama(config, weights, SLOTS)
    engine = Engine(model, Prefiller(model))
    asyncio.run(Front(engine, Text(arguments.model, config)).serve(arguments.port))


if __name__ == "__main__":
    main()
