"""Llama's forward pass over a static key/value cache for one sequence."""

import torch
import torch.nn.functional as F
from rope import rotate, tables
from weights import Config, Weights


class Layer:
    """One decoder layer: fused projections, and the cache of its keys and values."""

    def __init__(self, config: Config, weights: Weights, index: int) -> None:
        part = {
            name.removeprefix(f"layers.{index}."): tensor
            for name, tensor in weights.items()
            if name.startswith(f"layers.{index}.")
        }
        self.config = config
        self.attention_norm = part["input_layernorm.weight"]
        self.mlp_norm = part["post_attention_layernorm.weight"]
        self.qkv = torch.cat([part[f"self_attn.{name}_proj.weight"] for name in "qkv"])
        self.output = part["self_attn.o_proj.weight"]
        self.gate_up = torch.cat([part["mlp.gate_proj.weight"], part["mlp.up_proj.weight"]])
        self.down = part["mlp.down_proj.weight"]
        cache_shape = (config.kv_heads, config.context, config.head_dim)
        self.keys = self.qkv.new_zeros(cache_shape)
        self.values = self.qkv.new_zeros(cache_shape)

    def forward(self, hidden: torch.Tensor, start: int, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Tokens [tokens, hidden] at positions start, start + 1, …; earlier ones come from the cache."""
        attended = self.attend(self.norm(hidden, self.attention_norm), start, cosine, sine)
        hidden = hidden + F.linear(attended, self.output)
        gate, up = F.linear(self.norm(hidden, self.mlp_norm), self.gate_up).chunk(2, dim=-1)
        return hidden + F.linear(F.silu(gate) * up, self.down)

    def attend(self, hidden: torch.Tensor, start: int, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Write this step's keys and values into the cache, then attend to all up to here."""
        config, end = self.config, start + hidden.shape[0]
        heads = F.linear(hidden, self.qkv).view(hidden.shape[0], -1, config.head_dim).transpose(0, 1)
        query, key, value = heads.split([config.heads, config.kv_heads, config.kv_heads])
        self.keys[:, start:end] = rotate(key, cosine, sine)
        self.values[:, start:end] = value
        attended = F.scaled_dot_product_attention(
            rotate(query, cosine, sine)[None],
            self.keys[None, :, :end],
            self.values[None, :, :end],
            is_causal=start == 0,  # a prompt is causal; a single later token sees everything
            enable_gqa=True,
        )
        return attended[0].transpose(0, 1).flatten(1)

    def norm(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Root mean square normalization."""
        return F.rms_norm(hidden, weight.shape, weight, self.config.norm_eps)


class Llama:
    """The whole model, for one sequence at a time."""

    def __init__(self, config: Config, weights: Weights) -> None:
        self.embedding = weights["embed_tokens.weight"]
        self.head = weights["lm_head.weight"]
        self.final_norm = weights["norm.weight"]
        self.layers = [Layer(config, weights, index) for index in range(config.layers)]
        self.norm_eps = config.norm_eps
        self.cosine, self.sine = tables(config, self.embedding.dtype, self.embedding.device)

    @torch.inference_mode()
    def next_token(self, token_ids: list[int], start: int) -> int:
        """The greedy token after `token_ids`, which stand at positions start, start + 1, …"""
        hidden = self.embedding[torch.tensor(token_ids, device=self.embedding.device)]
        positions = slice(start, start + len(token_ids))
        for layer in self.layers:
            hidden = layer.forward(hidden, start, self.cosine[positions], self.sine[positions])
        last = F.rms_norm(hidden[-1], self.final_norm.shape, self.final_norm, self.norm_eps)
        return int(F.linear(last, self.head).argmax())
