# SPDX-License-Identifier: Apache-2.0
"""Shortest paths by asynchronous relaxation: vertices tell their neighbours of shorter ways until nothing happens any more."""

import heapq
import random

from charm4py import Array, Chare, Future, Reducer, charm

VERTICES, DEGREE = 150, 4


def edges(vertex):
    rng = random.Random(vertex)
    return [(rng.randrange(VERTICES), rng.randrange(1, 100)) for _ in range(DEGREE)]


class Vertex(Chare):
    def __init__(self):
        self.edges = edges(self.thisIndex[0])
        self.distance = float("inf")

    def offer(self, distance):
        if distance < self.distance:
            self.distance = distance
            for other, length in self.edges:
                self.thisProxy[other].offer(distance + length)

    def collect(self, future):
        self.reduce(future, self.distance, Reducer.gather)


def dijkstra():
    distances, queue = [float("inf")] * VERTICES, [(0, 0)]
    while queue:
        distance, vertex = heapq.heappop(queue)
        if distance < distances[vertex]:
            distances[vertex] = distance
            for other, length in edges(vertex):
                heapq.heappush(queue, (distance + length, other))
    return distances


def main(args):
    graph = Array(Vertex, VERTICES)
    graph[0].offer(0)
    charm.waitQD()
    future = Future()
    graph.collect(future)
    assert future.get() == dijkstra()
    print("shortest paths agree")
    charm.exit()


charm.start(main)
