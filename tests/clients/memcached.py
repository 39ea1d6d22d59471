"""Published memcached clients against one server: `memcached.py HOST:PORT SUITE`.

Prints one line for each test or call, with what came of it, and nothing that a second run against a
server of the same kind would print differently. Whoever starts it compares the lines.
"""

import asyncio
import io
import os
import sys
import unittest

import pytest

PUBLISHED = os.environ["HARNESS_PUBLISHED_TESTS"]
HOST, PORT = sys.argv[1].rsplit(":", 1)


def published(start):
    """The folder of a client's source archive."""
    return next(entry.path for entry in os.scandir(PUBLISHED) if entry.name.startswith(start))


class Outcomes:
    """A pytest plugin that keeps the outcome of every test."""

    def __init__(self):
        self.lines = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.lines.append(f"{report.nodeid.rsplit('/', 1)[-1]} {report.outcome}")
            if report.failed:
                print(report.longreprtext, file=sys.stderr)


def pymemcache():
    """pymemcache's own integration tests; those of TLS want a second server and are left out."""
    tests = published("pymemcache-") + "/pymemcache/test/test_integration.py"
    outcomes = Outcomes()
    options = ["-c", os.devnull, "-m", "integration", "-k", "not tls", "-p", "no:cacheprovider", "-q"]
    options += ["-W", "ignore", "--tb=short", "--server", HOST, "--port", PORT, tests]
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        pytest.main(options, plugins=[outcomes])
    finally:
        sys.stdout = stdout
    return outcomes.lines


def bmemcached():
    """python-binary-memcached's own tests of every operation, over the binary protocol."""
    import bmemcached as library

    os.environ["MEMCACHED_HOST"] = HOST
    sys.path.insert(0, published("python_binary_memcached-") + "/test")
    import test_simple_functions

    def redirected(original):
        """The tests name the server of their author's machine, and find it in what they get."""

        class Redirected(original):
            def __init__(self, servers, *args, **kwargs):
                self.named = [servers] if isinstance(servers, str) else servers
                super().__init__([f"{HOST}:{PORT}"] * len(self.named), *args, **kwargs)

            def stats(self, *args, **kwargs):
                return dict.fromkeys(self.named, *super().stats(*args, **kwargs).values())

        return Redirected

    library.Client = redirected(library.Client)
    library.DistributedClient = redirected(library.DistributedClient)
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_simple_functions)
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
    failed = [("failed", entry) for entry in result.failures + result.errors]
    lines = [f"{test.id()} {word}" for word, (test, _) in failed]
    return lines + [f"{result.testsRun} tests run, {result.testsRun - len(failed)} passed"]


async def aiomcache_calls():
    import aiomcache

    lines = []
    client = aiomcache.Client(HOST, int(PORT), pool_size=2)

    async def call(name, *args, **kwargs):
        try:
            result = await getattr(client, name)(*args, **kwargs)
        except aiomcache.exceptions.ClientException as error:
            result = f"{type(error).__name__}: {error}"
        if len(text := repr(result)) > 200:
            text = f"{len(result)} long"
        lines.append(f"{name} {repr(args)[:60]} {text}")
        return result

    await call("flush_all")
    await call("version")
    for name in ("set", "add", "replace", "append", "prepend"):
        await call(name, b"missing-" + name.encode(), b"1")
        await call(name, b"key", b"value")
        await call("get", b"key")
    await call("get", b"nothing", default=b"default")
    await call("multi_get", b"key", b"nothing", b"missing-set", b"key2")
    value, token = await client.gets(b"key")
    lines.append(f"gets {value}")
    await call("set", b"key", b"other", exptime=60)
    lines.append(f"cas {await client.cas(b'key', b'late', token)}")
    value, token = await client.gets(b"key")
    lines.append(f"cas {await client.cas(b'key', b'in time', token)}")
    await call("get", b"key")
    await call("gets", b"nothing")
    await call("set", b"number", b"41")
    for name, amount in (("incr", 1), ("decr", 2), ("decr", 100)):
        await call(name, b"number", amount)
        await call(name, b"nothing", amount)
        await call(name, b"key", amount)
    await call("touch", b"key", 60)
    await call("touch", b"nothing", 60)
    await call("delete", b"key")
    await call("delete", b"key")
    for size in (0, 65_536, 1_000_000, 1_048_576):
        await call("set", b"large", b"x" * size)
        await call("get", b"large")
    await call("set", b"ends", b"END\r\nVALUE a 0 1\r\n")
    await call("get", b"ends")
    await asyncio.gather(*(client.set(b"many-%d" % at, b"%d" % at) for at in range(200)))
    values = await client.multi_get(*(b"many-%d" % at for at in range(200)))
    lines.append(f"multi_get of 200: {values == tuple(b'%d' % at for at in range(200))}")
    names = sorted((await client.stats()).keys())
    lines.append(f"stats has {set(names) >= {b'pid', b'cmd_get', b'get_hits', b'curr_items'}}")
    await call("flush_all")
    await call("get", b"number")
    await client.close()
    return lines


def aiomcache():
    """Every call of aiomcache, whose source archive has no tests."""
    return asyncio.run(aiomcache_calls())


SUITES = {suite.__name__: suite for suite in (pymemcache, bmemcached, aiomcache)}
for line in SUITES[sys.argv[2]]():
    print(line)
