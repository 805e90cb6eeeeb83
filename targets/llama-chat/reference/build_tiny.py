"""Builds the `tiny` preset: a 6.3M Llama with seeded random weights, as a local model snapshot.

Weights have the standard deviation 1.6 / sqrt(hidden): below it greedy output degenerates and a check
can see nothing. They are made with integer arithmetic from a raw bit stream, so every machine builds
the same bytes. Usage: python -I build_tiny.py --out DIR
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SEED = 20261120
HERE = Path(__file__).resolve().parent
UNIFORM_TERMS = 4
# The sum of four uniform 16-bit integers has this variance, and a shape close enough to normal.
TERM_VARIANCE = UNIFORM_TERMS * (2**32 - 1) / 12
TERM_MEAN = UNIFORM_TERMS * (2**16 - 1) / 2


def shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the Llama of `config`, in Hugging Face's naming."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    named = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        named |= {
            f"{prefix}.input_layernorm.weight": (hidden,),
            f"{prefix}.self_attn.q_proj.weight": (queries, hidden),
            f"{prefix}.self_attn.k_proj.weight": (keys, hidden),
            f"{prefix}.self_attn.v_proj.weight": (keys, hidden),
            f"{prefix}.self_attn.o_proj.weight": (hidden, queries),
            f"{prefix}.post_attention_layernorm.weight": (hidden,),
            f"{prefix}.mlp.gate_proj.weight": (inner, hidden),
            f"{prefix}.mlp.up_proj.weight": (inner, hidden),
            f"{prefix}.mlp.down_proj.weight": (hidden, inner),
        }
    return named | {"model.norm.weight": (hidden,), "lm_head.weight": (config["vocab_size"], hidden)}


def random_weight(bits: np.random.PCG64, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """A float32 tensor of mean 0 and the given standard deviation, equal on every machine."""
    raw = bits.random_raw(math.prod(shape)).astype("<u8")
    total = raw.view("<u2").reshape(-1, UNIFORM_TERMS).sum(axis=1, dtype=np.int64)
    scaled = (total - TERM_MEAN) * (deviation / math.sqrt(TERM_VARIANCE))
    return scaled.astype(np.float32).reshape(shape)


def build(out: Path, seed: int) -> None:
    """Write weights, configuration and tokenizer under `out`."""
    config = json.loads((HERE / "config.json").read_text())
    deviation = 1.6 / math.sqrt(config["hidden_size"])
    bits = np.random.PCG64(seed)
    tensors = {
        name: random_weight(bits, shape, deviation) if len(shape) > 1 else np.ones(shape, np.float32)
        for name, shape in shapes(config).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # as the other files: a server may run as another user
    shutil.copyfile(HERE / "config.json", out / "config.json")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(HERE / "tokenizer" / name, out / name)


def main() -> None:
    """Build one snapshot. Another seed gives other weights of the same shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    build(arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
