"""Train Model 1, or export it from a run.

python tools/train_model1.py --anatomies LABEL_MAPS -o RUN [--steps N] [--start FILE.onnx] [--export FILE.onnx]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gliotype.train.manifest import write_manifest
from gliotype.train.model1 import Recipe, export, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anatomies", type=Path, required=True, help="folder of whole-head label maps")
    parser.add_argument("-o", "--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--start", type=Path, help="weights to begin from (ONNX, as --export writes them)")
    parser.add_argument("--rate", type=float, default=Recipe.learning_rate, help="peak learning rate")
    parser.add_argument("--workers", type=int, default=Recipe.workers, help="simulating processes")
    parser.add_argument(
        "--export", type=Path, help="write the run's weights here, and list them in the manifest"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(min(2, torch.get_num_threads()) if not torch.cuda.is_available() else 1)
    recipe = Recipe(
        arguments.anatomies,
        steps=arguments.steps,
        learning_rate=arguments.rate,
        workers=arguments.workers,
        start=arguments.start,
    )
    checkpoint = train(recipe, arguments.run)
    if arguments.export:
        export(checkpoint, arguments.export)
        write_manifest(arguments.export.parent)


if __name__ == "__main__":
    main()
