"""Export a trained network to ONNX with half-precision weights."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from gliotype.atomic_files import atomic_write


def export_onnx(network: nn.Sequential, example: torch.Tensor, file: Path) -> None:
    """Write a network as ONNX.

    Weights are stored in half precision and widened on loading, which halves the file; computation stays in
    single precision.

    Args:
        network: maps a batch to one output.
        example: an input batch; its batch axis stays free in the file.
        file: where to write; replaced at once when complete.

    Raises:
        OutputError: if it cannot be written.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that are not needed
    with atomic_write(file) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter remarks on how torch itself builds an LSTM
        torch.onnx.export(
            network.eval(),
            (example,),
            str(aside),
            input_names=["images"],
            output_names=["answer"],
            dynamic_shapes={"input": {0: torch.export.Dim("batch")}},
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        onnx.save(_without_traces(_with_half_weights(onnx.load(str(aside)))), str(aside))


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes about the machine and the code: traces, names of files, graph dumps."""
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


def _with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 initialisers as float16 behind a Cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 256:
            continue
        half = numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float16), tensor.name + "_half"
        )
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(half)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def read_onnx_weights(file: Path) -> dict[str, torch.Tensor]:
    """Read the weights of the first network in a file of `export_onnx`, for `torch.nn.Module.load_state_dict`.

    Args:
        file: the ONNX file.
    """
    weights = {}
    for tensor in onnx.load(str(file)).graph.initializer:
        first, _, name = tensor.name.removesuffix("_half").partition(".")
        if first == "0":  # the network; the softmax behind it has no weights
            weights[name] = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
    return weights
