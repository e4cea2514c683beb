"""Chromium without a window, driven by its DevTools protocol over two pipes."""

import json
import os
import shutil
import subprocess

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Browser:
    """One tab; `page` loads a page, and `run` runs a script in it.

    Attributes
    ----------
    events : list of dict
        What the browser has told since the page was loaded.
    """

    def __init__(self, folder):
        self.folder, self.events, self._sent, self._session, self._rest = folder, [], 0, {}, b""
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}"]
        command += ["--remote-debugging-pipe", "about:blank"]
        script = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'  # where it reads and writes
        self.process = subprocess.Popen(
            ["bash", "-c", script, *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb", 0)
        targets = self.call("Target.getTargets")["targetInfos"]
        (tab,) = (target["targetId"] for target in targets if target["type"] == "page")
        found = self.call("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = {"sessionId": found["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Call a method of the protocol, and return its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters, **self._session}
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        while b"\0" not in self._rest:
            got = self._in.read(1 << 16)
            assert got, "Chromium has ended"
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def page(self, text, *, width=1200, height=900, phone=False):
        """Load a page."""
        file = self.folder / "page.html"
        file.write_text(text, "utf-8")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.events.clear()
        self.call("Page.navigate", url=file.as_uri())
        while not self._told("Page.loadEventFired"):
            self.events.append(self._next())

    def run(self, script):
        """Return what a script returns; it may await."""
        code = f"(async () => {{ {script} }})()"
        wanted = {"awaitPromise": True, "returnByValue": True}
        done = self.call("Runtime.evaluate", expression=code, **wanted)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, points, *, touch=False, clicks=1):
        """Move a pressed mouse button, or a finger, along points in pixels."""
        for k, (x, y) in enumerate(points):
            if touch:
                kind = "touchMove" if k else "touchStart"
                self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            else:
                kind = "mouseMoved" if k else "mousePressed"
                button = {"button": "left", "buttons": 1, "clickCount": clicks}
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)
        if touch:
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            end = {"button": "left", "clickCount": clicks}
            self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **end)

    def _told(self, method):
        return [event["params"] for event in self.events if event.get("method") == method]

    @property
    def requests(self):
        """The addresses that were asked for, besides the page itself."""
        return [event["request"]["url"] for event in self._told("Network.requestWillBeSent")][1:]

    @property
    def problems(self):
        """Errors of scripts, and what the page's policy has blocked."""
        return self._told("Runtime.exceptionThrown") + self._told("Log.entryAdded")

    def close(self):
        self.call("Browser.close")
        self._out.close()
        self._in.close()
        self.process.wait()
