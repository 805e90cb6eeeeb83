"""Reads a Hugging Face Llama snapshot: its configuration and its tensors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

# A server for short chats: the cache is sized for this many tokens at most.
LONGEST_CONTEXT = 2048

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Config:
    """The numbers of config.json that the forward pass and the requests need."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    norm_eps: float
    rope_theta: float
    rope_scaling: dict[str, Any] | None
    context: int
    eos_ids: frozenset[int]

    @classmethod
    def read(cls, folder: Path) -> "Config":
        """From config.json and, where there is one, generation_config.json."""
        config = json.loads((folder / "config.json").read_text())
        heads = config["num_attention_heads"]
        return cls(
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config["num_key_value_heads"],
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            norm_eps=config["rms_norm_eps"],
            rope_theta=config["rope_theta"],
            rope_scaling=config.get("rope_scaling"),
            context=min(config["max_position_embeddings"], LONGEST_CONTEXT),
            eos_ids=_eos_ids(folder, config),
        )


def _eos_ids(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    generation = folder / "generation_config.json"
    value = json.loads(generation.read_text()).get("eos_token_id") if generation.exists() else None
    value = config.get("eos_token_id") if value is None else value
    return frozenset(value if isinstance(value, list) else [] if value is None else [value])


def load_weights(folder: Path, dtype: torch.dtype, device: str) -> Weights:
    """All tensors by name, without the leading "model."; an embedding may serve as the output layer."""
    weights: Weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path, device=device).items():
            weights[name.removeprefix("model.")] = tensor.to(dtype)
    weights.setdefault("lm_head.weight", weights["embed_tokens.weight"])
    return weights
