"""A conditional logit (McFadden 1974), fitted with a small penalty.

With one candidate a choice it is the logistic regression of whether that is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PENALTY = 1e-3  # on the squared weights of standardised features


def fitted(
    choices: Sequence[Sequence[Sequence[float]]], right: Sequence[Sequence[bool]]
) -> tuple[tuple[float, ...], float]:
    """`conditional_logit` of choices with different numbers of candidates, each given by its features."""
    width = max(map(len, choices))
    features = next(len(candidate) for choice in choices for candidate in choice)
    x = np.zeros((len(choices), width, features))
    there, is_right = (np.zeros((len(choices), width), dtype=bool) for _ in range(2))
    for row, (candidates, these) in enumerate(zip(choices, right, strict=True)):
        n = len(candidates)
        if n:
            x[row, :n], there[row, :n], is_right[row, :n] = candidates, True, these
    return conditional_logit(x, there, is_right)


def conditional_logit(
    x: NDArray[np.float64], there: NDArray[np.bool_], right: NDArray[np.bool_]
) -> tuple[tuple[float, ...], float]:
    """(the weights of the features, the utility of "none is right"): in each choice one of the right
    candidates, or none where none is, is chosen.

    `x` is of shape (choices, candidates, features), `there` and `right` of shape (choices, candidates).
    Needs scipy (extra: qa[fit]).
    """
    from scipy.optimize import minimize  # noqa: PLC0415
    from scipy.special import logsumexp, softmax  # noqa: PLC0415

    chosen_from = np.concatenate([right, ~right.any(axis=1, keepdims=True)], axis=1)  # the last: none is
    mean, scale = x[there].mean(axis=0), x[there].std(axis=0) + 1e-9
    z = np.where(there[:, :, None], (x - mean) / scale, 0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, none = parameters[:-1], parameters[-1]
        utility = np.where(there, z @ w, -np.inf)
        utility = np.concatenate([utility, np.full((len(z), 1), none)], axis=1)  # (choice, candidate + 1)
        chosen = np.where(chosen_from, utility, -np.inf)
        value = (logsumexp(utility, axis=1) - logsumexp(chosen, axis=1)).mean() + PENALTY * w @ w
        slope = softmax(utility, axis=1) - softmax(chosen, axis=1)
        by_weight = np.einsum("qc,qcf->f", slope[:, :-1], z) / len(z) + 2 * PENALTY * w
        return float(value), np.append(by_weight, slope[:, -1].mean())

    found = minimize(loss, np.zeros(x.shape[2] + 1), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / scale  # the scaling folded in: plain numbers over raw features
    return tuple(map(float, weights)), float(found[-1] + weights @ mean)
