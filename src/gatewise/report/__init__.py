"""Pages, texts and plots from the files of a run."""

from gatewise.report.markdown import write_markdown
from gatewise.report.page import write_report

__all__ = ["write_markdown", "write_report"]
