"""Several processes share one training: one loss and gradient, one writer, and any number of them may resume."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import arrays, paths
from stages.train import loop
from stages.train.ranks import Ranks, ranks

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    "bce-500-2280",
    "regression-all-500-2280",
    "bootstrap-500-2280-stable",
    "ce-500-2280",
    "ce-bootstrap-500-2280",
    "ce-bootstrap-500-2280-stable",
]

# Run by each process: three batches' losses, gradients and running IoU in fp32, batch norm and dropout frozen, and the
# Monte Carlo noise of a sample and class the same at every pixel, whichever process has it.
SHARE = """
import sys, torch
from pathlib import Path
from stages import arrays, params, paths
from stages.train import loop
from stages.train.ranks import ranks

torch.set_num_threads(1)
loop.precision = lambda _: torch.float32
drawn = torch.randn
torch.randn = lambda shape, **how: drawn(*shape[:2], 1, generator=torch.Generator().manual_seed(0)).expand(shape)
root, rows = Path(sys.argv[1]), sys.argv[2:]
settings, device, found = params.load(root), torch.device("cpu"), {}
packed = arrays.open_packed(paths.packed("synthetic", root))
with ranks(device) as these:
    for name in rows:
        row = settings.rows[name]
        pp, box = arrays.pools(packed, row)
        run = loop.describe(settings, name, 0, packed, pp, box)
        trainer = loop.Trainer(packed, row, run, pp, box, device, ranks=these)
        trainer.network.eval()
        trainer.network.head.bias.data.clamp_(min=0)  # so that some pixels are foreground
        trainer.network.train = lambda mode=True, network=trainer.network: network
        trainer.optimiser.step = lambda: None
        for step in range(3):
            images, labels = trainer.batches[step]
            output, terms = trainer.advance(images, labels)
            found[name, step] = (
                trainer.iou.update(output, labels),
                {term: these.total(value).item() for term, value in terms.items()},
                [parameter.grad.clone() for parameter in trainer.network.parameters()],
                len(images),
            )
    if these.first:
        torch.save(found, root / f"shared-{these.world}.pt")
"""


def start(processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone", *words]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=300)


@pytest.fixture
def uneven(project):
    """Batches that two processes cannot halve."""
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("batch_size: 4", "batch_size: 5"))
    return project


def errors(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(line for line in done.stderr.splitlines() if "Error" in line or "line" in line)[-3000:]


def test_two_processes_have_the_losses_and_gradients_of_one(uneven, tmp_path):
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    for processes in (1, 2):
        done = start(processes, str(script), str(uneven), *ROWS)
        assert done.returncode == 0, errors(done)
    alone, shared = (torch.load(uneven / f"shared-{n}.pt") for n in (1, 2))
    assert len(alone) == 3 * len(ROWS)
    assert any(iou for iou, *_ in alone.values())
    for key, (iou, terms, gradients, images) in alone.items():
        other_iou, other_terms, other_gradients, part = shared[key]
        assert (images, part) == (5, 3)
        assert other_iou == pytest.approx(iou, abs=0.01), key
        assert other_terms == pytest.approx(terms, rel=1e-5, abs=1e-7), key
        scale = max(float(g.abs().max()) for g in gradients)
        for ours, theirs in zip(gradients, other_gradients, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5 * scale)


def train(root: Path, processes: int, row: str = "bootstrap-500-2280-stable") -> subprocess.CompletedProcess[str]:
    """As the pipeline does it, with `processes` in params.yaml."""
    text = (root / "params.yaml").read_text()
    assert "processes: 1 " in text
    (root / "params.yaml").write_text(text.replace("processes: 1 ", f"processes: {processes} "))
    (root / "dvc.yaml").touch()  # makes it a project
    command = [sys.executable, "-m", "stages.train", "--row", row, "--seed", "0"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environ, timeout=300)


def test_one_process_writes_and_another_number_of_them_resumes(project, settings, monkeypatch):
    row = "bootstrap-500-2280-stable"
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    real = loop.Trainer.advance

    def stop(self, *batch):
        if self.step == 6:
            raise KeyboardInterrupt
        return real(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, row, 0, project)
    done = train(project, 2)
    assert done.returncode == 0, errors(done)
    record = json.loads(paths.record(row, 0, project).read_text())
    assert (record["resumed"], record["processes"]) == (1, 2)
    out = paths.train(row, 0, project)
    assert {file.name for file in out.iterdir()} == {
        "run.json",
        "history.jsonl",
        "weights.pt",
        "samples.npz",
        "trace.npz",
    }
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == [10, 12]
    assert all(np.isfinite(line["loss"]) for line in history)
    assert not list(paths.checkpoints(project).glob("*/state.pt"))


def test_more_processes_than_images_in_a_batch_are_refused(project, monkeypatch):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("batch_size: 4", "batch_size: 1"))
    done = train(project, 2)
    assert done.returncode == 1
    assert done.stderr == "error: params.yaml: processes is 2; allowed: at most batch_size, 1\n"


def test_a_mistake_is_one_line_before_processes_start(project):
    done = train(project, 2, row="bce-501")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --row bce-501: no such row; ")
    assert done.stderr.count("\n") == 1


def test_more_processes_than_images_are_refused_under_torchrun_as_well(project, monkeypatch):
    monkeypatch.chdir(project)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("batch_size: 4", "batch_size: 1"))
    (project / "dvc.yaml").touch()
    done = start(2, "-m", "stages.train", "--row", "bce-500", "--seed", "0")
    assert done.returncode
    assert "error: params.yaml: batch_size is 1; allowed with 2 processes: 2 or more" in done.stderr


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with ranks(torch.device("cpu")) as these:
        assert these == Ranks(0, 1)
        assert these.first
        x, network = torch.ones(2), torch.nn.BatchNorm2d(3)
        assert these.total(x) is x
        assert these.told("word") == "word"
        assert these.share(network, torch.device("cpu")) is network
        assert these.whole(network, torch.device("cpu")) is network


def test_processes_take_every_draw_of_a_batch_once(packed, settings):
    row = settings.rows["bce-500-2280"]
    pp, box = arrays.pools(packed, row)
    run = loop.describe(settings, "bce-500-2280", 0, packed, pp, box)
    cpu = torch.device("cpu")
    whole = loop.Trainer(packed, row, run, pp, box, cpu).batches[3][0]
    parts = []
    for rank in range(3):
        drawn = loop.plan(pp, box, steps=12, batch_size=4, seed=0, pp_chance=0.25, flip=0.5)
        parts.append(loop.Batches(packed, row, pp, drawn, cpu, slice(rank, None, 3))[3][0])
    assert [len(part) for part in parts] == [2, 1, 1]
    assert sorted(image.sum().item() for part in parts for image in part) == sorted(i.sum().item() for i in whole)
