"""Which node does a published client send each key to?

placement.py pylibmc|pymemcache HOST:PORT[=WEIGHT]... < keys: stores every key through the client, asks
every node what it holds, and prints key, tab and address for each. No client is asked what it thinks.
"""

import socket
import sys


def pylibmc_client(servers):
    import pylibmc

    servers = [f"{host}:{port}:{weight}" for host, port, weight in servers]
    return pylibmc.Client(servers, behaviors={"ketama_weighted": True})


def pymemcache_client(servers):
    from pymemcache.client.hash import HashClient

    return HashClient([(host, port) for host, port, _ in servers], default_noreply=False)


def holds(stream, lines, key):
    stream.sendall(b"mg " + key + b"\r\n")
    return lines.readline().startswith(b"HD")


servers = []
for word in sys.argv[2:]:
    address, _, weight = word.partition("=")
    host, port = address.rsplit(":", 1)
    servers.append((host, int(port), int(weight or 1)))
client = {"pylibmc": pylibmc_client, "pymemcache": pymemcache_client}[sys.argv[1]](servers)
nodes = []
for host, port, _ in servers:
    stream = socket.create_connection((host, port), timeout=10)
    nodes.append((f"{host}:{port}", stream, stream.makefile("rb")))
for key in sys.stdin.read().split():
    assert client.set(key, "x"), key
    owners = [name for name, stream, lines in nodes if holds(stream, lines, key.encode())]
    assert len(owners) == 1, (key, owners)
    print(f"{key}\t{owners[0]}")
