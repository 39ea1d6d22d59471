// toxiproxy-node-client against a control API.
const assert = require("node:assert");
const { Toxiproxy } = require("toxiproxy-node-client");

async function main() {
  const server = new Toxiproxy(`http://${process.argv[2]}`);
  assert.match(await server.getVersion(), /"2\./);

  const one = await server.createProxy({
    name: "one",
    listen: "127.0.0.1:0",
    upstream: "127.0.0.1:1",
  });
  assert.match(one.listen, /^127\.0\.0\.1:[1-9]/);
  await assert.rejects(server.createProxy(one.toJson()), /409/);

  const added = await one.addToxic({
    name: "slow",
    type: "latency",
    stream: "upstream",
    toxicity: 0.5,
    attributes: { latency: 100, jitter: 5 },
  });
  assert.deepStrictEqual(added.attributes, { latency: 100, jitter: 5 });
  await assert.rejects(one.addToxic({ type: "nonsense" }), /400/);
  const found = await one.getToxic("slow");
  assert.strictEqual(found.toxicity, 0.5);
  const changed = await found.update({ attributes: { jitter: 7 } });
  assert.deepStrictEqual(changed.attributes, { latency: 100, jitter: 7 });
  await found.remove();
  await assert.rejects(one.getToxic("slow"), /404/);

  const off = await one.update({ enabled: false });
  assert.strictEqual(off.enabled, false);
  assert.strictEqual(off.listen, one.listen);
  await server.reset();
  assert.strictEqual((await server.get("one")).enabled, true);

  const populated = await server.populate([
    { name: "one", listen: one.listen, upstream: one.upstream },
    { name: "two", listen: "127.0.0.1:0", upstream: "127.0.0.1:2" },
  ]);
  assert.deepStrictEqual(Object.keys(populated), ["one", "two"]);
  for (const proxy of Object.values(await server.getAll())) {
    await proxy.remove();
  }
  assert.deepStrictEqual(await server.getAll(), {});
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
