"""Text to prompt ids, and answer ids back to text that never splits a character."""

import codecs
import json
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from weights import Config


class Text:
    """The tokenizer and the chat template of a snapshot."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.context = config.context
        self.eos_ids = config.eos_ids
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._pieces = pieces(self._tokenizer)
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
        return Detokenizer(self._pieces)


class Detokenizer:
    """Turns the ids of one answer into text: each id's bytes through an incremental UTF-8 decoder."""

    def __init__(self, pieces: dict[int, bytes]) -> None:
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int, *, last: bool) -> str:
        """The text that `token` adds; bytes that may yet become a character wait for the next token."""
        return self._decoder.decode(self._pieces.get(token, b""), final=last)


def pieces(tokenizer: Tokenizer) -> dict[int, bytes]:
    """The bytes of every id of a byte-level tokenizer; special tokens have none."""
    byte_of = {character: byte for byte, character in byte_characters().items()}
    added = tokenizer.get_added_tokens_decoder()
    found = {
        token: bytes(byte_of[character] for character in name)
        for name, token in tokenizer.get_vocab(with_added_tokens=False).items()
        if token not in added
    }
    return found | {token: b"" if one.special else one.content.encode() for token, one in added.items()}


def byte_characters() -> dict[int, str]:
    """GPT-2's printable character for each byte, as byte-level tokenizers write their vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}
