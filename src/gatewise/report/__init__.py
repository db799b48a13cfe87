"""Pages, texts and plots from the files of a run."""

from gatewise.report.page import render_page, write_report

__all__ = ["render_page", "write_report"]
