"""Hook of the site: set formulas as MathML, which browsers draw without any script.

``$...$`` and ``$$...$$`` in pages are LaTeX. In docstrings and derivations formulas are plain text
(``dW_oi = Σ_n dy_no x_ni``), aligned in blocks; each line becomes a row of a table, and runs of
spaces part its cells.
"""

import html
import re

from latex2mathml.converter import convert

SUPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᵗᵏˡ⁻", "0123456789Ttkl-", strict=True))
SUB = dict(zip("₀₁₂₃₄₅₆₇₈₉ₜₙᵢₖₗ₋", "0123456789tnikl-", strict=True))
BLOCK = re.compile(
    r'(?P<intro><p>(?:(?!</p>).)*)::</p>\s*<div class="highlight"><pre>(?:<span></span>)?'
    r"<code>(?P<code>.*?)</code></pre></div>",
    re.S,
)
PLAIN = re.compile(
    r'(?P<intro>)<div class="highlight"><pre>(?:<span></span>)?'
    r"<code>(?P<code>.*?)</code></pre></div>",
    re.S,
)
LATEX = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.S
)
CODE = re.compile(r"import |self\b|&quot;|>>>|&gt;&gt;&gt;|#")
TOKEN = re.compile(
    r"(?P<number>\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<word>[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᵗᵏˡ₀₁₂₃₄₅₆₇₈₉ₜₙᵢₖₗ]+[\u0300-\u036f]?)"
    r"|(?P<space>\s+)|(?P<mark>.)",
    re.S,
)
SCRIPT = re.compile(r"(_|\^)(\{[^}]*\}|\([^)]*\)|[^\W_⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ]+)")


def on_page_content(page_html, page, config, files):
    """Return the page with every formula set."""
    page_html = LATEX.sub(latex, page_html)
    if page.file.src_uri.startswith("derivations"):  # all blocks without a language are formulas
        return PLAIN.sub(block, page_html)
    return BLOCK.sub(block, page_html)


def latex(found):
    """Return the MathML of one LaTeX formula."""
    display = "block" if found["tag"] == "div" else "inline"
    return convert(html.unescape(found["tex"]).strip(), display=display)


def block(found):
    """Return an aligned block of formulas as a table, or code as it was, without its ``::``."""
    code = found["code"]
    if CODE.search(code) or not re.search("[=←∝]", code):
        return found[0].replace("::</p>", ":</p>")
    rows = [
        "<tr>"
        + "".join(f"<td>{cell(part)}</td>" for part in re.split(r"\s{3,}(?![=\s])", line.strip()))
        + "</tr>"
        for line in html.unescape(code).splitlines()
        if line.strip()
    ]
    table = f'<table class="lines">{"".join(rows)}</table>'
    intro = f"{found['intro']}:</p>" if found["intro"] else ""
    return f'{intro}\n<div class="formula">{table}</div>'


def cell(text):
    """Return one formula as MathML, or plain words as they are."""
    words = re.findall(r"[a-z]{3,}", text)
    if not re.search("[=←<>∈~∝]", text) and len(words) >= 2 and "(" not in text:
        return html.escape(text)
    return f"<math>{mathml(text)}</math>"


def mathml(text):
    """Return plain-text mathematics as MathML.

    Examples
    --------
    >>> mathml("x²")
    '<msup><mi>x</mi><mn>2</mn></msup>'
    """
    parts, at = [], 0
    while at < len(text):
        if text[at] == "√":
            inside, at = argument(text, at + 1)
            parts.append(f"<msqrt>{mathml(inside)}</msqrt>")
            continue
        token = TOKEN.match(text, at)
        at = token.end()
        if token["space"]:
            width = min(len(token["space"]), 2) * (0.2 if parts else 0)
            parts.append(f'<mspace width="{width}em"/>')
            continue
        base = atom(token)
        low, high, at = scripts(text, at)
        if low and high:
            base = f"<msubsup>{base}{low}{high}</msubsup>"
        elif low or high:
            base = f"<m{'sub' if low else 'sup'}>{base}{low or high}</m{'sub' if low else 'sup'}>"
        parts.append(base)
    return "".join(parts)


def argument(text, at):
    """Return what a root stands over, and where it ends: a bracket's inside, or one symbol."""
    if text[at : at + 1] != "(":
        end = re.compile(r"[\w.]*").match(text, at).end()
        return text[at:end], end
    depth = 0
    for end in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if depth == 0:
            return text[at + 1 : end], end + 1
    return text[at + 1 :], len(text)


def atom(token):
    """Return a number, a name or a sign as MathML; two letters are two symbols, as in dW."""
    if token["number"]:
        return f"<mn>{token['number']}</mn>"
    if token["word"]:
        word = token["word"]
        if (
            len(word) == 2
            and word[1] < "\u0300"
            and word not in ("if", "lr", "or", "of", "is", "to")
        ):
            return f"<mrow><mi>{word[0]}</mi><mi>{word[1]}</mi></mrow>"
        return f"<mi>{html.escape(word)}</mi>"
    sign = {"-": "−", "*": "·", "'": "′"}.get(token["mark"], token["mark"])
    return f'<mo stretchy="false">{html.escape(sign)}</mo>'


def scripts(text, at):
    """Return the subscript and superscript that follow, as MathML or "", and where they end."""
    found = {"_": "", "^": ""}
    while at < len(text):
        script = SCRIPT.match(text, at)
        if script:
            inside = script[2][1:-1] if script[2][0] in "{(" else script[2]
            found[script[1]], at = script_of(inside), script.end()
            continue
        for kind, table in (("^", SUPER), ("_", SUB)):
            end = at
            while end < len(text) and text[end] in table:
                end += 1
            if end > at:
                found[kind], at = script_of("".join(table[c] for c in text[at:end])), end
                break
        else:
            break
    return found["_"], found["^"], at


def script_of(inside):
    """Return a script as one MathML element; letters side by side are indices of their own."""
    if inside.isalpha() and len(inside) <= 4:
        inner = "".join(f"<mi>{letter}</mi>" for letter in inside)
    else:
        inner = mathml(inside)
    return inner if re.fullmatch(r"<(\w+)>[^<]*</\1>", inner) else f"<mrow>{inner}</mrow>"
