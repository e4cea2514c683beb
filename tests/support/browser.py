"""Chromium without a window: run a script at the end of a page, and read what it returns."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WRAPPED = """
<script>
const violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.blockedURI));
addEventListener("error", (event) => violations.push(event.message));
addEventListener("load", async () => {
  const result = await (async () => { %s })();
  const requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const found = document.createElement("pre");
  found.id = "found";
  found.textContent = JSON.stringify({ result, violations, requests });
  document.body.append(found);
});
</script></body>"""


def run_in_page(page: str, script: str, folder: Path, *, width: int = 1200, height: int = 900):
    """Return what a script returns in a page: its result, and requests and errors of the page."""
    file = folder / "page.html"
    file.write_text(page.replace("</body>", WRAPPED % script), "utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    size = f"--window-size={width},{height}"
    command = [CHROMIUM, *QUIET, profile, size, "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run(
        [*command, file.as_uri()], capture_output=True, text=True, encoding="utf-8"
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))
