// The image below the published module @testcontainers/toxiproxy, unchanged, doing what its users do: a node and a
// proxy on one network, latency, an outage and its end. Its argument is the image.
const assert = require("node:assert");
const net = require("node:net");
const { ToxiProxyContainer } = require("@testcontainers/toxiproxy");
const { GenericContainer, Network } = require("testcontainers");

const NODE = "memcached:1.6-alpine";

// What a server answers to `line`, and after how many milliseconds; an error where it does not.
const ask = ({ host, port }, line) =>
  new Promise((resolve, reject) => {
    const began = process.hrtime.bigint();
    const socket = net.connect(port, host, () => socket.write(line));
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.once("data", (data) => {
      socket.destroy();
      resolve({ text: data.toString(), took: Number(process.hrtime.bigint() - began) / 1e6 });
    });
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("closed")));
  });

const main = async () => {
  const network = await new Network().start();
  const node = await new GenericContainer(NODE).withNetwork(network).withNetworkAliases("cache").start();
  const toxiproxy = await new ToxiProxyContainer(process.argv[2]).withNetwork(network).start();
  try {
    const proxy = await toxiproxy.createProxy({ name: "cache", upstream: "cache:11211" });
    assert.match((await ask(proxy, "version\r\n")).text, /^VERSION /);

    const attributes = { latency: 300, jitter: 0 };
    const toxic = { name: "slow", type: "latency", stream: "downstream", toxicity: 1, attributes };
    const added = await proxy.instance.addToxic(toxic);
    const slow = await ask(proxy, "version\r\n");
    assert.ok(slow.took >= 300, `answered after ${slow.took} ms`);
    await added.remove();

    await proxy.setEnabled(false);
    await assert.rejects(ask(proxy, "version\r\n"));
    await proxy.setEnabled(true);
    assert.match((await ask(proxy, "version\r\n")).text, /^VERSION /);

    const second = await toxiproxy.createProxy({ name: "other", upstream: "cache:11211" });
    assert.notStrictEqual(second.port, proxy.port);
    assert.match((await ask(second, "version\r\n")).text, /^VERSION /);
    console.log("the module's proxies, toxics, outages and ports are as they should be");
  } finally {
    await toxiproxy.stop();
    await node.stop();
    await network.stop();
  }
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
