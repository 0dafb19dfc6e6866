"""Several processes share one training: one loss and gradient, one writer, and any number of them may resume."""

import json

import numpy as np
import pytest
import torch

from stages import paths
from stages.train import loop
from stages.train.distributed import Ranks, join
from tests.train.processes import errors, torchrun, train
from tests.train.tiny import change

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
from stages import config
from stages.train import loop
from stages.train import trainer as trainer_module
from stages.train.distributed import join

torch.set_num_threads(1)
trainer_module.precision = loop.precision = lambda _: torch.float32
drawn = torch.randn
torch.randn = lambda shape, **how: drawn(*shape[:2], 1, generator=torch.Generator().manual_seed(0)).expand(shape)
root, rows = Path(sys.argv[1]), sys.argv[2:]
settings, device, found = config.load(root), torch.device("cpu"), {}
with join(device) as ranks:
    for name in rows:
        trainer = loop.Trainer(loop.prepare(settings, name, 0, root), device, ranks=ranks)
        trainer.network.eval()
        trainer.network.head.bias.data.clamp_(min=0)  # so that some pixels are foreground
        trainer.network.train = lambda mode=True, network=trainer.network: network
        trainer.optimiser.step = lambda: None
        for step in range(3):
            images, labels = trainer.batches[step]
            output, terms = trainer.advance(images, labels)
            found[name, step] = (
                trainer.iou.update(output, labels),
                {term: ranks.all_reduce_sum(value).item() for term, value in terms.items()},
                [parameter.grad.clone() for parameter in trainer.network.parameters()],
                len(images),
            )
    if ranks.first:
        torch.save(found, root / f"shared-{ranks.world}.pt")
"""


@pytest.fixture
def uneven(project):
    """Batches that two processes cannot halve."""
    change(project / "params.yaml", ("batch_size: 4", "batch_size: 5"))
    return project


@pytest.mark.integration
def test_two_processes_have_the_losses_and_gradients_of_one(uneven, tmp_path):
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    for processes in (1, 2):
        done = torchrun(processes, str(script), str(uneven), *ROWS)
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


@pytest.mark.integration
def test_one_process_writes_and_another_number_of_them_resumes(project, settings, monkeypatch):
    row = "bootstrap-500-2280-stable"
    monkeypatch.setattr("stages.train.trainer.CHECKPOINT_SECONDS", 0.0)
    real = loop.Trainer.advance

    def stop(self, *batch):
        if self.step == 6:
            raise KeyboardInterrupt
        return real(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, row, 0, project)
    done = train(project, 2, row)
    assert done.returncode == 0, errors(done)
    record = json.loads(paths.record(row, 0, project).read_text())
    assert (record["resumed"], record["processes"]) == (1, 2)
    out = paths.train(row, 0, project)
    assert {file.name for file in out.iterdir()} == {
        "run.json",
        "history.jsonl",
        "weights.pt",
        "snapshots.npz",
        "teacher.pt",
        "trace.npz",
    }
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == [10, 12]
    assert all(np.isfinite(line["loss"]) for line in history)
    assert not list(paths.checkpoints(project).glob("*/state.pt"))


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    cpu = torch.device("cpu")
    with join(cpu) as ranks:
        assert ranks == Ranks(0, 1)
        assert ranks.first
        x, network = torch.ones(2), torch.nn.BatchNorm2d(3)
        assert ranks.all_reduce_sum(x) is x
        assert ranks.broadcast("word") == "word"
        assert ranks.wrap_ddp(network, cpu) is network
        assert ranks.convert_sync_batchnorm(network, cpu) is network
