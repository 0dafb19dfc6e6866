"""`python -m stages.boxes`: boxes, split and packed arrays of the dataset that params.yaml chooses."""

from stages import config, paths
from stages.boxes.pack import describe, pack
from stages.errors import run


def main() -> None:
    """Read the settings, pack, print the statistics."""
    settings = config.load()
    dataset = settings.params.dataset
    statistics = pack(
        settings.profile.boxes, settings.params.data_seed, dataset, paths.manifest(dataset), paths.packed(dataset)
    )
    print(describe(statistics))


if __name__ == "__main__":
    run(main)
