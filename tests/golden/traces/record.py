"""Records tests/golden/traces/memcached.log; see README.md beside it."""

import socket
import sys
import time

address = ("127.0.0.1", int(sys.argv[1]))
watcher = socket.create_connection(address)
watcher.sendall(b"watch fetchers mutations\r\n")
client = socket.create_connection(address)
answers = client.makefile("rb")


def say(request, lines=1):
    client.sendall(request)
    for _ in range(lines):
        answers.readline()


# Just behind a full second, where the microseconds have fewer than six digits.
time.sleep(1.002 - time.time() % 1)
say(b"get foo\r\n")
say(b"set foo 0 0 20\r\n" + b"x" * 20 + b"\r\n")
say(b"get foo\r\n", 3)
say(b"gets foo bar\r\n", 3)
say(b"add foo 0 60 5\r\nhello\r\n")
say(b"add bar 0 60 5\r\nhello\r\n")
say(b"replace bar 0 60 6\r\nhello!\r\n")
say(b"append bar 0 0 3\r\nabc\r\n")
say(b"prepend nope 0 0 3\r\nabc\r\n")
say(b"cas bar 0 0 3 1\r\nabc\r\n")
say(b"set n 0 0 1\r\n5\r\n")
say(b"incr n 3\r\n")
say(b"touch foo 100\r\n")
say(b"delete foo\r\n")
say(b"get foo\r\n")
say(b"set a%b=c 0 0 2\r\nhi\r\n")
say("set schl\u00fcssel 0 0 2\r\nhi\r\n".encode())
say(b"set gone 0 -1 2\r\nhi\r\n")
say(b"get gone\r\n")
time.sleep(1.5)
sys.stdout.write(watcher.recv(1 << 20).decode())
