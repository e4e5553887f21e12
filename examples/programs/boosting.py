"""Gradient boosting on age, gender and view, with scikit-learn: one classifier a label.

    reg run --dataset D --split S --fold 0 --name boosting-f0 -- python3 boosting.py
"""
import csv
import json
import os

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

job = json.load(open(os.environ["REG_JOB"]))


def read(subset):
    with open(job[subset], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = [
        [float(row["Patient Age"] or "nan"), row["Patient Gender"] == "F", row["View Position"] == "AP"] for row in rows
    ]
    return rows, np.array(features, dtype=float)


def scores_of(label, features):
    """Probabilities; the prevalence, where all known training images are of one class."""
    known = [place for place, row in enumerate(train) if row[label]]
    truth = np.array([train[place][label] == "1" for place in known])
    if truth.all() or not truth.any():
        return [np.full(len(of), truth.mean() if known else 0.5) for of in features]
    model = HistGradientBoostingClassifier(max_iter=50, max_depth=3, random_state=job["seed"])
    model.fit(train_features[known], truth)
    return [model.predict_proba(of)[:, 1] for of in features]


train, train_features = read("train")
subsets = [read("val"), read("test")]
columns = [scores_of(label, [features for _, features in subsets]) for label in job["labels"]]

with open(os.path.join(os.environ["REG_OUT"], "scores.csv"), "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["Image Index", *job["labels"]])
    for number, (rows, _) in enumerate(subsets):
        for place, row in enumerate(rows):
            writer.writerow([row["Image Index"], *(repr(float(column[number][place])) for column in columns)])

losses, aucs = [], []
for label, column in zip(job["labels"], columns):
    known = [place for place, row in enumerate(subsets[0][0]) if row[label]]
    truth = [subsets[0][0][place][label] == "1" for place in known]
    losses.append(log_loss(truth, column[0][known], labels=[False, True]))
    if len(set(truth)) == 2:
        aucs.append(roc_auc_score(truth, column[0][known]))
epoch = {"epoch": 1, "val_loss": float(np.mean(losses))}
if aucs:
    epoch.update(val_auc=float(np.mean(aucs)), val_auc_labels=len(aucs))
with open(os.path.join(os.environ["REG_OUT"], "epochs.jsonl"), "w", encoding="utf-8") as file:
    file.write(json.dumps(epoch) + "\n")
