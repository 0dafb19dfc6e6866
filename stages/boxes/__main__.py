"""`python -m stages.boxes`: boxes, split and packed arrays of the dataset that params.yaml chooses."""

import sys

from stages import config, paths
from stages.boxes import statistics
from stages.boxes.pack import describe, pack
from stages.errors import run


def main() -> None:
    """Read the settings, pack, print the statistics.

    Raises:
        UserError: As `pack`, or no training image has a class of the profile.
    """
    settings = config.load()
    dataset = settings.params.dataset
    found = pack(
        settings.profile.boxes, settings.params.data_seed, dataset, paths.manifest(dataset), paths.packed(dataset)
    )
    for note in statistics.check(dataset, found["train"]):
        print(f"note: {note}", file=sys.stderr)
    print(describe(found))


if __name__ == "__main__":
    run(main)
