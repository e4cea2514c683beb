"""firstlight fit --resume."""

import json

from firstlight.run import latest_run, read_records


def test_resume_goes_on_where_a_run_stopped(cli, tmp_path):
    settings = ["--model.hidden", "8", "--name", "r", "--lr_schedule.total_steps", "120"]
    code, out, _ = cli("fit", "--trainer.max_steps", "50", *settings)
    assert code == 0
    run = latest_run(tmp_path / "runs")
    code, out, _ = cli("fit", "--trainer.max_steps", "90", "--resume", "last", *settings)
    assert code == 0
    assert latest_run(tmp_path / "runs") == run
    cli("fit", "--trainer.max_steps", "90", *settings)
    whole = latest_run(tmp_path / "runs")
    assert whole != run

    def values(folder):
        return [(r["step"], r.get("train_loss"), r.get("val_loss")) for r in read_records(folder)]

    assert values(run) == values(whole)
    tests = [
        json.loads((f / "summary.json").read_text())["metrics"]["test_loss"] for f in (run, whole)
    ]
    assert tests[0] == tests[1]


def test_nothing_to_resume(cli):
    code, _, err = cli("fit", "--resume", "last")
    assert code == 1
    assert "no run called mlp-digits in runs has a checkpoint" in err
