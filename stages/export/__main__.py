"""Export a network: python -m stages.export --run runs/bce-500-2280/seed-0 --format onnx --out cars.onnx"""

import argparse
from pathlib import Path

import torch

from stages.errors import one_line, run
from stages.export.formats import FORMATS, OPSET
from stages.export.graph import Graph
from stages.export.metadata import metadata
from stages.predict.files import check_outputs, out_path, whole_file
from stages.predict.finished_run import open_run


def main() -> None:
    """Read the command line, write the file, and say what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.export", description="Write a trained network as one file for use without this project."
    )
    parser.add_argument("--run", type=Path, required=True, help="a finished run: runs/<row>/seed-<k>")
    parser.add_argument("--format", choices=FORMATS, required=True, help=f"onnx (opset {OPSET}), or torchscript")
    parser.add_argument("--out", type=out_path, required=True, help="the file to write")
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    asked = parser.parse_args()
    check_outputs([asked.out], asked.force)
    predictor = open_run(asked.run, torch.device("cpu"))
    graph = Graph(predictor)
    with whole_file(asked.out) as file:
        FORMATS[asked.format](graph, file, metadata(predictor, graph.names))
    kind = f"ONNX, opset {OPSET}" if asked.format == "onnx" else "TorchScript"
    lacking = "" if "variance" in graph.names else f"; loss {predictor.chosen.loss} has no variance"
    print(one_line(f"{asked.out}: {kind}; input images, outputs {', '.join(graph.names)}{lacking}"))


if __name__ == "__main__":
    run(main)
