"""Makes shop.csv: a shop with a cache in front of its database, as its cache would record it.

    python3 workloads/traces/shop.py > workloads/traces/shop.csv

Everything is drawn from one seed, so that the same file comes out every time.
"""

import random

SECONDS = 25
REQUESTS_A_SECOND = 240
PRODUCTS = 600
VISITORS = 150
COUNTERS = 40
CARTS = 30

draw = random.Random(20261129)
rows = []


def row(second, key, size, visitor, operation, ttl=0):
    rows.append(f"{second},{key},{len(key)},{size},{visitor},{operation},{ttl}")


def popular(count):
    """Few are asked for often, most hardly ever."""
    return min(int(draw.paretovariate(0.9)) - 1, count - 1)


sizes = {f"product:{number}": draw.choice([180, 420, 900, 2400]) for number in range(PRODUCTS)}
held = {key for key in sizes if draw.random() < 0.8}
sessions = {f"session:{number}" for number in range(VISITORS) if draw.random() < 0.5}

for second in range(SECONDS):
    wave = 1 + 0.4 * ((second % 10) - 5) / 5
    wanted = len(rows) + int(REQUESTS_A_SECOND * wave)
    while len(rows) < wanted:
        visitor = draw.randrange(VISITORS)
        what = draw.random()
        if what < 0.70:
            key = f"product:{popular(PRODUCTS)}"
            row(second, key, sizes[key] if key in held else 0, visitor, "get")
            if key not in held:
                held.add(key)
                row(second, key, sizes[key], visitor, "set", 300)
        elif what < 0.84:
            key = f"session:{visitor}"
            row(second, key, 320 if key in sessions else 0, visitor, "get")
            if key not in sessions or draw.random() < 0.3:
                sessions.add(key)
                row(second, key, 320, visitor, "set", 60)
        elif what < 0.90:
            row(second, f"views:{popular(COUNTERS)}", 0, visitor, "incr")
        elif what < 0.93:
            key = f"product:{popular(PRODUCTS)}"
            held.discard(key)
            row(second, key, 0, visitor, "delete")
        elif what < 0.95:
            key = f"lock:{draw.randrange(20)}"
            row(second, key, 40, visitor, "add", 5)
            row(second, key, 0, visitor, "delete")
        elif what < 0.98:
            key = f"cart:{draw.randrange(CARTS)}"
            row(second, key, 200, visitor, "gets")
            row(second, key, 200, visitor, "cas", 600)
        else:
            row(second, f"history:{visitor}", 48, visitor, "append", 600)

print("\n".join(rows))
