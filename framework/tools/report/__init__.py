"""Reports and posters of runs; they need the extra ``report``.

Without it the import fails, so that a script fails before it trains.
"""

from firstlight.support.extras import require
from firstlight.tools.report.comparison import ranked
from firstlight.tools.report.content import Content, gather, of_trainer
from firstlight.tools.report.html import write_report
from firstlight.tools.report.poster import write_poster
from firstlight.tools.report.sections import Section, read_sections

require(
    "a report or poster",
    "jinja2",
    "markdown_it",
    "mdit_py_plugins",
    "fpdf",
    "pypdf",
    extra="report",
)

__all__ = [
    "Content",
    "Section",
    "gather",
    "of_trainer",
    "ranked",
    "read_sections",
    "write_poster",
    "write_report",
]
