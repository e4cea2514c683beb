"""MLflow: show runs in MLflow (``mlflow ui``)."""

import re
import shlex

from firstlight import hookimpl
from firstlight.callbacks import Tracker

FIRSTLIGHT_API = 1
STATUSES = {"finished": "FINISHED", "interrupted": "KILLED"}  # all others: FAILED


class MLflow(Tracker):
    """Show runs in MLflow: in ``mlflow.db`` here, or where ``MLFLOW_TRACKING_URI`` says."""

    def open(self, run, id):
        """Create the run, or set its status to RUNNING again."""
        from mlflow import MlflowClient
        from mlflow.entities import Param, RunTag

        self._client = MlflowClient()
        if id is None:
            found = self._client.get_experiment_by_name(self.project)
            place = found.experiment_id if found else self._client.create_experiment(self.project)
            start = int(1000 * self.started(run))
            id = self._client.create_run(place, start, run_name=self.title(run)).info.run_id
        self._client.update_run(id, "RUNNING")
        known = self._client.get_run(id).data.params  # which cannot be changed
        settings = {_name(n): str(value) for n, value in self.settings(run).items()}
        params = [Param(n, value) for n, value in settings.items() if n not in known]
        tags = {tag: "true" for tag in self.tags(run)} | {"mlflow.note.content": run.note}
        tags["mlflow.source.name"] = shlex.join(run.environment.get("command", []))
        self._client.log_batch(id, params=params, tags=[RunTag(*tag) for tag in tags.items()])
        self._id, self._end = id, None
        return id

    def write(self, points):
        """Log all values."""
        from mlflow.entities import Metric

        values = [(n, v, int(1000 * p.time), p.step) for p in points for n, v in p.values.items()]
        self._client.log_batch(self._id, [Metric(_name(n), *rest) for n, *rest in values])
        self._end = values[-1][2]

    def close(self, status):
        """Set the status, and the end to the time of the last value."""
        self._client.set_terminated(self._id, STATUSES.get(status, "FAILED"), self._end)


def _name(name):
    """Return a name with the characters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)


@hookimpl
def register_callbacks(registry):
    """Offer the tracker."""
    registry.add("mlflow", MLflow)
