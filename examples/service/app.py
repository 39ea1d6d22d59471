"""A shop of one page, whose prices are cached: GET /products/<key> reads, POST sets a price."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pymemcache.client.base import PooledClient
from pymemcache.client.hash import HashClient

SERVERS = [tuple(server.rsplit(":", 1)) for server in os.environ["MEMCACHED_SERVERS"].split(",")]
CACHE = HashClient(
    [(host, int(port)) for host, port in SERVERS],
    use_pooling=True,
    max_pool_size=32,
    connect_timeout=0.1,
    timeout=0.1,
    # A node that is down costs a page nothing but its cache.
    ignore_exc=True,
    retry_attempts=0,
    dead_timeout=1,
)
# What a shop has behind its cache.
DATABASE = {}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, b"well")
        cached = CACHE.get(self.path)
        if cached is None:
            cached = json.dumps({"price": DATABASE.get(self.path, 1)}).encode()
            CACHE.set(self.path, cached, noreply=False)
        return self.answer(200, cached)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        DATABASE[self.path] = json.loads(body)["price"]
        CACHE.delete(self.path, noreply=False)
        self.answer(204, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
