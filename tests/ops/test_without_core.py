"""An install without the C++ core: it works, and says once what it lacks."""

import os
import subprocess
import sys

from gatewise.ops.native_call import native

SCRIPT = """
import sys, warnings
sys.modules["gatewise.ops._native"] = None  # what an import of a missing module finds
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    import torch, gatewise
    x, lengths = torch.randn(9, 2, 3), torch.tensor([9, 4])
    gatewise.GRU(3, 5, zoneout=0.1)(x, lengths=lengths)[0].sum().backward()
    layer = gatewise.LSTM(3, 5)
    layer(x)
print([str(w.message) for w in caught if w.category is RuntimeWarning])
print(gatewise.explain_backend(layer, x))
try:
    layer.freeze(1)
except RuntimeError as error:
    print(error)
"""


def test_core_was_built_where_that_is_required() -> None:
    """Continuous integration demands it, so that it cannot go missing unseen."""
    assert os.environ.get("GATEWISE_NATIVE") != "required" or native is not None


def test_works_and_warns_once() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warnings, *rest = done.stdout.splitlines()
    assert warnings.count("without its C++ core") == 1
    assert "Install a C++20 compiler" in warnings
    assert "not built" in " ".join(rest)
    assert "freeze() needs the C++ core" in rest[-1]
