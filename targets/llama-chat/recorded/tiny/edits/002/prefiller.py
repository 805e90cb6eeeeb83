"""Takes prompts in: between two decoding steps, in the process that decodes."""

from model import Llama


class Prefiller:
    """Runs prompts into their slots."""

    def __init__(self, model: Llama) -> None:
        self._model = model

    async def first_tokens(self, prompts: dict[int, list[int]]) -> list[int]:
        """The token after each prompt; its keys and values are in its slot then."""
        return self._model.prefill(prompts)
