import subprocess
import sys

import pytest

from learn.torchvision_shim import import_torchvision

torch = pytest.importorskip("torch")


def test_torchvision_imports_and_twice_is_once():
    first, second = import_torchvision(), import_torchvision()
    assert first is second
    assert torch.ops.torchvision.nms is not None
    assert torch.ops.torchvision.qnms is not None


def test_models_and_transforms_work():
    torchvision = import_torchvision()
    model = torchvision.models.resnet18(weights=None, num_classes=3).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    from torchvision.transforms import v2

    assert v2.functional.resize(torch.zeros(1, 8, 8), [4, 4]).shape == (1, 4, 4)


def test_importing_the_shim_imports_no_torch():
    modules = "learn.torchvision_shim, learn.cli, learn.targets, learn.images"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )
