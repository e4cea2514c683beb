"""Reports and posters of runs; the extra ``report`` installs what they are made with."""

from firstlight.report.content import Content, gather
from firstlight.report.html import write_report
from firstlight.report.poster import write_poster
from firstlight.report.sections import Section, read_sections

__all__ = ["Content", "Section", "gather", "read_sections", "write_poster", "write_report"]
