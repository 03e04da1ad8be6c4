# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training of a small PyTorch network: gradients are added by an allreduce, all copies stay equal.
Skipped without PyTorch."""

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro

try:
    import torch
except ImportError as error:
    torch = None
    reason = error

PARTS, ROWS, ROUNDS, RATE = 4, 256, 20, 0.05


def data():
    x = np.random.default_rng(1).normal(size=(ROWS, 6))
    return torch.tensor(x), torch.tensor(np.sin(x.sum(axis=1, keepdims=True)))


def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    ).double()


def gradients(net, x, y):
    """Of the part of the mean square error that these rows make, one flat array; and that part."""
    net.zero_grad()
    loss = ((net(x) - y) ** 2).sum() / ROWS
    loss.backward()
    return np.concatenate([p.grad.numpy().ravel() for p in net.parameters()]), float(loss)


def descend(net, gradient):
    at = 0
    with torch.no_grad():
        for p in net.parameters():
            p -= RATE * torch.from_numpy(gradient[at : at + p.numel()].copy()).view_as(p)
            at += p.numel()


class Learner(Chare):
    def __init__(self):
        torch.set_num_threads(1)
        self.net = network()

    @coro
    def train(self):
        x, y = (a[self.thisIndex[0] :: PARTS] for a in data())
        losses = []
        for _ in range(ROUNDS):
            gradient, loss = self.allreduce(
                gradients(self.net, x, y), Reducer.tuple(Reducer.sum, Reducer.sum)
            ).get()
            descend(self.net, gradient)
            losses.append(loss)
        return self.net.state_dict(), losses


def main(args):
    if torch is None:
        print(f"skipped: {reason}")
        charm.exit(77)
    torch.set_num_threads(1)
    answers = Array(Learner, PARTS).train(ret=True).get()  # tensors travel as they are
    net, losses = network(), []
    for _ in range(ROUNDS):
        gradient, loss = gradients(net, *data())
        descend(net, gradient)
        losses.append(loss)
    for state, other in answers:
        assert np.allclose(other, losses, rtol=1e-9)
        for name, tensor in net.state_dict().items():
            assert torch.equal(state[name], answers[0][0][name]), "the copies have drifted apart"
            assert torch.allclose(state[name], tensor, rtol=1e-9, atol=1e-12)
    assert losses[-1] < 0.9 * losses[0], "it has learned nothing"
    print("training agrees")
    charm.exit()


charm.start(main)
