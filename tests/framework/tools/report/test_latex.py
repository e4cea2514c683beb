"""LaTeX sources are complete: pdflatex sets them, where it is installed."""

import shutil
import subprocess

import pytest

from firstlight.runs import list_runs
from firstlight.tools.report import gather, read_sections, write_poster, write_report

TEXT = """---
authors: [Ada, {name: Alan, affiliation: Here & there}]
---
# 100 % of `a_b` & σ ≥ 3

## Method

As in [@adam] $x_i$ costs $5.[^1]

$$\\begin{align} a &= b \\\\ &= c \\end{align}$$

| kind | *n* |
|---|---|
| a_b | 1 |

```
x = __init__(1)  # --flag
```

[^1]: A note.
"""


@pytest.fixture
def text(tmp_path):
    (tmp_path / "t.md").write_text(TEXT, encoding="utf-8")
    (tmp_path / "t.bib").write_text("@misc{adam, author={Kingma}, title={Adam}, year={2015}}")
    return read_sections(tmp_path / "t.md")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize(("kind", "document"), [("report", "article"), ("portrait", "tikzposter")])
def test_pdflatex_sets_it(runs_dir, text, tmp_path, kind, document):
    found = subprocess.run(["kpsewhich", f"{document}.cls"], capture_output=True, check=False)
    if not found.stdout:
        pytest.skip(f"needs the class {document}")
    content = gather(list_runs(runs_dir)[0])
    if kind == "report":
        write_report(tmp_path / "p.tex", content, texts=text)
    else:
        write_poster(tmp_path / "p.tex", content, texts=text, layout=kind)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "p.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "p.pdf").is_file()
    assert (tmp_path / "p_files" / "curves.pdf").is_file()
    assert not list(tmp_path.glob("p_files/*.typ.*"))
