"""A document of parts with its frame, in Typst or LaTeX, and the files that it needs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight.tools.report.figure_files import as_csv, as_file, number_files, width_of
from firstlight.tools.report.latex_markup import LatexMarkup
from firstlight.tools.report.latex_pages import BODIES
from firstlight.tools.report.layouts import Layout
from firstlight.tools.report.markdown import formulas
from firstlight.tools.report.parts import (
    Code,
    Figure,
    Heading,
    Part,
    Prose,
    Table,
    every,
    written,
)
from firstlight.tools.report.sections import Texts
from firstlight.tools.report.typesetting import typeset
from firstlight.tools.report.typst_markup import TypstMarkup, quoted

TEMPLATES = Path(__file__).with_name("templates")
TABLES = ("results", "baselines", "comparison")  # have files of their own


@dataclass
class Document:
    """Parts, and what is above and below them.

    Attributes
    ----------
    parts : list of Part
    layout : Layout
    texts : Texts
    title, lead, kind, foot : str
        The lead is Markdown; the kind names the runs of a report; the foot has the commands.
    language : {"en", "de"}
    references : str
        The heading of the bibliography.
    size : {"a0", "a1"}
        Of a poster.
    folder : str
        The name of the folder of its files, beside it.
    """

    parts: list[Part]
    layout: Layout
    texts: Texts
    title: str
    lead: str = ""
    kind: str = ""
    foot: str = ""
    language: str = "en"
    references: str = "References"
    size: str = "a0"
    folder: str = "files"
    _pictures: dict[Path, str] = field(default_factory=dict)

    def formulas(self) -> list[str]:
        """Return the LaTeX of all formulas."""
        texts = [self.lead, *(part.text for part in every(self.parts, Prose))]
        return [latex for text in texts for latex in formulas(text)]

    def inputs(self) -> tuple[dict[Path, str], Path | None]:
        """Return the user's pictures with the names of their copies, and the bibliography."""
        front, pictures = self.texts.front, dict(self._pictures)
        if front.logo:
            pictures[front.logo] = self._logo
        return pictures, front.bibliography if self.texts.cited() else None

    def typst(
        self, *, letters: int = 30, figures: int = 100, without: Sequence[str] = (), page: str = ""
    ) -> str:
        """Return the source in Typst.

        Parameters
        ----------
        letters : int
            Points of a poster's text.
        figures : int
            Size of a poster's figures, per cent of that at which their letters can be read.
        without : sequence of str
            Names of parts that are left out.
        page : str
            A template in place of the layout's.
        """
        markup = TypstMarkup(self.texts.path, self._pictures)
        markup.folder = f"{self.folder}/"
        name, options = self.layout.template, self._frame(markup)
        if name == "poster":
            options |= {"size": quoted(self.size)}
            options |= {"landscape": "true"} if self.layout.landscape else {}
            options |= {"columns": str(self.layout.columns)}
            options |= {"letters": f"{letters}pt", "figures": f"{figures}%"}
        lines = [f"  {key}: {value}," for key, value in options.items()]
        kept = [part for part in self.parts if part.name not in without]
        source = [
            f'#import "{self.folder}/{page or name}.typ": *\n',
            "\n".join([f"#show: {name}.with(", *lines, ")\n"]),
            written(kept, markup),
        ]
        if self.texts.cited():
            file = quoted(f"{self.folder}/references.bib")
            source.append(f"\n#bibliography({file}, title: [{markup.plain(self.references)}])")
        return "\n".join(source).rstrip() + "\n"

    def latex(self, without: Sequence[str] = ()) -> str:
        """Return the source in LaTeX, without the parts of some names."""
        markup = LatexMarkup(self.texts.path, self._pictures)
        markup.folder = f"{self.folder}/"
        markup.footnotes = self.layout.template == "report"
        front, name = self.texts.front, self.layout.template
        references = ""
        if self.texts.cited():
            file = rf"\bibliographystyle{{plain}}\bibliography{{{self.folder}/references}}"
            title = "" if name == "report" else markup.plain(self.references)
            references = f"{title}\n{file}"
        kept = [part for part in self.parts if part.name not in without]
        if name == "poster" and self.foot:
            kept += [Heading("foot"), Code("foot", self.foot)]
        body = BODIES[name](kept, references, markup, self.layout.columns)
        authors = (", " if name == "poster" else r" \and ").join(
            markup.plain(one.name)
            + ("$^{" + ",".join(map(str, one.affiliations)) + "}$" if one.affiliations else "")
            for one in front.authors
        )
        places = ", ".join(map(markup.plain, front.affiliations))
        picture = rf"\includegraphics[height={{height}}]{{{{{self.folder}/{{name}}}}}}"
        logo = picture.format(height="2cm", name=self._logo.replace(".svg", ".pdf"))
        filled = (TEMPLATES / f"{name}.tex").read_text(encoding="utf-8")
        words = {
            "LANGUAGE": "ngerman" if self.language == "de" else "english",
            "SIZE": self.size,
            "ORIENTATION": "landscape" if self.layout.landscape else "portrait",
            "TITLE": markup.plain(self.title),
            "AUTHORS": authors,
            "PLACES": places,
            "DATE": markup.plain(front.date),
            "LOGO": logo if front.logo else "",
            "GRAPHIC": rf"\titlegraphic{{{logo}}}" if front.logo else "",
            "LEAD": markup.line(self.lead),
            "BODY": body,
        }
        for word, value in words.items():
            filled = filled.replace(f"@{word}@", value)
        return filled

    def write_files(self, root: Path, kinds: Sequence[str]) -> None:
        """Write the folder of figures, tables and templates that a source needs.

        Parameters
        ----------
        root : Path
            The source's folder; the source is in `_pictures` by now.
        kinds : sequence of {"svg", "pdf"}
            Of figures; SVG for Typst and HTML, PDF for LaTeX.
        """
        folder, front = root / self.folder, self.texts.front
        folder.mkdir(parents=True, exist_ok=True)
        for part in every(self.parts, Figure):
            figure = part.figure
            title = figure.get_suptitle()
            if title:
                figure.suptitle("")  # the heading above replaces it
            files = {kind: as_file(figure, kind) for kind in kinds}
            for kind, content in files.items():
                (folder / f"{part.name}.{kind}").write_bytes(content)
            if "svg" in files:
                part.share = self.layout.share(width_of(files["svg"]))
            for name, text in number_files(figure, part.name).items():
                (folder / name).write_text(text, encoding="utf-8")
            if title:
                figure.suptitle(title)
        for part in every(self.parts, Table):
            if part.name in TABLES:
                self._write_table(part, folder)
        if front.bibliography and self.texts.cited():
            shutil.copyfile(front.bibliography, folder / "references.bib")
        if front.logo:
            shutil.copyfile(front.logo, folder / self._logo)
        if front.url:
            _write_qr(front.url, folder / "qr.svg")
        for path, name in self._pictures.items():
            shutil.copyfile(path, folder / name)
        if "pdf" in kinds:  # LaTeX shows no SVG
            for path in folder.glob("*.svg"):
                if not path.with_suffix(".pdf").exists():
                    page = "#set page(width: auto, height: auto, margin: 0pt)"
                    drawn = typeset(f"{page}\n#image({quoted(path.name)})", folder)
                    path.with_suffix(".pdf").write_bytes(drawn)
        if "svg" in kinds:
            for name in ("common", "page", self.layout.template):
                shutil.copyfile(TEMPLATES / f"{name}.typ", folder / f"{name}.typ")

    @property
    def _logo(self):
        return f"logo{self.texts.front.logo.suffix.lower()}" if self.texts.front.logo else ""

    def _frame(self, markup: TypstMarkup) -> dict[str, str]:
        """Return the options of a template, in Typst."""
        front, found = self.texts.front, {"title": f"[{markup.plain(self.title)}]"}
        if self.lead:
            found["lead"] = f"[{markup.line(self.lead)}]"
        if front.authors:
            numbers = ["".join(f"{n}, " for n in one.affiliations) for one in front.authors]
            names = [markup.plain(one.name) for one in front.authors]
            authors = [f"(name: [{a}], at: ({n}))" for a, n in zip(names, numbers, strict=True)]
            found["authors"] = "(" + "".join(f"{one}, " for one in authors).rstrip() + ")"
        if front.affiliations:
            places = "".join(f"[{markup.plain(one)}], " for one in front.affiliations)
            found["affiliations"] = f"({places.rstrip()})"
        if front.date:
            found["date"] = f"[{markup.plain(front.date)}]"
        if front.logo:
            found["logo"] = markup.file(self._logo, "")
        if front.url:
            found |= {"qr": markup.file("qr.svg", front.url), "url": quoted(front.url)}
        if self.kind:
            found["kind"] = f"[{markup.plain(self.kind)}]"
        if self.foot:
            found["foot"] = f"[{markup.code(self.foot)}]"
        found["language"] = quoted(self.language)
        return found

    def _write_table(self, part: Table, folder: Path) -> None:
        """Write a table as CSV, LaTeX and Typst."""
        files = {"csv": as_csv(part.rows)}
        for kind, markup in (("tex", LatexMarkup()), ("typ", TypstMarkup())):
            rows = [[markup.plain(str(cell)) for cell in row] for row in part.rows]
            files[kind] = markup.table(rows, part.right, part.head, part.best) + "\n"
        for kind, content in files.items():
            (folder / f"{part.name}.{kind}").write_text(content, encoding="utf-8")


def _write_qr(address: str, path: Path) -> None:
    import segno

    segno.make(address).save(str(path), border=2, scale=4)
