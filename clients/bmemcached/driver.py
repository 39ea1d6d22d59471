"""python-binary-memcached: one DistributedClient for all threads, each of which has connections of its own in it.

With the word `gevent` behind its name greenlets take the place of threads, and calls can be cancelled.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

if GREENLETS := sys.argv[1:] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import harness_driver as harness
from bmemcached import DistributedClient
from bmemcached.exceptions import MemcachedException

# Statuses of the binary protocol.
CLASSES = {3: "too_large", 0x20: "unauthenticated"}


class Calls:
    NAME = "python-binary-memcached"
    VERSION = harness.version_of("python-binary-memcached")
    TEXT_KEYS = True
    ERRORS = ((MemcachedException, lambda error: CLASSES.get(error.code, "server_error")),)

    # add, replace and cas return False for a refusal and for a node that is gone alike, and are left out.
    # It returns True for a key that is not there, as its documentation says.
    cannot_tell = ("delete",)

    def __init__(self, servers, settings):
        username, password = harness.account()
        self.client = DistributedClient(servers, username=username, password=password, **settings)

    def get(self, key):
        return harness.hit(self.client.get(key))

    def get_many(self, keys):
        found = self.client.get_multi(keys)
        return harness.hits({key: found.get(key) for key in keys})

    def set(self, key, value, ttl):
        return harness.done_or_failed("stored", self.client.set(key, value, time=ttl))

    def delete(self, key):
        return harness.done_or_failed("deleted", self.client.delete(key))

    def close(self):
        self.client.disconnect_all()


if GREENLETS:
    harness.serve_greenlets(Calls)
else:
    harness.serve_threads(Calls, shared=True)
