"""Llama's forward pass over slots: waiting prompts in together, all running sequences one token further."""

import torch
import torch.nn.functional as F
from cache import SlotCache
from rope import rotate, tables
from weights import Config, Weights


class Layer:
    """The weights of one decoder layer, turned, with projections of the same input fused."""

    def __init__(self, config: Config, weights: Weights, index: int) -> None:
        part = {
            name.removeprefix(f"layers.{index}."): tensor
            for name, tensor in weights.items()
            if name.startswith(f"layers.{index}.")
        }
        self.config = config
        self.attention_norm = part["input_layernorm.weight"]
        self.mlp_norm = part["post_attention_layernorm.weight"]
        self.qkv = turned(torch.cat([part[f"self_attn.{name}_proj.weight"] for name in "qkv"]))
        self.output = turned(part["self_attn.o_proj.weight"])
        self.gate_up = turned(torch.cat([part["mlp.gate_proj.weight"], part["mlp.up_proj.weight"]]))
        self.down = turned(part["mlp.down_proj.weight"])

    def project(
        self, hidden: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rotated queries and keys, and values: each [tokens, its heads, head_dim]."""
        config = self.config
        normed = self.norm(hidden, self.attention_norm)
        heads = (normed @ self.qkv).unflatten(-1, (-1, config.head_dim))
        turned, value = heads.split([config.heads + config.kv_heads, config.kv_heads], dim=-2)
        query, key = rotate(turned, cosine, sine).split([config.heads, config.kv_heads], dim=-2)
        return query, key, value

    def finish(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """What follows attention: its output projection and the gated MLP."""
        hidden = hidden + attended @ self.output
        gate, up = (self.norm(hidden, self.mlp_norm) @ self.gate_up).chunk(2, dim=-1)
        return hidden + (F.silu(gate) * up) @ self.down

    def norm(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Root mean square normalization."""
        return F.rms_norm(hidden, weight.shape, weight, self.config.norm_eps)


class Llama:
    """The whole model, for up to `slots` sequences at a time."""

    def __init__(self, config: Config, weights: Weights, slots: int) -> None:
        self.config = config
        self.embedding = weights["embed_tokens.weight"]
        self.head = turned(weights["lm_head.weight"])
        self.final_norm = weights["norm.weight"]
        self.device, dtype = self.embedding.device, self.embedding.dtype
        self.layers = [Layer(config, weights, index) for index in range(config.layers)]
        self.cache = SlotCache(config, slots, dtype, self.device)
        cosine, sine = tables(config, dtype, self.device)
        self.cosine, self.sine = cosine[:, None], sine[:, None]

    @torch.inference_mode()
    def prefill(self, prompts: dict[int, list[int]]) -> list[int]:
        """Run whole prompts, each into its slot; the greedy token after each.

        They stand packed one behind the other, so that every weight is read once for all of them; only attention is
        computed prompt by prompt.
        """
        lengths = [len(ids) for ids in prompts.values()]
        where = torch.cat([torch.arange(length, device=self.device) for length in lengths])
        cosine, sine = self.cosine[where], self.sine[where]
        hidden = self.embedding[torch.tensor([token for ids in prompts.values() for token in ids], device=self.device)]
        for index, layer in enumerate(self.layers):
            parts = (states.split(lengths) for states in layer.project(hidden, cosine, sine))
            attended = [self.prefill_one(index, slot, *own) for slot, *own in zip(prompts, *parts, strict=True)]
            hidden = layer.finish(hidden, torch.cat(attended))
        ends = torch.tensor(lengths, device=self.device).cumsum(0) - 1
        return self.greedy(hidden[ends])

    def prefill_one(
        self, index: int, slot: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Causal attention within one prompt, [tokens, hidden]; its keys and values stay in its slot."""
        query, key, value = (states.transpose(0, 1) for states in (query, key, value))
        self.cache.keys[index, slot, :, : key.shape[1]] = key
        self.cache.values[index, slot, :, : key.shape[1]] = value
        attended = F.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True, enable_gqa=True)
        return attended[0].transpose(0, 1).flatten(1)

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
        tokens: list[int] = (normed @ self.head).argmax(dim=-1).tolist()
        return tokens


def turned(weight: torch.Tensor) -> torch.Tensor:
    """A weight as [inputs, outputs], the layout in which a product reads it without turning it."""
    return weight.t().contiguous()
