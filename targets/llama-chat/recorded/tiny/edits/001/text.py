"""Text to prompt ids, and answer ids back to text that never splits a character."""

import json
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from weights import Config

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Text:
    """The tokenizer and the chat template of a snapshot."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.context = config.context
        self.eos_ids = config.eos_ids
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        self._begin = settings.get("bos_token", "")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(settings["chat_template"])

    def completion_ids(self, prompt: str) -> list[int]:
        """A prompt as it stands; the tokenizer puts begin_of_text in front."""
        return self._tokenizer.encode(prompt).ids

    def chat_ids(self, messages: list[dict[str, Any]]) -> list[int]:
        """Messages through the chat template, up to the assistant's turn."""
        text = self._template.render(messages=messages, bos_token=self._begin, add_generation_prompt=True)
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def detokenizer(self) -> "Detokenizer":
        """A fresh one for one answer."""
        return Detokenizer(self._tokenizer)


class Detokenizer:
    """Turns the ids of one answer into text, piece by piece."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._sent = 0

    def push(self, token: int, *, last: bool) -> str:
        """The text that `token` adds; bytes that may yet become a character wait for the next token."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if not last:
            text = text.rstrip(REPLACEMENT)
        new = text[self._sent :]
        self._sent = max(self._sent, len(text))
        return new
