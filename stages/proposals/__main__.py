"""`python -m stages.proposals`: labels inside boxes by methods that need no training, and what they cost."""

from stages import config, paths
from stages.errors import run
from stages.proposals import files
from stages.proposals.make import make


def main() -> None:
    """Read the settings, make the labels that rows of the chosen dataset need, and print their quality and cost.

    Raises:
        UserError: As `make`.
    """
    settings = config.load()
    dataset = settings.params.dataset
    out = paths.proposals(dataset)
    rows = {name: settings.rows[name] for name in settings.methods}
    names = sorted({row.labels for row in rows.values() if row.proposed})
    found = make(paths.packed(dataset), out, names)
    files.write_needs(out, settings)
    if not names:
        print(f"no row of {dataset} needs any")
        return
    print(f"IoU with the masks inside boxes: {found['boxes']} % of the boxes themselves")
    for name in names:
        print(f"{name}: {found[name]['iou']} %, {found[name]['seconds']} s of one core for an image")


if __name__ == "__main__":
    run(main)
