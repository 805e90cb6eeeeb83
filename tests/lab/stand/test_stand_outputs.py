"""What judges write is hostile: links, pipes, floods and garbage are nothing."""

import os

import pytest

from vibeserve.lab.stand import outputs
from vibeserve.lab.stand.outputs import holder_of, look_up, read_document, read_output


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "out").write_text('{"a": [1, {"b": true}]}')
    assert look_up(read_document(tmp_path / "out"), "a.1.b") is True
    assert holder_of(read_document(tmp_path / "out"), "a.1.b") == {"b": True}


def test_what_is_no_regular_file_is_nothing(tmp_path):
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "absent", "."):
        assert read_output(tmp_path / name) is None
        assert read_document(tmp_path / name) is None


def test_more_than_the_limit_is_nothing(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(outputs.MAX_OUTPUT_BYTES + 1)
    assert read_output(tmp_path / "large") is None


@pytest.mark.parametrize("written", ["", "{", "[" * 100_000, "9" * 5000, "\udcff"])
def test_garbage_is_no_document(tmp_path, written):
    (tmp_path / "out").write_bytes(written.encode("utf-8", "surrogateescape"))
    assert read_document(tmp_path / "out") is None


@pytest.mark.parametrize("path", ["b", "a.9", "a.x", "a.0.deeper", "c.d.e"])
def test_a_path_that_leads_nowhere_finds_nothing(path):
    assert look_up({"a": [1], "c": {"d": "text"}}, path) is None
    assert look_up(None, path) is None
    assert holder_of([], path) == {}
