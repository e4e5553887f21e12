"""Writes the reference numbers that tests/stats_reference.rs compares reg's statistics with.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    python tests/stats_reference.py

AUC, ROC and Youden's threshold come from scikit-learn, ranks, correlations and p-values from scipy,
means and deviations from numpy. DeLong's variance is computed here from its definition, every
positive against every negative (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988).
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import norm, rankdata, spearmanr
from sklearn.metrics import roc_auc_score, roc_curve

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "stats"


def placements(scores, positive):
    """Share of the other class that each positive and each negative beats, a tie counting half."""
    wins = np.subtract.outer(scores[positive], scores[~positive])
    wins = (wins > 0) + 0.5 * (wins == 0)
    return wins.mean(axis=1), wins.mean(axis=0)


def delong_covariance(a, b, positive):
    a10, a01 = placements(a, positive)
    b10, b01 = placements(b, positive)
    s10 = np.cov(a10, b10, ddof=1)[0, 1]
    s01 = np.cov(a01, b01, ddof=1)[0, 1]
    return s10 / len(a10) + s01 / len(a01)


def paired(a, b, positive):
    difference = roc_auc_score(positive, a) - roc_auc_score(positive, b)
    variance = (
        delong_covariance(a, a, positive)
        + delong_covariance(b, b, positive)
        - 2 * delong_covariance(a, b, positive)
    )
    std_error = math.sqrt(variance)
    return {
        "difference": difference,
        "std_error": std_error,
        "z": difference / std_error,
        "p": 2 * norm.sf(abs(difference / std_error)),
    }


def case(a, b, positive):
    fpr, tpr, thresholds = roc_curve(positive, a, drop_intermediate=False)
    best = 1 + np.argmax(tpr[1:] - fpr[1:])
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "positive": positive.tolist(),
        "auc": roc_auc_score(positive, a),
        "variance": delong_covariance(a, a, positive),
        "paired": paired(a, b, positive),
        "ranks": rankdata(a).tolist(),
        "spearman": spearmanr(a, b).statistic,
        # The first threshold is infinite, which JSON cannot say.
        "roc": {"fpr": fpr.tolist(), "tpr": tpr.tolist(), "thresholds": thresholds[1:].tolist()},
        "youden": {
            "threshold": thresholds[best],
            "sensitivity": tpr[best],
            "specificity": 1 - fpr[best],
            "index": tpr[best] - fpr[best],
        },
        "summary": {"mean": a.mean(), "std": a.std(ddof=1), "min": a.min(), "max": a.max()},
    }


def cases():
    draw = np.random.default_rng(20190423)

    def two_models(n, share, strength, agreement, digits):
        positive = draw.random(n) < share
        positive[:4] = [True, False, True, False]
        common = draw.normal(size=n)
        scores = [
            strength * positive + agreement * common + draw.normal(size=n) * (1 - agreement)
            for _ in range(2)
        ]
        a, b = (np.round(1 / (1 + np.exp(-s)), digits) for s in scores)
        return case(a, b, positive)

    return {
        "continuous": two_models(200, 0.4, 0.9, 0.5, 15),
        "ties": two_models(120, 0.3, 0.6, 0.4, 1),
        "rare": two_models(200, 0.02, 1.0, 0.3, 2),
        "close": two_models(150, 0.5, 0.3, 0.95, 3),
        "reversed": two_models(90, 0.5, -1.5, 0.2, 2),
        "smallest": two_models(4, 0.0, 0.5, 0.1, 2),
    }


def main():
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in cases().items():
        document = {"versions": versions, "case": content}
        (FOLDER / f"{name}.json").write_text(json.dumps(document, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
