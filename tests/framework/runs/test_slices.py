"""The statements of a script that a name depends on."""

import ast

import pytest

from firstlight.runs import slices

CASES = {
    "what binds it": ("a = 1; b = 2", "b", "b = 2"),
    "what that needs": ("a = 1; b = a; c = 3; d = b", "d", "a = 1; b = a; d = b"),
    "changes in place": ("a = []; a.append(1); a[0] = 2; a += [3]; print(a)", "a",
                         "a = []; a.append(1); a[0] = 2; a += [3]"),
    "of a part": ("a = A(); a.b.c = 1; a.b.prepare(); b = a.b", "a",
                  "a = A(); a.b.c = 1; a.b.prepare()"),
    "no calls of modules": ("import shutil, os; shutil.rmtree('x'); a = os.getcwd()", "a",
                            "import shutil, os; a = os.getcwd()"),
    "but seeds": ("import random; random.seed(1); f(random.random()); a = random.random()", "a",
                  "import random; random.seed(1); a = random.random()"),
    "no loops over seeds": ("import np; np.seed(1)\nfor i in [1, 2]:\n    np.seed(i)\n    f(i)\n"
                            "a = np.a()", "a", "import np; np.seed(1); a = np.a()"),
    "nothing for main": ("import np; b = 1\nif __name__ == '__main__':\n    np.seed(b)\na = np.a()",
                         "a", "import np; a = np.a()"),
    "draws of a generator": ("g = G(1); b = g.normal(); print(g.normal()); a = g.normal()", "a",
                             "g = G(1); b = g.normal(); a = g.normal()"),
    "draws of a module": ("import numpy as np; b = np.random.rand(2); c = np.sqrt(3); "
                          "d = 5; e = np.power(2, 3)\ndef f(): return np.random.rand()\na = f()",
                          "a", "import numpy as np; b = np.random.rand(2)\n"
                          "def f(): return np.random.rand()\na = f()"),
    "other generators": ("g = G(1); h = G(2); b = g.normal(); a = h.normal()", "a",
                         "h = G(2); a = h.normal()"),
    "shuffles and outputs": ("import numpy as np; a = [1]; np.random.shuffle(a); np.add(a, 1, a); "
                             "np.add(a, 1, out=a); np.add(a, 1, out=b)", "a",
                             "import numpy as np; a = [1]; np.random.shuffle(a); "
                             "np.add(a, 1, out=a)"),
    "no training": ("trainer = T(); trainer.fit(m); a = trainer.fit(m).x; b = 1", "b", "b = 1"),
    "another fit": ("s = S(); s.fit(x); a = s(x)", "a", "s = S(); s.fit(x); a = s(x)"),
    "blocks as a whole": ("for i in range(3):\n    a = i\nwhile b: b -= 1", "a",
                          "for i in range(3):\n    a = i"),
    "functions": ("k = 1\nx = 2\ndef f(x, n=k):\n    y = x\n    return y + z\nz = 3\ny = f(0)", "y",
                  "k = 1\ndef f(x, n=k):\n    y = x\n    return y + z\nz = 3\ny = f(0)"),
    "classes": ("B = object\nn = 1\nclass A(B):\n    def f(self):\n        n = 2", "A",
                "B = object\nclass A(B):\n    def f(self):\n        n = 2"),
    "comprehensions": ("i = 1; a = [i for i in range(3)]", "a", "a = [i for i in range(3)]"),
    "imports of all": ("from m import *; a = 1", "a", "from m import *; a = 1"),
    "the future": ("from __future__ import annotations; b = 2; a = 1", "a",
                   "from __future__ import annotations; a = 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_needed_statements(case):
    script, name, expected = CASES[case]
    kept, _ = slices.needed_statements(ast.parse(script).body, [name])
    assert list(map(ast.unparse, kept)) == list(map(ast.unparse, ast.parse(expected).body))


def test_known_names_need_no_statement():
    script = ast.parse("p = Parser(); p.add('n'); args = p.parse(); x = load(args.n)")
    kept, needed = slices.needed_statements(script.body, ["x"], {"args", "load"})
    assert list(map(ast.unparse, kept)) == ["x = load(args.n)"]
    assert "p" not in needed


def test_the_way_to_a_call():
    block = "    c = b\n    if c:\n        d = c\n        t.fit(\n    n, d)\n        e = 1"
    text = f"a = 1\ndef f(b):\n{block}"
    tree = ast.parse(text)
    call = slices.find_call(tree, [7, 9])
    assert ast.unparse(call) == "t.fit(n, d)"
    before, function = slices.way_to(tree, call, {})
    assert list(map(ast.unparse, before)) == ["c = b", "d = c"]
    assert function.name == "f"
    assert slices.find_call(tree, [7, 8]) is None
