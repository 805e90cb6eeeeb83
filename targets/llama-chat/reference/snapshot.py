"""A local model snapshot: its weights, its tokenizer and how a request becomes prompt ids.

The reference server, the scorer and the checker all load a snapshot here, so they cannot disagree.
"""

import json
import os
from pathlib import Path
from typing import Any

# A model is a folder that is already here; nothing is ever looked up elsewhere.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
# Whoever talks to this process needs cores too; threads that spin for work would take them.
torch.set_num_threads(max(1, min(4, torch.get_num_threads() // 2)))


class Snapshot:
    """Weights in evaluation mode at `dtype`, tokenizer and the ids that end an answer."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self.model = LlamaForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, attn_implementation="sdpa"
        ).eval()
        if torch.cuda.is_available():
            self.model = self.model.to("cuda")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.eos_ids = end_ids(folder)
        self._chat = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may hold together."""
        return int(self.model.config.max_position_embeddings)

    def prompt_ids(self, request: dict[str, Any]) -> list[int]:
        """The ids of `prompt` (begin_of_text first), or of `messages` through the chat template."""
        if "messages" in request:
            text = self._chat.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return list(self.tokenizer.encode(request["prompt"]).ids)

    def decode(self, token_ids: list[int]) -> str:
        """The text of an answer: special tokens left out, invalid UTF-8 replaced."""
        return str(self.tokenizer.decode(token_ids, skip_special_tokens=True))

    @torch.inference_mode()
    def gaps(self, prompt_ids: list[int], token_ids: list[int]) -> list[float]:
        """Teacher forcing: for each id, the largest logit at its place minus its own logit (0 = greedy)."""
        sequence = torch.tensor([prompt_ids + token_ids], device=self.model.device)
        logits = self.model(sequence).logits[0, len(prompt_ids) - 1 : -1].float()
        emitted = logits.gather(1, sequence[0, len(prompt_ids) :, None])[:, 0]
        return (logits.max(dim=1).values - emitted).tolist()


def end_ids(folder: Path) -> frozenset[int]:
    """`eos_token_id` of generation_config.json, else of config.json: none, one or several ids."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).exists():
            value = json.loads((folder / name).read_text()).get("eos_token_id")
            if value is not None:
                return frozenset(value if isinstance(value, list) else [value])
    return frozenset()
