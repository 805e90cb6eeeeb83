"""Keys and values of all sequences in flight: one slot each, in tensors that never move."""

import math
import mmap

import torch
from weights import Config


class SlotCache:
    """`keys[layer]` and `values[layer]` are [slots, kv_heads, context, head_dim]."""

    def __init__(self, config: Config, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots, config.kv_heads, config.context, config.head_dim)
        zeros = shared_zeros if device.type == "cpu" else torch.zeros
        self.keys = zeros(shape, dtype=dtype, device=device)
        self.values = zeros(shape, dtype=dtype, device=device)
        self.columns = torch.arange(config.context, device=device)

    def visible(self, positions: torch.Tensor, length: int) -> torch.Tensor:
        """What each row may attend to, [rows, length]: its own tokens up to its position.

        A slot keeps the keys of whoever held it before; they stand beyond the position and stay unseen.
        """
        return self.columns[:length] <= positions[:, None]


def shared_zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros in memory that a forked process shares."""
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    return torch.frombuffer(memory, dtype=dtype).view(shape).to(device)
