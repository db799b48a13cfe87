"""A look inside: what the gates do, how long the memory holds, and what is leant on."""

from gatewise.inspection.inspecting import inspect
from gatewise.inspection.page import Inspection

__all__ = ["Inspection", "inspect"]
