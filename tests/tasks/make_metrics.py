#!/usr/bin/env python3
"""Writes tests/tasks/data/metrics.json: predictions and labels with the metrics that scikit-learn and SciPy give them.

Usage: make_metrics.py (needs numpy, scipy and scikit-learn). null stands for not a number, or a metric that doesn't apply.
"""

import json
import math
import pathlib
import warnings

import numpy
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

warnings.simplefilter("ignore")
random = numpy.random.default_rng(3)


def classification(predictions, labels):
    predictions, labels = [int(x) for x in predictions], [int(x) for x in labels]
    binary = {*predictions, *labels} <= {0, 1}
    return dict(
        predictions=predictions,
        labels=labels,
        accuracy=accuracy_score(labels, predictions),
        f1=float(f1_score(labels, predictions)) if binary else None,
        matthews_correlation=float(matthews_corrcoef(labels, predictions)),
    )


def report(classes, predictions, labels):
    """Averages over the classes that occur, and every class's figures; zero_division's default is 0."""
    predictions, labels = [int(x) for x in predictions], [int(x) for x in labels]
    case = dict(classes=classes, predictions=predictions, labels=labels)
    for average in ("macro", "weighted"):
        values = precision_recall_fscore_support(labels, predictions, average=average)
        for name, value in zip(("precision", "recall", "f1"), values, strict=False):
            case[f"{name}_{average}"] = float(value)
    each = precision_recall_fscore_support(labels, predictions, labels=range(classes))
    for name, values in zip(("precision", "recall", "f1", "support"), each, strict=True):
        case[name] = values.tolist()
    if classes <= 20:
        case["confusion"] = confusion_matrix(labels, predictions, labels=range(classes)).tolist()
    return case


def regression(predictions, labels):
    predictions, labels = [float(x) for x in predictions], [float(x) for x in labels]
    values = [float(metric(predictions, labels)[0]) for metric in (pearsonr, spearmanr)]
    pearson, spearman = [None if math.isnan(value) else value for value in values]
    mse = float(numpy.mean((numpy.array(predictions) - numpy.array(labels)) ** 2))
    return dict(predictions=predictions, labels=labels, pearson=pearson, spearmanr=spearman, mse=mse)


noise = numpy.round(random.normal(size=20), 3)
cases = dict(
    classification=[
        classification([0, 1, 1, 0, 1], [0, 1, 0, 0, 1]),
        classification([1, 1, 1], [0, 0, 0]),
        classification([0, 0, 0], [0, 0, 0]),
        classification([1, 1, 1], [1, 1, 1]),
        classification([0, 0, 0, 0], [0, 1, 0, 1]),
        classification([1, 0, 1, 0], [0, 1, 0, 1]),
        classification([0, 1, 2, 2, 1, 0, 2], [0, 2, 2, 2, 1, 1, 0]),
        classification([1], [1]),
        classification(random.integers(0, 2, 40), random.integers(0, 2, 40)),
        classification(random.integers(0, 3, 40), random.integers(0, 3, 40)),
    ],
    regression=[
        regression([1, 2, 3, 4], [1, 2, 3, 4]),
        regression([1, 2, 3, 4], [4, 3, 2, 1]),
        regression([1, 1, 1], [1, 2, 3]),
        regression([1, 2, 3], [2, 2, 2]),
        regression([1, 2, 2, 3, 3, 3], [1, 3, 2, 2, 5, 4]),
        regression([0.1, 5], [2, 3]),
        regression([1e8 + 1, 1e8 + 2, 1e8 + 4], [1, 2, 3]),
        regression(noise, numpy.round(noise + random.normal(size=20), 3)),
        regression(random.integers(0, 6, 30), random.integers(0, 6, 30) * 0.5),
    ],
    report=[
        report(2, [0, 1, 1, 0, 1], [0, 1, 0, 0, 1]),
        report(3, [1, 1, 1], [0, 0, 0]),
        report(4, [0, 1, 2, 2, 1, 0, 2], [0, 2, 2, 2, 1, 1, 0]),
        report(2, [1], [1]),
        report(7, random.integers(0, 7, 60), random.integers(0, 7, 60)),
        report(9, random.integers(0, 9, 90), random.integers(0, 9, 90)),
        report(20, random.integers(0, 19, 200), random.integers(1, 20, 200)),
        report(150, random.integers(0, 150, 400), random.integers(0, 150, 400)),
        report(300, random.integers(0, 300, 900), random.integers(0, 300, 900)),
    ],
)
target = pathlib.Path(__file__).parent / "data" / "metrics.json"
target.write_text("{\n" + ",\n".join(
    f' "{kind}": [\n  ' + ",\n  ".join(json.dumps(case) for case in group) + "\n ]" for kind, group in cases.items()
) + "\n}\n")  # fmt: skip
