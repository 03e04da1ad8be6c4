# SPDX-License-Identifier: Apache-2.0
"""Producers and consumers over channels: a consumer takes from whichever producer is ready; slow consumers slow producers down."""

from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro

PRODUCERS, CONSUMERS, ITEMS, WINDOW = 5, 3, 120, 4


def item(producer, number):
    return (producer, number, "x" * (number % 30))


class Producer(Chare):
    @coro
    def produce(self, consumers):
        me = self.thisIndex[0]
        channels = [Channel(self, consumers[c]) for c in range(CONSUMERS)]
        credit = [WINDOW] * CONSUMERS
        for number in range(ITEMS):
            to = (me + number) % CONSUMERS
            while credit[to] == 0:
                credit[to] += channels[to].recv()
            channels[to].send(item(me, number))
            credit[to] -= 1
        for channel in channels:
            channel.send(None)


class Consumer(Chare):
    @coro
    def consume(self, producers, done):
        channels = [Channel(self, producers[p]) for p in range(PRODUCERS)]
        got = {channel: [] for channel in channels}
        left = list(channels)
        while left:
            ended = set()
            for channel in charm.iwait(left):
                message = channel.recv()
                if message is None:
                    ended.add(channel)
                else:
                    got[channel].append(message)
                    if len(got[channel]) % WINDOW == 0:
                        channel.send(WINDOW)
            left = [channel for channel in left if channel not in ended]
        self.reduce(done, [got[channel] for channel in channels], Reducer.gather)


def main(args):
    done = Future()
    producers, consumers = Array(Producer, PRODUCERS), Array(Consumer, CONSUMERS)
    consumers.consume(producers, done)
    producers.produce(consumers)
    for consumer, streams in enumerate(done.get()):
        for producer, stream in enumerate(streams):
            numbers = [n for n in range(ITEMS) if (producer + n) % CONSUMERS == consumer]
            assert stream == [item(producer, n) for n in numbers], (consumer, producer)
    print("everything was consumed in order")
    charm.exit()


charm.start(main)
