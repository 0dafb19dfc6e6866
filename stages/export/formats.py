"""The two kinds of file."""

import json
import logging
import warnings
from pathlib import Path

import torch
from torch.export import Dim

from stages.export.graph import Graph, NamedGraph

OPSET = 18
"""Of ONNX: of 2022, so every runtime in use has it."""
METADATA_FILE = "metadata.json"
"""In a TorchScript file, the extra file with its metadata."""


def write_onnx(graph: Graph, file: Path, metadata: dict[str, str]) -> None:
    """Write a graph as ONNX, its metadata as `metadata_props`; batch, height and width are free.

    Args:
        graph: On the CPU.
        file: Where to.
        metadata: Texts by key.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of packages that it does without
    sizes = {0: Dim("batch"), 1: 8 * Dim("height_8"), 2: 8 * Dim("width_8")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the exporter itself will change
        program = torch.onnx.export(
            graph,
            (graph.example(),),
            input_names=["images"],
            output_names=list(graph.names),
            dynamic_shapes={"images": sizes},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where its code lies on this machine
    program.model.metadata_props.update(metadata)
    program.save(file)


def write_torchscript(graph: Graph, file: Path, metadata: dict[str, str]) -> None:
    """Write a graph as TorchScript, which returns a dictionary; its metadata is the extra file METADATA_FILE.

    Args:
        graph: On the CPU.
        file: Where to.
        metadata: Texts by key.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and has no successor for files that C++ opens
        traced = torch.jit.trace(NamedGraph(graph), (graph.example(),), strict=False)  # strict: outputs are a tuple
        torch.jit.save(traced, str(file), _extra_files={METADATA_FILE: json.dumps(metadata, indent=1)})


FORMATS = {"onnx": write_onnx, "torchscript": write_torchscript}
