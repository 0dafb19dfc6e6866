"""The progress bar of long work, on stderr."""

import sys

from tqdm import tqdm


def bar(total: int, label: str, start: int = 0, shown: bool = True) -> tqdm:
    """Return a bar with the time left; `.set_postfix_str(...)` sets its numbers. In a log file it prints every 10 s."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=start,
        desc=label,
        unit="step",
        disable=not shown,
        mininterval=0.5 if terminal else 10,
        dynamic_ncols=terminal,
        ncols=None if terminal else 110,
        ascii=not terminal,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]",
    )
