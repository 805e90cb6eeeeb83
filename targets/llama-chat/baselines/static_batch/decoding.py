"""The model's work on one batch: prompts in groups of like length, then one forward pass per token for all rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad
from transformers import DynamicCache, LlamaForCausalLM


@dataclass(frozen=True)
class Sequences:
    """Rows of one length, the shorter ones padded before their first token.

    `cache` holds keys and values of all tokens but the newest, `mask` has a 1 for each token that it holds, and
    `newest` is what each row goes on with.
    """

    cache: DynamicCache
    mask: torch.Tensor
    newest: torch.Tensor

    def tokens(self) -> list[int]:
        """The newest token of each row."""
        return [int(token) for token in self.newest[:, 0].tolist()]


def prefill(model: LlamaForCausalLM, prompts: Sequence[list[int]]) -> Sequences:
    """Prompts, each with the first token of its answer."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    cache = DynamicCache(config=model.config)
    return _forward(model, ids, (mask.cumsum(dim=1) - 1).clamp(min=0), Sequences(cache, mask, ids))


def step(model: LlamaForCausalLM, rows: Sequences) -> Sequences:
    """All rows with one token more."""
    mask = torch.cat([rows.mask, rows.mask.new_ones(len(rows.mask), 1)], dim=1)
    positions = mask.sum(dim=1, keepdim=True) - 1
    return _forward(model, rows.newest, positions, Sequences(rows.cache, mask, rows.newest))


def joined(model: LlamaForCausalLM, groups: Sequence[Sequences]) -> Sequences:
    """Groups as one, in their order."""
    longest = max(group.mask.shape[1] for group in groups)
    missing = [longest - group.mask.shape[1] for group in groups]
    cache = DynamicCache(config=model.config)
    for layer in range(model.config.num_hidden_layers):
        held = [group.cache.layers[layer] for group in groups]
        keys = torch.cat([pad(one.keys, (0, 0, count, 0)) for one, count in zip(held, missing, strict=True)])
        values = torch.cat([pad(one.values, (0, 0, count, 0)) for one, count in zip(held, missing, strict=True)])
        cache.update(keys, values, layer)
    mask = torch.cat([pad(group.mask, (count, 0)) for group, count in zip(groups, missing, strict=True)])
    return Sequences(cache, mask, torch.cat([group.newest for group in groups]))


def _forward(model: LlamaForCausalLM, ids: torch.Tensor, positions: torch.Tensor, rows: Sequences) -> Sequences:
    logits = model(
        input_ids=ids,
        attention_mask=rows.mask,
        position_ids=positions,
        past_key_values=rows.cache,
        logits_to_keep=1,
    ).logits
    return Sequences(rows.cache, rows.mask, logits[:, -1].argmax(dim=-1, keepdim=True))
