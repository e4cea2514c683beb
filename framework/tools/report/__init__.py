"""Reports and posters of runs; they need the extra ``report``.

Without it the import fails, so that a script fails before it trains.
"""

from firstlight.support.extras import require
from firstlight.tools.report.comparison import ranked
from firstlight.tools.report.content import Content, gather, of_trainer
from firstlight.tools.report.sections import Section, read_sections
from firstlight.tools.report.writing import typeset_file, watch, write_poster, write_report

require(
    "a report or poster",
    "markdown_it",
    "mdit_py_plugins",
    "typst",
    "tylax",
    "segno",
    extra="report",
)

__all__ = [
    "Content",
    "Section",
    "gather",
    "of_trainer",
    "ranked",
    "read_sections",
    "typeset_file",
    "watch",
    "write_poster",
    "write_report",
]
