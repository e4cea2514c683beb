"""Hook of the site: the home page is the README, followed by the list of all pages.

Links into ``docs`` become links within the site. Other files of the repository have no page: only
their names are left. If pyproject.toml names a repository, pages link to it.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)]*)\)")


def on_config(config):
    """Set the repository's address, the project's URL "Repository" in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository")
    if address:
        config.repo_url, config.repo_name = address, "/".join(address.split("/")[-2:])


def on_page_markdown(markdown, page, config, files):
    """Put the README in front of the home page."""
    if page.file.src_uri != "index.md":
        return markdown
    return f"{within_the_site((ROOT / 'README.md').read_text(encoding='utf-8'))}\n{markdown}"


def within_the_site(text):
    """Return Markdown of the README with its links as the home page needs them.

    Examples
    --------
    >>> within_the_site("[GPU](docs/gpu.md) ![x](docs/x.svg) [`adam.py`](framework/optim/adam.py)")
    '[GPU](gpu.md) ![x](x.svg) `adam.py`'
    """
    text = text.replace("](docs/", "](")
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    return LINK.sub(lambda found: found[0] if found[2].split("#")[0] in pages else found[1], text)
