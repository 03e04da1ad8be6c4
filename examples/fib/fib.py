from charm4py import charm, coro
@coro
def fib(n):
    if n < 2:
        return n
    else:
        return sum(charm.pool.map(fib, [n-1, n-2]))
def main(args):
    print('Result is', fib(12))
    exit()
charm.start(main)
