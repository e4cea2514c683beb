"""The progress display on a real terminal, one that knows ASCII only."""

import os
import pty
import re
import subprocess
import sys

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor

SCRIPT = """
import numpy as np, firstlight as fl
from firstlight.callbacks import ProgressBar
class Line(fl.Module):
    def __init__(self):
        self.body, self.loss = fl.nn.Linear(3, 1), fl.nn.MSELoss()
    def forward(self, x): return self.body(x)
    def backward(self, dy): return self.body.backward(dy)
    def configure_optimizer(self): return fl.optim.SGD(self.parameters(), lr=0.1)
class CtrlC(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 50:
            import os, signal
            os.kill(os.getpid(), signal.SIGINT)
x = np.random.default_rng(0).normal(size=(640, 3))
fl.Trainer(max_epochs=3, callbacks=[ProgressBar(), CtrlC()], default_callbacks=False,
           runs_dir=None).fit(Line(), (x, x[:, :1]), val_data=(x, x[:, :1]))
"""


def test_ctrl_c_on_a_real_ascii_terminal():
    parent, child = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")}
    env |= {"PYTHONIOENCODING": "ascii", "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=child, stderr=child, env=env, close_fds=True
    )
    os.close(child)
    output = b""
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(parent)
    assert process.wait() == 0
    text = output.decode("ascii")
    assert text.rindex(SHOW) > text.rindex(HIDE)
    lines = [
        line.strip()
        for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text))
        if line.strip()
    ]
    assert "SIGINT: stopping after this step; press Ctrl-C again to stop at once." in lines
    assert "\r\x1b[2KSIGINT: stopping after" in text  # in place of the bar, not below a piece of it
    assert lines[-1].startswith("interrupted after 3 epochs, 50 steps")
