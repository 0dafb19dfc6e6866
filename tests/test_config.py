"""params.yaml and configs/: what is read, and the one line for each thing that is wrong."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.config import load
from stages.errors import UserError, run
from stages.paths import ROOT

FILES = ("params.yaml", "configs/rows.yaml", "configs/datasets.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with copies of the project's three files."""
    (tmp_path / "configs").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def put(root: Path, file: str, pattern: str, text: str) -> None:
    """Replace what `pattern` matches (once, from the start of a line) in one of the files."""
    path = root / file
    changed, count = re.subn(pattern, text, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, f"{pattern} is not in {file}"
    path.write_text(changed)


def refusal(root: Path) -> str:
    """The message that `load` refuses with: always one line."""
    with pytest.raises(UserError) as caught:
        load(root)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_projects_own_files_are_allowed() -> None:
    settings = load(ROOT)
    assert len(settings.rows) == 41
    assert settings.rows["bce-2780"].classes == "one"
    assert settings.rows["ce-500"].classes == "few"
    assert list(settings.profile.boxes.classes) == ["car", "person"]
    assert settings.rows["bootstrap-100-2680-stable"].recipe == "stable"


@pytest.mark.parametrize("dataset", ["synthetic", "camvid", "cityscapes"])
def test_every_profile_is_allowed(root: Path, dataset: str) -> None:
    put(root, "params.yaml", r"^dataset: \w+", f"dataset: {dataset}")
    assert load(root).profile.scenes.source == dataset


def test_auto_is_the_profiles_value_and_a_number_wins(root: Path) -> None:
    settings = load(root)
    train = settings.profile.train
    assert (settings.steps, settings.learning_rate) == (train.steps, train.learning_rate)
    put(root, "params.yaml", r"^steps: auto", "steps: 7")
    put(root, "params.yaml", r"^learning_rate: auto", "learning_rate: 1e-3")
    assert (load(root).steps, load(root).learning_rate) == (7, 0.001)


def test_methods_are_the_usual_ones_or_those_that_are_named(root: Path) -> None:
    assert load(root).methods == ("grabcut-500-2280", "self-training-500-2280")
    put(root, "params.yaml", r"^methods: auto", "methods: [sdi-0-2780]")
    assert load(root).methods == ("sdi-0-2780",)
    put(root, "params.yaml", r"^methods: .*", "methods: []")
    assert load(root).methods == ()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("[sdi]", 'params.yaml: methods is ["sdi"]; allowed: auto, or of grabcut-0-2780, '),
        ("[bce-500]", 'params.yaml: methods is ["bce-500"]; allowed: auto, or of '),
        ("sdi-0-2780", 'params.yaml: methods is "sdi-0-2780"; allowed: a list of rows of rows.methods'),
        ("3", "params.yaml: methods is 3; allowed: a list of rows of rows.methods in configs/rows.yaml, or auto"),
    ],
)
def test_methods_that_are_not_allowed_are_refused(root: Path, methods: str, message: str) -> None:
    put(root, "params.yaml", r"^methods: auto", f"methods: {methods}")
    assert message in refusal(root)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{classes: one, loss: bce, pp: 500, box: 2280, usual: true}",
            "usual is for rows with labels other than boxes",
        ),
        ("{classes: one, loss: uncertainty, pp: 500, box: 2280, labels: crf}", "are for rows of loss bce"),
        ("{classes: one, loss: bce, pp: 500, box: 0, labels: crf}", "are for rows of loss bce with box images"),
        ("{classes: one, loss: bce, pp: 0, box: 2280, labels: fill}", "needs pixel-perfect images, for the fill rate"),
        (
            "{classes: one, loss: bce, pp: 500, box: 2280, labels: mcg}",
            "allowed: boxes; for loss bce also grabcut, crf",
        ),
        ("{classes: one, loss: bce, pp: 500, box: 2280, labels: crf}", "is in the wrong group"),
    ],
)
def test_rows_with_labels_that_do_not_go_together_are_refused(root: Path, entry: str, message: str) -> None:
    put(root, "configs/rows.yaml", r"^    bce-500-2280: .*", f"    bce-500-2280: {entry}")
    assert message in refusal(root)


def test_numbers_are_read_as_yaml_1_2(root: Path) -> None:
    put(root, "params.yaml", r"^tau: 2.5", "tau: 1e-3")
    assert load(root).params.tau == 0.001
    put(root, "params.yaml", r"^tau: 1e-3", "tau: 2")
    assert load(root).params.tau == 2


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load(ROOT).params.tau = 3.0


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        ("tau", "abc", '"abc"', "a number above 0, at most 100"),
        ("tau", "-1", "-1", "a number above 0, at most 100"),
        ("tau", "0", "0", "a number above 0, at most 100"),
        ("tau", "101", "101", "a number above 0, at most 100"),
        ("tau", ".nan", ".nan", "a number above 0, at most 100"),
        ("tau", "true", "true", "a number above 0, at most 100"),
        ("tau", "[2.5]", "[2.5]", "a number above 0, at most 100"),
        ("tau", "", "null", "a number above 0, at most 100"),
        ("temperature", "0", "0", "a number above 0"),
        ("mc_samples", "0", "0", "a whole number from 1 to 1000"),
        ("mc_samples", "2.5", "2.5", "a whole number from 1 to 1000"),
        ("mc_samples", "true", "true", "a whole number from 1 to 1000"),
        ("box_seconds", "0", "0", "a number above 0, at most 3600"),
        ("mask_seconds", "fast", '"fast"', "a number above 0, at most 3600"),
        ("batch_size", "0", "0", "a whole number from 1 to 65536"),
        ("batch_size", '"8"', '"8"', "a whole number from 1 to 65536"),
        ("pp_chance", "1", "1", "a number between 0 and 1"),
        ("sampler", "dice", '"dice"', "coin, fixed"),
        ("learning_rate", "fast", '"fast"', "a number above 0, at most 1, or auto"),
        ("learning_rate", "0", "0", "a number above 0, at most 1, or auto"),
        ("learning_rate", "true", "true", "a number above 0, at most 1, or auto"),
        ("steps", "0", "0", "a whole number from 1 to 10000000, or auto"),
        ("steps", "1.5", "1.5", "a whole number from 1 to 10000000, or auto"),
        ("data_seed", "-1", "-1", "a whole number from 0"),
        ("seeds", "[]", "[]", "a list of one or more"),
        ("seeds", "[0, 0]", "[0, 0]", "different whole numbers"),
        ("seeds", "[0, true]", "[0, true]", "whole numbers"),
        ("seeds", "[0, -3]", "[0, -3]", "from 0 up"),
        ("seeds", "0", "0", "a list"),
        ("device", "gpu", '"gpu"', "auto, cpu, cuda"),
        ("processes", "0", "0", "a whole number from 1 up"),
        ("processes", "9", "9", "at most batch_size, 8"),
        (
            "dataset",
            "camvd",
            '"camvd"',
            "synthetic, synthetic-classes, camvid, nuclei, mine, cityscapes (nearest: camvid)",
        ),
    ],
)
def test_a_wrong_param_is_named_with_its_value_and_what_is_allowed(
    root: Path, key: str, value: str, shown: str, allowed: str
) -> None:
    put(root, "params.yaml", rf"^{key}:[^#\n]*", f"{key}: {value} ")
    message = refusal(root)
    assert message.startswith(f"params.yaml: {key} is {shown}; allowed: ")
    assert allowed in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tua: 2.0", "params.yaml: unknown key tua; nearest known: tau"),
        ("qqqq: 2.0", "params.yaml: unknown key qqqq; known: dataset, data_seed, seeds, tau"),
        ("1: 2.0", "params.yaml: unknown key 1; known: dataset"),
    ],
)
def test_an_unknown_param_is_named_with_the_nearest_known(root: Path, text: str, message: str) -> None:
    put(root, "params.yaml", r"\Z", f"{text}\n")
    assert refusal(root).startswith(message)


def test_a_missing_param_is_named(root: Path) -> None:
    put(root, "params.yaml", r"^tau:.*\n", "")
    assert refusal(root) == "params.yaml: tau is missing; allowed: a number above 0, at most 100"


def test_the_first_problem_is_told_with_the_count_of_the_others(root: Path) -> None:
    put(root, "params.yaml", r"^tau: 2.5", "tau: -1")
    put(root, "params.yaml", r"^sampler: coin", "sampler: 1")
    put(root, "params.yaml", r"\Z", "tua: 1\n")
    message = refusal(root)
    assert message.startswith("params.yaml: tau is -1;")
    assert message.endswith("(and 2 more in this file)")


@pytest.mark.parametrize(
    "text",
    ["2021-99-99", "0x_", "!!int abc", "!!float abc", "!!bool abc", "&a [*a]", "{[1]: 2}", "[" * 3000, "1" * 5000],
    ids=lambda text: text[:12],
)
def test_a_value_that_no_constructor_takes_is_one_line(root: Path, text: str) -> None:
    put(root, "params.yaml", r"^seeds: .*", f"seeds: {text}")
    assert refusal(root).startswith("params.yaml")


@pytest.mark.parametrize("source", ["[synthetic]", "{synthetic: 1}", "3"])
def test_a_source_that_is_no_name_is_one_line(root: Path, source: str) -> None:
    put(root, "configs/datasets.yaml", r"^( +)source: synthetic", rf"\1source: {source}")
    assert "scenes.source is " in refusal(root)


def test_a_folder_in_place_of_a_file_is_named(root: Path) -> None:
    (root / "configs/rows.yaml").unlink()
    (root / "configs/rows.yaml").mkdir()
    assert refusal(root).startswith("configs/rows.yaml: Is a directory, in ")


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_missing_or_no_yaml_or_no_map_is_named(root: Path, file: str) -> None:
    (root / file).write_text("tau: [1,\n")
    assert refusal(root).startswith(f"{file}, line 2: ")
    (root / file).write_bytes(b"tau: \xff\n")
    assert refusal(root).startswith(f"{file}: not YAML")
    (root / file).write_text("- 1\n")
    assert refusal(root) == f"{file}: allowed: a map from keys to values"
    (root / file).unlink()
    assert refusal(root).startswith(f"{file}: no such file in ")


def test_a_key_that_stands_twice_is_refused(root: Path) -> None:
    put(root, "params.yaml", r"\Z", "tau: 2.0\n")
    assert "duplicate key" in refusal(root)


BCE = r"^    bce-500: \{.*\}"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{classes: one, loss: bse, pp: 500, box: 0}", 'rows.one_pool.bce-500.loss is "bse"; allowed: bce, regression'),
        (
            "{classes: one, loss: bce, pp: 500, boxes: 0}",
            "rows.one_pool.bce-500.box is missing; allowed: a whole number from 0",
        ),
        (
            "{classes: one, loss: bce, pp: 500, box: 0, pixel: all}",
            "unknown key rows.one_pool.bce-500.pixel; nearest known: pixels",
        ),
        (
            "{classes: one, loss: bce, pp: 2781, box: 0}",
            "rows.one_pool.bce-500.pp is 2781; allowed: a whole number from 0 to 2780",
        ),
        ("{classes: one, loss: bce, pp: 500, box: 2780}", "rows.one_pool.bce-500: pp + box must be from 1 to 2780"),
        ("{classes: one, loss: bce, pp: 0, box: 0}", "rows.one_pool.bce-500: pp + box must be from 1 to 2780"),
        ("{classes: one, loss: ce, pp: 500, box: 0}", "rows.one_pool.bce-500: loss ce is for classes few or all"),
        ("{classes: few, loss: bce, pp: 500, box: 0}", "rows.one_pool.bce-500: loss bce is for classes one"),
        (
            "{classes: one, loss: regression, pp: 500, box: 0}",
            "rows.one_pool.bce-500: pixels (all, box) must be given for loss reg",
        ),
        (
            "{classes: one, loss: bce, pp: 500, box: 0, pixels: all}",
            "rows.one_pool.bce-500: pixels (all, box) must be given for",
        ),
        (
            "{classes: one, loss: bootstrap, pp: 500, box: 2280}",
            "rows.one_pool.bce-500: recipe (paper, stable) must be given",
        ),
        (
            "{classes: one, loss: bootstrap, pp: 500, box: 0, recipe: paper}",
            "rows.one_pool.bce-500: a bootstrapping row needs",
        ),
        ("[500, 0]", "rows.one_pool.bce-500 is [500, 0]; allowed: a map from keys to values"),
    ],
)
def test_a_wrong_row_is_named(root: Path, entry: str, message: str) -> None:
    put(root, "configs/rows.yaml", BCE, f"    bce-500: {entry}")
    assert message in refusal(root)


@pytest.mark.parametrize("name", ["BCE-500", "bce_500", "bce.500", "bce--500", "-bce", "../bce"])
def test_a_row_name_that_dvc_or_a_file_system_could_not_carry_is_refused(root: Path, name: str) -> None:
    put(root, "configs/rows.yaml", r"^    bce-500:", f"    {name}:")
    assert refusal(root).startswith(f"configs/rows.yaml: rows.one_pool.{name} is no name for a row")


def test_a_new_row_is_one_line_in_the_group_that_fits(root: Path) -> None:
    put(root, "configs/rows.yaml", BCE, r"\g<0>\n    bce-250-2530: {classes: one, loss: bce, pp: 250, box: 2530}")
    message = (
        "configs/rows.yaml: rows.one_pool.bce-250-2530 is in the wrong group; its loss, pp and box put it in rows.mixed"
    )
    assert refusal(root) == message
    put(root, "configs/rows.yaml", r"^    bce-250-2530.*\n", "")
    put(
        root,
        "configs/rows.yaml",
        r"^  mixed:.*",
        r"\g<0>\n    bce-250-2530: {classes: one, loss: bce, pp: 250, box: 2530}",
    )
    assert load(root).rows["bce-250-2530"].pp == 250


def test_a_row_stands_in_one_group_of_those_that_there_are(root: Path) -> None:
    put(root, "configs/rows.yaml", r"^  mixed:.*", r"\g<0>\n    bce-500: {classes: one, loss: bce, pp: 250, box: 2530}")
    assert refusal(root).startswith(
        "configs/rows.yaml: rows.mixed.bce-500 stands in another group as well; allowed: a name"
    )
    put(root, "configs/rows.yaml", r"^  mixed:", "  mixd:")
    assert refusal(root).startswith(
        "configs/rows.yaml: rows.mixed is missing; allowed: a map from row names to entries"
    )


def test_a_file_without_any_row_is_refused(root: Path) -> None:
    groups = ("one_pool", "mixed", "methods", "bootstrap", "multi_class_bootstrap")
    (root / "configs/rows.yaml").write_text(f"rows: {{{', '.join(f'{group}: {{}}' for group in groups)}}}\n")
    assert refusal(root) == "configs/rows.yaml: rows has no row; allowed: one or more"


@pytest.mark.parametrize(
    ("row", "entry", "message"),
    [
        (
            "bootstrap-500-2280",
            "{priro: 0}",
            "unknown key rows.bootstrap.bootstrap-500-2280.overrides.priro; nearest known: prior",
        ),
        (
            "bootstrap-500-2280",
            "{initial_variance: 0}",
            "rows.bootstrap.bootstrap-500-2280.overrides.initial_variance is 0; allowed: a number from 0.001",
        ),
        (
            "bootstrap-500-2280",
            "{bound: tanh}",
            "rows.bootstrap.bootstrap-500-2280: overrides with `bound: tanh` need smax",
        ),
        (
            "bootstrap-500-2280-stable",
            "{initial_variance: 2.0, initial_variance_per_tau: 0.4}",
            "rows.bootstrap.bootstrap-500-2280-stable: overrides take either initial_variance or"
            " initial_variance_per_tau",
        ),
        (
            "bootstrap-500-2280",
            "{trigger: max}",
            "rows.bootstrap.bootstrap-500-2280: loss bootstrap does not read trigger",
        ),
        (
            "ce-bootstrap-500-2280",
            "{prior: 0.25, flip_target: model}",
            "rows.multi_class_bootstrap.ce-bootstrap-500-2280: loss ce_bootstrap does not read flip_target, prior",
        ),
        (
            "ce-bootstrap-500-2280",
            "{decides: posterior}",
            "rows.multi_class_bootstrap.ce-bootstrap-500-2280: overrides with `decides: posterior` are for",
        ),
        (
            "bootstrap-500-2280",
            "{teacher_decay: 1}",
            "rows.bootstrap.bootstrap-500-2280.overrides.teacher_decay is 1; allowed: a number from 0, below 1",
        ),
        (
            "bce-500",
            "{prior: 0}",
            "rows.one_pool.bce-500: loss bce does not read prior",
        ),
        (
            "bce-500",
            "{warmup_share: 0.3}",
            "rows.one_pool.bce-500: overrides with warmup_share are for rows of both kinds of images",
        ),
    ],
)
def test_a_wrong_override_is_named(root: Path, row: str, entry: str, message: str) -> None:
    """In the place of the row's own overrides, if it has some."""
    pattern = rf"^    {row}: \{{(.*?)(?:, overrides: \{{[^}}]*\}})?(, own: true)?\}}$"
    put(root, "configs/rows.yaml", pattern, rf"    {row}: {{\1\2, overrides: {entry}}}")
    assert refusal(root).startswith(f"configs/rows.yaml: {message}")


@pytest.mark.parametrize("row", ["bootstrap-500-2280", "regression-500-2280", "bce-500"])
def test_an_oracle_is_for_plain_losses_on_box_images(root: Path, row: str) -> None:
    put(root, "configs/rows.yaml", rf"^    {row}: \{{(.*)\}}$", rf"    {row}: {{\1, oracle: true}}")
    assert "oracle is for rows with box images, of loss bce or ce" in refusal(root)


def test_a_training_may_look_at_held_out_images_alone(root: Path) -> None:
    put(
        root,
        "configs/datasets.yaml",
        r"^      steps: 1000\n      learning_rate: 0.0015$",
        "      steps: 1000\n      learning_rate: 0.0015\n      watch_every: 50",
    )
    assert "train.watch_every above 0 is for `split: holdout`" in refusal(root)
    put(root, "configs/datasets.yaml", r"^      watch_every: 50$", "      watch_every: 55")
    assert "watch_every is 55; allowed: a multiple of 10 from 0 up" in refusal(root)


def test_an_override_reaches_its_row_alone(root: Path) -> None:
    put(
        root,
        "configs/rows.yaml",
        r"^    bootstrap-500-2280: \{(.*)\}$",
        r"    bootstrap-500-2280: {\1, overrides: {warmup_share: 0.1}}",
    )
    rows = load(root).rows
    assert rows["bootstrap-500-2280"].overrides.warmup_share == 0.1
    assert rows["bootstrap-400-2380"].overrides.warmup_share is None


@pytest.mark.parametrize(
    ("pattern", "text", "message"),
    [
        (
            r"^      source: camvid",
            "      source: camvit",
            'profiles.camvid.scenes.source is "camvit"; allowed: synthetic,',
        ),
        (
            r"^      size: \[256, 128\]",
            "      size: [256]",
            "profiles.synthetic.scenes.size is [256]; allowed: [width, h",
        ),
        (
            r"size: \[128, 64\]",
            "size: [130, 64]",
            "profiles.synthetic.boxes.size is [130, 64]; allowed: [width, height]",
        ),
        (
            r"\{train: \d+, val: \d+\}",
            "{train: 0, val: 160}",
            "profiles.synthetic.scenes.images.train is 0; allowed: a ",
        ),
        (r"\{train: \d+, val: \d+\}", "{train: 9, vall: 1}", "profiles.synthetic.scenes.images.val is missing"),
        (r"car: \[26\]", "car: []", "profiles.synthetic.boxes.classes is "),
        (
            r"car: \[26\]",
            "car: [24]",
            "profiles.synthetic.boxes: a label id may stand in one class, once",
        ),
        (
            r"^      val_share: 0.2\n",
            "",
            "profiles.mine.boxes: val_share must be given with `split: random`, `holdout` or `auto`, not with "
            "`official`",
        ),
        (
            r"^      schedule: polynomial",
            "      schedule: cosine",
            'profiles.synthetic.train.schedule is "cosine"; allow',
        ),
        (
            r"^      weight_decay",
            "      weight_deca",
            "profiles.synthetic.train.weight_decay is missing; allowed: a numb",
        ),
        (r"^    train:\n", "    trian:\n", "profiles.synthetic must have exactly the keys scenes, boxes, train"),
        (r"^profiles:", "profile:", "allowed: one key, profiles"),
        (r"^      source: camvid", "      source: camvid\n      seed: 1", "unknown key profiles.camvid.scenes.seed"),
    ],
)
def test_a_wrong_profile_is_named_whichever_dataset_is_chosen(
    root: Path, pattern: str, text: str, message: str
) -> None:
    put(root, "configs/datasets.yaml", pattern, text)
    assert refusal(root).startswith(f"configs/datasets.yaml: {message}")


def test_run_prints_one_line_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("params.yaml: tau is -1; allowed: a number above 0")

    with pytest.raises(SystemExit) as exit_status:
        run(main)
    assert exit_status.value.code == "error: params.yaml: tau is -1; allowed: a number above 0"  # str: stderr, status 1
    run(lambda: None)


def test_reading_params_imports_no_torch() -> None:
    code = "import sys, stages.config; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
