from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXPORT = """
import sys
from pathlib import Path
import torch
from gliotype.networks.export import export_onnx
export_onnx(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)), torch.zeros(2, 1, 8, 8), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_an_export_is_silent(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(file)], capture_output=True, text=True, check=True
    )
    assert file.is_file()
    assert (done.stdout, done.stderr) == ("", "")
