"""Groups and arrays say hello, in one order: each element passes the greeting on to the next."""

from charm4py import Array, Chare, Group, Reducer, charm


class Greeter(Chare):
    def __init__(self, kind, done):
        self.kind = kind
        self.done = done

    def hello(self, last, heard):
        """Say hello and hand over to the next element; the last one reports who spoke."""
        index = self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]
        print(
            f"Hello from {self.kind} element {index} on rank {charm.myPe()} of {charm.numPes()}",
            flush=True,
        )
        heard = [*heard, index]
        if index < last:
            self.thisProxy[index + 1].hello(last, heard)
        else:
            self.done(heard)

    def where(self):
        """Contribute 1 from everywhere: the sum says how many elements there are."""
        self.reduce(self.done, 1, Reducer.sum)


def main(args):
    # A group has one element on every rank; its index is the rank.
    chain = charm.Future()
    group = Group(Greeter, args=["group", chain])
    group[0].hello(charm.numPes() - 1, [])
    assert chain.get() == list(range(charm.numPes()))

    # An array has as many elements as you like, spread over the ranks.
    chain = charm.Future()
    array = Array(Greeter, 8, args=["array", chain])
    array[0].hello(7, [])
    assert chain.get() == list(range(8))

    # Calling a method on the whole array runs it on every element.
    total = charm.Future()
    counted = Array(Greeter, 8, args=["array", total])
    counted.where()
    assert total.get() == 8
    print("All said hello")
    exit()


charm.start(main)
