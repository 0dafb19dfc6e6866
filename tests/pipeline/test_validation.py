"""A mistake in what the user turns is told in one line, and nothing runs."""

import pytest

from tests.pipeline.clones import Clone, ran

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+tua=2.0", "error: params.yaml: unknown key tua; nearest known: tau"),
        ("tau=abc", 'error: params.yaml: tau is "abc"; allowed: a number above 0, at most 100'),
        ("tau=-1", "error: params.yaml: tau is -1; allowed: a number above 0, at most 100"),
    ],
)
def test_an_experiment_with_a_mistake_stops_before_anything_runs(clone: Clone, override: str, message: str) -> None:
    done = clone.dvc("exp", "run", "--set-param", override, check=False)
    assert done.returncode != 0
    assert ran(done.stdout) == {"validate"}
    assert message in done.stderr.splitlines()
    assert "Traceback" not in done.stderr


def test_validate_writes_the_same_whatever_the_params(clone: Clone) -> None:
    before = (clone.path / "data" / "valid.txt").read_bytes()
    clone.edit("params.yaml", "tau", 1.0)
    clone.run("python", "-m", "stages.validate")
    assert (clone.path / "data" / "valid.txt").read_bytes() == before
