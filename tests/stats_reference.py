"""Writes the reference numbers that tests/stats_reference.rs compares reg's statistics with.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0
    python tests/stats_reference.py

AUC (also weighted), ROC and precision-recall curves, Youden's threshold, average precision, predictive values and the
Brier score come from scikit-learn, as do thresholds with a stated sensitivity or specificity; the line of calibration from
statsmodels' logistic regression, the deviation over seeds from its analysis of variance,
ranks, correlations, p-values and Benjamini and Hochberg's adjustment from scipy, means, deviations and
quantiles from numpy. What these lack is computed here from its definition: DeLong's variance, every positive
against every negative (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988), Obuchowski's variance with patients as
clusters (Biometrics 53, 1997), also of means over seeds, logit intervals, the expected calibration error, Holm's adjustment, the corrected
resampled t-test. With one image a patient the test of an AUC against 0.5 is scipy's Brunner-Munzel test. A bootstrap is given as its draws, a weight an image, because
random streams differ.

With the published metadata in shared/nih beside or above the project it also writes `import-nih.json`: AUCs of made-up scores of the
first 22,433 real images, which tests/cli/foreign.rs makes by the same rule and imports.
"""

import csv
import gzip
import json
import math
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import brunnermunzel, false_discovery_control, norm, rankdata, spearmanr, t
import statsmodels
import statsmodels.api as sm
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    precision_score,
    roc_auc_score,
    roc_curve,
)

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


class Clustered:
    """An AUC or, with a second model, a difference: what each patient adds, from every pair of images."""

    def __init__(self, patients, positive, a, b=None):
        wins = self.wins(a, positive) - (0 if b is None else self.wins(b, positive))
        self.value = wins.mean()
        names = np.unique(patients)
        with_positive, with_negative = (np.isin(names, patients[of]) for of in (positive, ~positive))
        self.all, self.positives, self.negatives = len(names), with_positive.sum(), with_negative.sum()
        apart = wins - self.value
        self.v10 = np.array([apart.mean(axis=1)[patients[positive] == name].sum() for name in names])
        self.v01 = np.array([apart.mean(axis=0)[patients[~positive] == name].sum() for name in names])
        m, n = wins.shape
        self.v10, self.v01 = self.v10 / m, self.v01 / n
        factor = [count / (count - 1) for count in (self.positives, self.negatives, self.all)]
        first, second = factor[0] * (self.v10**2).sum(), factor[1] * (self.v01**2).sum()
        self.variance = first + second + 2 * factor[2] * (self.v10 * self.v01).sum()
        least = min(self.positives, self.negatives) - 1
        uncertain = first**2 / self.df_of_class(self.v10, self.positives)
        uncertain += second**2 / self.df_of_class(self.v01, self.negatives)
        self.df = (first + second) ** 2 / uncertain if uncertain else float(least)

    @staticmethod
    def df_of_class(v, n):
        """What the kurtosis leaves (Pan and Wall, Statistics in Medicine 21, 2002), no more than n - 1."""
        if not v.any():
            return n - 1
        kurtosis = n * (v**4).sum() / (v**2).sum() ** 2
        return min(n - 1, 2 * n / (kurtosis - 1)) if kurtosis > 1 else n - 1

    @staticmethod
    def wins(scores, positive):
        apart = np.subtract.outer(scores[positive], scores[~positive])
        return (apart > 0) + 0.5 * (apart == 0)


def mean_of_labels(labels):
    """The mean over labels, with the covariance of two labels as a sum of products over patients."""
    k = len(labels)
    covariance = np.empty((k, k))
    for i, x in enumerate(labels):
        for j, y in enumerate(labels):
            factor = x.all / (x.all - 1)
            covariance[i, j] = x.variance if i == j else factor * ((x.v10 + x.v01) * (y.v10 + y.v01)).sum()
    variances = np.diag(covariance)
    df = variances.sum() ** 2 / (variances**2 / [label.df for label in labels]).sum()
    return {"value": np.mean([x.value for x in labels]), "std_error": math.sqrt(covariance.sum()) / k, "df": df}


def clustered(a, b, positive, draw):
    """Patients of one to four images; each fourth patient has both classes by chance."""
    patients = draw.integers(0, max(3, len(a) // 2), size=len(a)) if len(a) > 4 else np.arange(len(a))
    x, apart = Clustered(patients, positive, a), Clustered(patients, positive, a, b)
    std_error, error = math.sqrt(x.variance), math.sqrt(apart.variance)
    logit = math.log(x.value / (1 - x.value)) if 0 < x.value < 1 else None
    reach = logit and std_error and t.ppf(0.975, x.df) * std_error / (x.value * (1 - x.value))
    away = t.ppf(0.975, apart.df) * error
    alone = Clustered(np.arange(len(a)), positive, a)
    other = np.roll(positive, 3)
    return {
        "patients": np.unique(patients, return_inverse=True)[1].tolist(),
        "value": x.value,
        "std_error": std_error,
        "df": x.df,
        "interval": reach and [1 / (1 + math.exp(-end)) for end in (logit - reach, logit + reach)],
        "difference": apart.value,
        "difference_std_error": error,
        "difference_df": apart.df,
        "difference_interval": [max(-1, apart.value - away), min(1, apart.value + away)],
        "p": 2 * t.sf(abs(apart.value / error), apart.df),
        "within": [t.sf((apart.value + 0.05) / error, apart.df), t.sf((0.05 - apart.value) / error, apart.df)],
        "delong_variance": alone.variance,
        "brunner_munzel": brunnermunzel(a[~positive], a[positive], distribution="normal").pvalue if 0 < x.value < 1 else None,
        "mean": mean_of_labels([x, Clustered(patients, other, b)]),
        "mean_difference": mean_of_labels([apart, Clustered(patients, other, b, a)]),
    }


def calibration(p, positive, bins):
    """Bins (k / bins, (k + 1) / bins], 0 in the first; Guo et al., ICML 2017."""
    place = np.maximum(np.searchsorted(np.arange(1, bins + 1) / bins, p, side="left"), 0)
    counts = [int((place == k).sum()) for k in range(bins)]
    hits = [int(positive[place == k].sum()) for k in range(bins)]
    means = [float(p[place == k].mean()) if counts[k] else None for k in range(bins)]
    distance = [n * abs(h / n - m) for n, h, m in zip(counts, hits, means) if n]
    return {"ece": sum(distance) / len(p), "images": counts, "positives": hits, "means": means}


def calibration_line(p, positive):
    """Logistic regression of the truth on the logits, and the intercept with the slope fixed at 1."""
    if roc_auc_score(positive, p) in (0.0, 1.0) or ((p <= 0) | (p >= 1)).any():
        return None
    logits = np.log(p / (1 - p))
    binomial = {"family": sm.families.Binomial()}
    line = sm.GLM(positive.astype(float), sm.add_constant(logits), **binomial).fit(tol=1e-15)
    large = sm.GLM(positive.astype(float), np.ones(len(p)), offset=logits, **binomial).fit(tol=1e-15)
    return {"intercept": line.params[0], "slope": line.params[1], "in_the_large": large.params[0]}


def precision_recall(scores, positive):
    """Without the point that scikit-learn adds at recall 0; thresholds descend."""
    precision, recall, thresholds = precision_recall_curve(positive, scores)
    return {
        "precision": precision[-2::-1].tolist(),
        "recall": recall[-2::-1].tolist(),
        "thresholds": thresholds[::-1].tolist(),
    }


def bootstrap(a, b, positive, draw):
    """Patients of one to four images each, drawn with replacement; draws without both classes count not."""
    patients = np.sort(draw.integers(0, max(2, len(a) // 2), size=len(a)))
    names = np.unique(patients)
    weights, aucs, differences = [], [], []
    for _ in range(40):
        times = np.bincount(draw.integers(0, len(names), size=len(names)), minlength=len(names))
        weight = times[np.searchsorted(names, patients)]
        weights.append(weight.tolist())
        if weight[positive].sum() and weight[~positive].sum():
            x, y = (roc_auc_score(positive, s, sample_weight=weight) for s in (a, b))
            aucs.append(x)
            differences.append(x - y)
        else:
            aucs.append(None)
    defined = [x for x in aucs if x is not None]
    return {
        "weights": weights,
        "aucs": aucs,
        "bounds": np.quantile(defined, [0.025, 0.975]).tolist(),
        "difference_bounds": np.quantile(differences, [0.025, 0.975]).tolist(),
    }


def holm(p):
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable")):
        largest = min(1.0, max(largest, p[i] * (len(p) - rank)))
        adjusted[i] = largest
    return adjusted


def resampled(differences, test_to_train):
    n = len(differences)
    std_error = math.sqrt((1 / n + test_to_train) * np.var(differences, ddof=1))
    statistic = np.mean(differences) / std_error
    return {
        "differences": differences.tolist(),
        "test_to_train": test_to_train,
        "std_error": std_error,
        "t": statistic,
        "p": 2 * t.sf(abs(statistic), n - 1),
    }


def several_tests():
    draw = np.random.default_rng(6381)
    p = np.concatenate([draw.random(9) ** 4, [0.01, 0.01, 1.0, 0.0]])
    return {
        "p": p.tolist(),
        "holm": holm(p),
        "bh": false_discovery_control(p, method="bh").tolist(),
        "resampled": [
            resampled(draw.normal(0.003, 0.005, size=5), 20 / 70),
            resampled(draw.normal(0.0, 0.01, size=10), 0.25),
            resampled(draw.normal(0.2, 1e-4, size=3), 0.5),
        ],
    }


def at_least(positive, scores, sensitivity, specificity):
    """The highest threshold with the sensitivity, and the lowest with the specificity, of scikit-learn's curve."""
    fpr, tpr, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    negatives = (~positive).sum()
    # Counts, because 1 - fpr is rounded.
    rejected = negatives - np.round(fpr * negatives)
    reached = [i for i in range(1, len(thresholds)) if rejected[i] / negatives >= specificity]
    return {
        "sensitivity": sensitivity,
        "at_sensitivity": thresholds[1 + np.argmax(tpr[1:] >= sensitivity)],
        "specificity": specificity,
        "at_specificity": thresholds[reached[-1]] if reached else None,
    }


class SeveralSeeds(Clustered):
    """The mean AUC of several seeds, or of those less the mean of others: means of what every pair of images gives."""

    def wins(self, scores, positive):
        return np.mean([Clustered.wins(seed, positive) for seed in scores], axis=0)


def setups():
    """Two setups with three and two seeds on the same images; AUCs of seeds in divisions; ensembles; operating points."""
    draw = np.random.default_rng(318)
    positive = draw.random(80) < 0.3
    patients = np.unique(draw.integers(0, 40, size=80), return_inverse=True)[1]
    one, other = ([np.round(draw.normal(size=80) + lift * positive, 1) for _ in range(n)] for lift, n in ((1.0, 3), (0.7, 2)))
    alone, apart = SeveralSeeds(patients, positive, one), SeveralSeeds(patients, positive, one, other)
    divisions = [draw.normal(0.8, 0.02, size=n).tolist() for n in (3, 2, 1, 3)]
    groups = [str(i) for i, values in enumerate(divisions) for _ in values]
    residuals = sm.OLS(np.concatenate(divisions), (np.array(groups)[:, None] == np.unique(groups)).astype(float)).fit()
    return {
        "positive": positive.tolist(),
        "patients": patients.tolist(),
        "one": [seed.tolist() for seed in one],
        "other": [seed.tolist() for seed in other],
        "auc": np.mean([roc_auc_score(positive, seed) for seed in one]),
        "std_error": math.sqrt(alone.variance),
        "df": alone.df,
        "difference": apart.value,
        "difference_std_error": math.sqrt(apart.variance),
        "difference_df": apart.df,
        "mean_scores": np.mean(one, axis=0).tolist(),
        "divisions": divisions,
        "pooled_std": math.sqrt(residuals.mse_resid),
        "points": [at_least(positive, one[0], *shares) for shares in ((0.9, 0.9), (0.5, 0.95), (1.0, 0.5), (0.01, 1.0))],
    }


def imported(folder):
    """AUCs of scores made from row and label by 32-bit arithmetic; tests/cli/foreign.rs does the same."""
    with gzip.open(folder / "Data_Entry_2017_v2020.csv.gz", "rt") as file:
        rows = [(row["Image Index"], row["Finding Labels"].split("|")) for row in csv.DictReader(file)]
    rows = rows[:22433]
    labels = sorted({label for _, found in rows for label in found} - {"No Finding"})
    auc = {}
    for j, label in enumerate(labels):
        truth = [label in found for _, found in rows]
        scores = [made_up_score(i, j, positive) for i, positive in enumerate(truth)]
        auc[label] = roc_auc_score(truth, [float(score) for score in scores])
    return {"images": len(rows), "auc": auc}


def made_up_score(row, label, positive):
    """Even labels have 1,000 different scores and so many ties, odd ones as good as none."""
    h = (row * 2654435761 + label * 40503 + 12345) % 2**32
    h = (h ^ (h >> 15)) * 2246822519 % 2**32
    h = h ^ (h >> 13)
    lift = (3 + label) if positive else 0
    if label % 2 == 0:
        return f"0.{(h % 1000 * (100 - lift) + 1000 * lift) // 100:03d}"
    return f"0.{(h * (100 - lift) + 2**32 * lift) // 100:010d}"


def case(a, b, positive, draw):
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
        "average_precision": average_precision_score(positive, a),
        "brier": brier_score_loss(positive, a),
        "calibration": calibration(a, positive, 10),
        "calibration_line": calibration_line(a, positive),
        "precision_recall": precision_recall(a, positive),
        "bootstrap": bootstrap(a, b, positive, draw),
        "clustered": clustered(a, b, positive, np.random.default_rng(len(a) + 1)),
        "at": {
            "sensitivity": (b >= thresholds[best])[positive].mean(),
            "specificity": (b < thresholds[best])[~positive].mean(),
            "ppv": precision_score(positive, b >= thresholds[best]) if (b >= thresholds[best]).any() else None,
            "npv": precision_score(~positive, b < thresholds[best]) if (b < thresholds[best]).any() else None,
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
        return case(a, b, positive, np.random.default_rng(n))

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
        "statsmodels": statsmodels.__version__,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    documents = {name: {"case": content} for name, content in cases().items()}
    documents["several-tests"] = {"tests": several_tests()}
    documents["setups"] = {"setups": setups()}
    nih = next((p / "shared/nih" for p in FOLDER.parents if (p / "shared/nih").is_dir()), None)
    if nih:
        documents["import-nih"] = imported(nih)
    for name, document in documents.items():
        document["versions"] = versions
        (FOLDER / f"{name}.json").write_text(json.dumps(document, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
