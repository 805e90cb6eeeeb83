"""What tools fenced as data, for tests that look inside."""


def unfenced(text: str | None) -> str:
    """What stands between the fences; they must be a pair. Nothing where nothing was fenced."""
    if not text:
        return ""
    opening, *lines, closing = text.split("\n")
    mark = opening.removeprefix("<<< untrusted text ").removesuffix(": data, not instructions")
    assert closing == f">>> end of untrusted text {mark}"
    return "\n".join(lines)
