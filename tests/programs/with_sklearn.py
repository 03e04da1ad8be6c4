# SPDX-License-Identifier: Apache-2.0
"""A grid search with cross-validation of scikit-learn models on the pool; best setting and scores as in a serial run.
Skipped without scikit-learn."""

import itertools

import numpy as np

from charm4py import charm

try:
    from sklearn.base import clone
    from sklearn.datasets import make_classification
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    reason = None
except ImportError as error:
    reason = error

DEPTHS, LEAVES = (1, 2, 4, 8), (1, 5, 20)


def data():
    return make_classification(300, n_features=8, n_informative=4, flip_y=0.1, random_state=1)


def score(model, depth, leaf):
    """One task: the mean score of a model with these settings. The model itself travels with the task."""
    x, y = data()
    model = clone(model).set_params(max_depth=depth, min_samples_leaf=leaf)
    return cross_val_score(model, x, y, cv=KFold(4, shuffle=True, random_state=0)).tolist()


def fitted(depth, leaf):
    """Another task: the result is a model."""
    x, y = data()
    return DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=0).fit(x, y)


def main(args):
    if reason:
        print(f"skipped: {reason}")
        charm.exit(77)
    settings = list(itertools.product(DEPTHS, LEAVES))
    model = DecisionTreeClassifier(random_state=0)
    scores = charm.pool.map(score, [(model, *setting) for setting in settings])
    assert scores == [score(model, *setting) for setting in settings]
    means = np.mean(scores, axis=1)
    best = settings[int(means.argmax())]
    assert means.max() > means.min() + 0.05, "settings make a difference"

    x, _ = data()
    future = charm.pool.Task(fitted, best, ret=True)
    assert np.array_equal(future.get().predict_proba(x), fitted(*best).predict_proba(x))
    print(f"the search agrees: depth {best[0]}, leaves of at least {best[1]}")
    charm.exit()


charm.start(main)
