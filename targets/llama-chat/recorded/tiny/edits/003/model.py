"""Llama's forward pass over slots: one prompt at a time in, all running sequences one token further."""

import torch
import torch.nn.functional as F
from cache import SlotCache
from rope import rotate, tables
from weights import Config, Weights


class Layer:
    """The weights of one decoder layer, with projections of the same input fused."""

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

    def project(
        self, hidden: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rotated queries and keys, and values: each [tokens, its heads, head_dim]."""
        config = self.config
        normed = self.norm(hidden, self.attention_norm)
        heads = F.linear(normed, self.qkv).unflatten(-1, (-1, config.head_dim))
        turned, value = heads.split([config.heads + config.kv_heads, config.kv_heads], dim=-2)
        query, key = rotate(turned, cosine, sine).split([config.heads, config.kv_heads], dim=-2)
        return query, key, value

    def finish(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """What follows attention: its output projection and the gated MLP."""
        hidden = hidden + F.linear(attended, self.output)
        gate, up = F.linear(self.norm(hidden, self.mlp_norm), self.gate_up).chunk(2, dim=-1)
        return hidden + F.linear(F.silu(gate) * up, self.down)

    def norm(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Root mean square normalization."""
        return F.rms_norm(hidden, weight.shape, weight, self.config.norm_eps)


class Llama:
    """The whole model, for up to `slots` sequences at a time."""

    def __init__(self, config: Config, weights: Weights, slots: int) -> None:
        self.config = config
        self.embedding = weights["embed_tokens.weight"]
        self.head = weights["lm_head.weight"]
        self.final_norm = weights["norm.weight"]
        self.device, dtype = self.embedding.device, self.embedding.dtype
        self.layers = [Layer(config, weights, index) for index in range(config.layers)]
        self.cache = SlotCache(config, slots, dtype, self.device)
        cosine, sine = tables(config, dtype, self.device)
        self.cosine, self.sine = cosine[:, None], sine[:, None]

    def prefill(self, prompts: dict[int, list[int]]) -> list[int]:
        """Run whole prompts, each into its slot, one after the other; the greedy token after each."""
        return [self.prefill_one(prompt_ids, slot) for slot, prompt_ids in prompts.items()]

    @torch.inference_mode()
    def prefill_one(self, prompt_ids: list[int], slot: int) -> int:
        """Run a prompt into its slot; the greedy token after it."""
        end = len(prompt_ids)
        hidden = self.embedding[torch.tensor(prompt_ids, device=self.device)]
        for index, layer in enumerate(self.layers):
            query, key, value = (
                states.transpose(0, 1) for states in layer.project(hidden, self.cosine[:end], self.sine[:end])
            )
            self.cache.keys[index, slot, :, :end] = key
            self.cache.values[index, slot, :, :end] = value
            attended = F.scaled_dot_product_attention(
                query[None], key[None], value[None], is_causal=True, enable_gqa=True
            )
            hidden = layer.finish(hidden, attended[0].transpose(0, 1).flatten(1))
        return self.greedy(hidden[-1:])[0]

    @torch.inference_mode()
    def decode(self, tokens: list[int], positions: list[int], length: int) -> list[int]:
        """One step for the slots 0, 1, …: each row's token at its position; the greedy tokens after them.

        No running sequence is longer than `length`.
        """
        rows = torch.arange(len(tokens), device=self.device)
        where = torch.tensor(positions, device=self.device)
        mask = self.cache.visible(where, length)[:, None, None]
        cosine, sine = self.cosine[where], self.sine[where]
        hidden = self.embedding[torch.tensor(tokens, device=self.device)]
        for index, layer in enumerate(self.layers):
            query, key, value = layer.project(hidden, cosine, sine)
            self.cache.keys[index, rows, :, where] = key
            self.cache.values[index, rows, :, where] = value
            # The query heads that share a key head stand as its rows: no key is copied for them.
            attended = F.scaled_dot_product_attention(
                query.unflatten(1, (self.config.kv_heads, -1)),
                self.cache.keys[index, : len(tokens), :, :length],
                self.cache.values[index, : len(tokens), :, :length],
                attn_mask=mask,
            )
            hidden = layer.finish(hidden, attended.flatten(1))
        return self.greedy(hidden)

    def greedy(self, hidden: torch.Tensor) -> list[int]:
        """The likeliest next token of each row."""
        normed = F.rms_norm(hidden, self.final_norm.shape, self.final_norm, self.config.norm_eps)
        tokens: list[int] = F.linear(normed, self.head).argmax(dim=-1).tolist()
        return tokens
