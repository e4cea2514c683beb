"""Write a notebook of each step of the course, in English and in German, from its script.

python docs/notebooks.py            # into the folder notebooks
python docs/notebooks.py FOLDER

The scripts in examples/course have cells that begin with ``# %%``, and texts in Markdown cells.
`notebooks_german` has the texts in German; code is the same in both languages. A text without a
translation is an error, and so is a translation without a text. Needs the extra ``notebook``.
"""

import argparse
import ast
import os
import shutil
from pathlib import Path

import jupytext
import nbformat
from notebooks_german import GERMAN

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples" / "course").glob("*.py"))
PAGES = ROOT / "docs" / "course"
ORIGIN = (
    "The chapter [{chapter}]({page}) explains this step. The code is that of `{script}`; "
    "the notebook was written by `python docs/notebooks.py`."
)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


class Texts:
    """The texts of all scripts, in one language; remembers which of them were asked for."""

    def __init__(self, translations: dict[str, str] | None) -> None:
        self.translations = translations  # None: the language of the scripts
        self.missing: dict[str, None] = {}  # in order
        self.used: set[str] = set()

    def translate(self, source: str) -> str:
        """Return a Markdown text in the language, paragraph by paragraph."""
        if self.translations is None:
            return source
        return "\n\n".join(map(self._paragraph, source.split("\n\n")))

    def check(self) -> None:
        """End the program if a text has no translation, or a translation has no text."""
        unused = set(self.translations or ()) - self.used
        wrong = [f"no German: {text}" for text in self.missing]
        wrong += [f"no text in a script: {text}" for text in sorted(unused)]
        if wrong:
            raise SystemExit("docs/notebooks_german.py:\n" + "\n".join(wrong))

    def _paragraph(self, text):
        text = " ".join(text.split())
        self.used.add(text)
        if text not in self.translations:
            self.missing[text] = None
        return self.translations.get(text, text)


def notebook(script: Path, suffix: str, texts: Texts, folder: Path) -> nbformat.NotebookNode:
    """Return the notebook of a script, to be written into a folder."""
    made = jupytext.read(script, fmt="py:percent")
    first, *cells = made.cells
    if not cells or len(ast.parse(first.source).body) != 1:
        raise SystemExit(f"{script}: expected its docstring alone before the first # %%")
    step = ast.get_docstring(ast.parse(first.source)).split("\n\n")[0]
    number = step.split()[1].rstrip(":")  # of "Step 3: ..."
    pages = PAGES.glob(f"{number}-*.md")
    page = next(path for path in pages if path.name.endswith(".de.md") == (suffix == ".de"))
    chapter = page.read_text("utf-8").splitlines()[0].removeprefix("# ")
    link = Path(os.path.relpath(page, folder)).as_posix()
    origin = texts.translate(ORIGIN).format(
        chapter=chapter, page=link, script=script.relative_to(ROOT).as_posix()
    )
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = texts.translate(cell.source)
    title = nbformat.v4.new_markdown_cell(f"# {chapter}\n\n{texts.translate(step)}\n\n{origin}")
    made.cells = [title, *(cell for cell in cells if cell.cell_type != "raw")]  # raw: script only
    made.metadata = {"kernelspec": KERNEL}
    return made


def write(folder: Path) -> None:
    """Write all notebooks, and the modules that they import, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, texts in (("", Texts(None)), (".de", Texts(GERMAN))):
        for script in SCRIPTS:
            if script.name == "images.py":
                shutil.copy(script, folder)
                continue
            made = notebook(script, suffix, texts, folder)
            nbformat.write(made, folder / f"{script.stem}{suffix}.ipynb")
        texts.check()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="notebooks", type=Path)
    write(parser.parse_args().folder)
