"""Checks what the user turns before anything runs: `python -m stages.validate`.

The output never changes, so that every other stage waits for it and none is invalidated by it.
"""

from stages import config, paths
from stages.errors import run


def main() -> None:
    """Check the three files and write that they are valid.

    Raises:
        UserError: something in them is not allowed.
    """
    config.load()
    out = paths.valid()
    out.parent.mkdir(exist_ok=True)
    paths.reset(out).write_text(
        "params.yaml, configs/rows.yaml and configs/datasets.yaml are valid.\n", encoding="utf-8"
    )


if __name__ == "__main__":
    run(main)
