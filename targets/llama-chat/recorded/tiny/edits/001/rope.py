"""Rotary position embedding, with the frequency scaling of Llama 3.1."""

import math
from typing import Any

import torch
from weights import Config


def tables(config: Config, dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine for every position: two tensors [context, head_dim]."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / (config.rope_theta**exponents)
    if config.rope_scaling is not None:
        frequencies = scaled(frequencies, config.rope_scaling)
    angles = torch.outer(torch.arange(config.context, dtype=torch.float32), frequencies).repeat(1, 2)
    return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def scaled(frequencies: torch.Tensor, scaling: dict[str, Any]) -> torch.Tensor:
    """Llama 3.1: slow rotations are slowed by `factor`, fast ones kept, those between interpolated."""
    if scaling["rope_type"] != "llama3":
        raise SystemExit(f"rope type {scaling['rope_type']} is not served")
    original, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    wavelengths = 2 * math.pi / frequencies
    kept = (original / wavelengths - low) / (high - low)
    between = (1 - kept) * frequencies / factor + kept * frequencies
    slow = torch.where(wavelengths > original / low, frequencies / factor, frequencies)
    is_between = (wavelengths <= original / low) & (wavelengths >= original / high)
    return torch.where(is_between, between, slow)


def rotate(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn [..., head_dim] by the angles of its positions (broadcast over heads)."""
    left, right = states.chunk(2, dim=-1)
    return states * cosine + torch.cat((-right, left), dim=-1) * sine
