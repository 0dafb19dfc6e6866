"""`python -m stages.download`: write data/<dataset>/scenes for the dataset that params.yaml chooses."""

import os

from stages import config, paths
from stages.download import place
from stages.download.run import download
from stages.errors import run


def main() -> None:
    """Read the settings and get the scenes."""
    settings = config.load()
    dataset = settings.params.dataset
    environ = place.recorded(settings.profile.scenes, paths.source(dataset), os.environ)
    download(settings.profile, dataset, paths.scenes(dataset), environ)


if __name__ == "__main__":
    run(main)
