"""toxiproxy-python against a control API."""

import socket
import sys

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists


def refused(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} expected")


def is_open(listen):
    host, port = listen.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return True
    except ConnectionRefusedError:
        return False


host, port = sys.argv[1].rsplit(":", 1)
server = Toxiproxy()
server.update_api_consumer(host, int(port))
assert server.running()
assert b'"2.' in server.version()

one = server.create(name="one", upstream="127.0.0.1:1")
assert one.enabled and is_open(one.listen)
refused(ProxyExists, lambda: server.create(name="one", upstream="127.0.0.1:1"))

one.add_toxic(type="latency", attributes={"latency": 100, "jitter": 5})
one.add_toxic(name="slow", type="bandwidth", stream="upstream", toxicity=0.5, attributes={"rate": 7})
refused(ProxyExists, lambda: one.add_toxic(name="slow", type="noop"))
refused(InvalidToxic, lambda: one.add_toxic(type="nonsense"))
toxics = one.toxics()
assert list(toxics) == ["slow", "latency_downstream"], list(toxics)
assert toxics["slow"].toxicity == 0.5
assert toxics["latency_downstream"].attributes == {"latency": 100, "jitter": 5}
one.destroy_toxic("slow")
assert one.get_toxic("slow") is None
refused(NotFound, lambda: one.destroy_toxic("slow"))

with one.down():
    assert not is_open(one.listen)
assert is_open(one.listen)

server.populate([{"name": "two", "upstream": "127.0.0.1:2", "listen": "127.0.0.1:0"}])
assert sorted(server.proxies()) == ["one", "two"]
one.disable()
server.reset()
assert server.get_proxy("one").enabled and not one.toxics()
server.destroy_all()
assert server.proxies() == {}
