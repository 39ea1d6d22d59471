"""twemproxy between a client and the nodes: nutcracker for the servers of the hello, the client behind it.

Settings are those of its pool, by its own names.
Behind it is the driver of python-memcached, whose one server is nutcracker.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = HERE.parent / "python-memcached" / "driver.py"
START_WITHIN_S = 5.0


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def pool(listen, servers, settings):
    lines = ["harness:", f"  listen: 127.0.0.1:{listen}"]
    lines += [f"  {name}: {json.dumps(value)}" for name, value in settings.items()]
    lines += ["  servers:"] + [f"   - {server}:1" for server in servers]
    return "\n".join(lines) + "\n"


def listening(port, proxy):
    """Whether it came up; it says why not on standard error."""
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until and proxy.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def forward(driver):
    """Lines that the harness says; when it goes without a `bye`, the driver sees the end of its input."""
    try:
        while line := sys.stdin.buffer.readline():
            driver.stdin.write(line)
            driver.stdin.flush()
        driver.stdin.close()
    except BrokenPipeError:
        pass  # it has said `bye`, or died: its exit code tells


def run(hello, folder):
    """The driver's exit code."""
    port, stats = free_port(), free_port()
    config = pathlib.Path(folder) / "pool.yml"
    config.write_text(pool(port, hello["servers"], hello.pop("settings", {})))
    words = ["nutcracker", "-c", config, "-s", str(stats), "-a", "127.0.0.1", "-p", f"{folder}/pid"]
    proxy = subprocess.Popen([*words, "-o", "/dev/stderr"], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        if not listening(port, proxy):
            sys.exit("nutcracker did not come up")
        hello["servers"] = [f"127.0.0.1:{port}"]
        driver = subprocess.Popen([sys.executable, DRIVER], stdin=subprocess.PIPE)
        driver.stdin.write(json.dumps(hello).encode() + b"\n")
        driver.stdin.flush()
        threading.Thread(target=forward, args=(driver,), daemon=True).start()
        return driver.wait()
    finally:
        proxy.kill()


with tempfile.TemporaryDirectory() as temporary:
    ended = run(json.loads(sys.stdin.buffer.readline()), temporary)
os._exit(ended)  # the thread may still wait for a line
