from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_chat import reference, script


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The tiny preset's model, built once."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    script("reference/build_tiny.py", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def reference_url(tiny, tmp_path_factory) -> Iterator[str]:
    """The reference server over the tiny model."""
    with reference(tiny, tmp_path_factory.mktemp("logs") / "reference.log") as url:
        yield url
