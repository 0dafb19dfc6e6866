"""`python -m stages.download`: write data/<dataset>/scenes for the dataset that params.yaml chooses."""

from stages import paths
from stages.download import download
from stages.params import load, run


def main() -> None:
    settings = load()
    dataset = settings.params.dataset
    download(settings.profile, dataset, paths.scenes(dataset))


if __name__ == "__main__":
    run(main)
