"""The table of what modules can do, and one of its entries tried."""

import re
import warnings

import compiled_checks
import derivative_checks
import module_checks
import training_checks
from capability import CAPABILITIES, Capability, FailedThereError, Lacking
from subjects import COLUMNS, Subject

__all__ = ["CAPABILITIES", "COLUMNS", "ENTRIES", "SECTIONS", "attempt"]

SECTIONS = [
    checks.SECTION
    for checks in (compiled_checks, training_checks, derivative_checks, module_checks)
]
ENTRIES = [
    (capability, subject)
    for capability in CAPABILITIES
    for column in COLUMNS
    for subject in capability.subjects(column)
]
_MOST = 110  # characters of a reason


def attempt(capability: Capability, subject: Subject) -> str:
    """Try a capability on a subject; give the reason why it is lacking, or ""."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            capability.check(subject)
    except Lacking as lacking:
        return str(lacking)
    except FailedThereError as error:
        return _short(str(error))
    except Exception as error:
        return _short(f"{type(error).__name__}: {error}")
    return ""


def _short(message: str) -> str:
    """Give a message's beginning, the same in every run."""
    line = re.sub(r"\s+", " ", message.strip().split("\n")[0]).replace("`", "'")
    return line if len(line) <= _MOST else line[:_MOST].rsplit(" ", 1)[0] + " …"
