"""Keys and values of all sequences in flight: one slot each, in tensors that never move."""

import torch
from weights import Config


class SlotCache:
    """`keys[layer]` and `values[layer]` are [slots, kv_heads, context, head_dim]."""

    def __init__(self, config: Config, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots, config.kv_heads, config.context, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self._seen = torch.zeros((slots, config.context), dtype=torch.bool, device=device)

    def fill(self, slot: int, length: int) -> None:
        """Make the first `length` positions of a slot visible."""
        self._seen[slot, :length] = True

    def visible(self, rows: torch.Tensor, positions: torch.Tensor, length: int) -> torch.Tensor:
        """What each row may attend to, [rows, length]. The masks are kept and grow by one token a step."""
        self._seen[rows, positions] = True
        return self._seen[: len(rows), :length]

    def clear(self) -> None:
        """Forget all that was visible."""
        self._seen.zero_()
