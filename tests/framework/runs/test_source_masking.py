"""What of a script's source is masked, and that the rest stays where it is."""

import ast

import pytest

from firstlight.runs.slices import find_call
from firstlight.runs.source_masking import masked_source

SECRETS = [
    'password: str = "hush"',
    "def f(api_key: str = 'hush'): pass",
    'x.token = b"hush"',
    'token = f"hush{1}"',
    'api_key = """hush"""',
    "api_key = '''\nhush\nmore'''",
    'keys = {"api_keys": ["hush", "hush"]}',
    'h = {"Authorization": "Bearer hush"}',
    'p.add_argument("--password", "-p", default="hush")',
    'TOKEN = ("hush"\n  "hush")',
    'user, password = "me", "hush"',
    'os.environ["HF_TOKEN"] = "hush"',
    "def f(*, token='hush'): 0",
    'os.getenv("API_KEY", "hush")',
    'key = dict(password="hush" + x)',
    'password = "hush".encode()',
    'password: str = field(default="hush")',
    '# password = "hush"',
    "run(\"fit --token='hush'\")",
    'url = "https://me:hush@host"',
    'api_key = x or "hush"',
    'connect("host=x password=hush port=1")',
    "f(f'{login(password=\"hush\")}')",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked_and_what_follows_stays_in_its_place(text):
    call = "; fit(x)" if not text.startswith(("#", "def")) else "\nfit(x)"
    tree = ast.parse(f"é = 'é'\n{text}{call}")
    end = next(
        [n.end_lineno, n.end_col_offset]
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and ast.unparse(n) == "fit(x)"
    )
    shown = masked_source(f"é = 'é'\n{text}{call}")
    assert "hush" not in shown
    assert "***" in shown
    assert ast.unparse(find_call(ast.parse(shown), end)) == "fit(x)"
    assert masked_source(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        *('password = os.environ["DB_PASSWORD"]', 'api_key = open("key.txt").read()', "token = ''"),
        *('pad_token = "p"', 'split(tokens="x")', 'f = lambda token: "a" in token', "é: x = (\n"),
        *('parser.add_argument("--password", "-p", help="x")', 'line.replace("token", "word")'),
        *('tokenizer = "words"', "secret = None", 'password = f"{a}"', 'vocabulary[token] = "x"'),
    ],
)
def test_other_code_stays_as_it_is(text):
    assert masked_source(text) == text


def test_code_that_cannot_be_parsed_is_masked_too():
    assert masked_source('login(password="hush"') == 'login(password="***" '
