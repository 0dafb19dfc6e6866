"""Checks what the user turns before anything runs: `python -m stages.validate`.

The output never changes, so that every other stage waits for it and none is invalidated by it.
"""

from stages import params, paths


def main() -> None:
    """Check the three files and write that they are valid.

    Raises:
        UserError: something in them is not allowed.
    """
    params.load()
    out = paths.valid()
    out.parent.mkdir(exist_ok=True)
    paths.fresh(out).write_text("params.yaml, rows.yaml and datasets.yaml are valid.\n", encoding="utf-8")


if __name__ == "__main__":
    params.run(main)
