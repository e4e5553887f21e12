"""Opens a folder as MLflow does that is started in it, and prints its runs as JSON."""

import json
import logging
import os
import sys
import warnings

warnings.simplefilter("ignore")
os.chdir(sys.argv[1])
from mlflow.tracking import MlflowClient  # noqa: E402

logging.disable(logging.INFO)
client = MlflowClient("sqlite:///mlflow.db")
experiments = [found for found in client.search_experiments() if found.name != "Default"]
runs = {}
for run in client.search_runs([experiment.experiment_id for experiment in experiments]):
    number = run.info.run_id
    artifacts = client.list_artifacts(number)
    weights = client.download_artifacts(number, "checkpoint.safetensors")
    history = client.get_metric_history(number, "epoch/val loss")
    assert [point.timestamp for point in history] == sorted({point.timestamp for point in history})
    assert run.info.start_time < history[0].timestamp and history[-1].timestamp == run.info.end_time
    runs[run.info.run_name] = {
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": run.data.tags,
        "val loss": [[point.step, point.value] for point in history],
        "artifacts": sorted(artifact.path for artifact in artifacts),
        "checkpoint": os.path.getsize(weights),
    }
print(json.dumps({"experiments": [experiment.name for experiment in experiments], "runs": dict(sorted(runs.items()))}))
