"""Orders that are as good as random, the same on every platform and with every library version."""

import hashlib
from collections.abc import Iterable


def shuffled(names: Iterable[str], key: str) -> list[str]:
    """Sort names by the SHA-256 of key and name. Adding a name keeps the order of the others."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{key}/{name}".encode()).digest())
