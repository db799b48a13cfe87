"""How layers and cells show themselves."""

from collections.abc import Mapping
from typing import Any


def shown_arguments(module: Any, defaults: Mapping[str, object]) -> str:
    """Show a module's sizes, and its arguments that are not at their ``defaults``."""
    shown = [str(module.input_size), str(module.hidden_size)]
    for name, default in defaults.items():
        value = getattr(module, name)
        if value != default:
            shown.append(f"{name}={value!r}")
    return ", ".join(shown)
