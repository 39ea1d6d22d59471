// node-redis: one client and one connection for each node, shared by all operations. Without a cluster it knows one
// node only; spreading keys over several is left to its callers.
'use strict';

const harness = require('../lib/harness_driver.js');
const { createClient, RESP_TYPES } = require('redis');

let nodes;
const node = (key) => nodes[harness.placed(key, nodes.length)];
const store = (how) => async (key, value, ttl) => {
  const expiration = ttl ? { type: 'EX', value: ttl } : undefined;
  return harness.stored(await node(key).set(key, value, { expiration, condition: how }));
};
const reread = (key, ttl) => node(key).getEx(key, ttl ? { type: 'EX', value: ttl } : { type: 'PERSIST' });

function open(servers, { timeout, retryEvery, socket = {}, ...settings }) {
  // A pause in ms instead of its own function of the number of tries.
  const every = retryEvery === undefined ? {} : { reconnectStrategy: () => retryEvery };
  const clients = servers.map((server) => {
    const client = createClient({ ...settings, socket: { ...harness.address(server), ...every, ...socket } });
    client.on('error', (error) => console.error(`${server}: ${error.message}`));
    client.connect().catch((error) => console.error(`${server}: ${error.message}`));
    return client;
  });
  const options = { timeout, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
  nodes = clients.map((client) => client.withCommandOptions(options));
  return harness.connected(clients);
}

harness.serve({
  name: 'node-redis',
  version: require('redis/package.json').version,
  open,
  close: () => nodes.forEach((client) => client.destroy()),
  calls: {
    get: async (key) => harness.hit(await node(key).get(key)),
    get_many: (keys) => harness.manyFrom(nodes, keys, (client, theirs) => client.mGet(theirs)),
    gat: async (key, ttl) => harness.hit(await reread(key, ttl)),
    set: store(),
    add: store('NX'),
    replace: store('XX'),
    delete: async (key) => harness.deleted(await node(key).del(key)),
    // PERSIST says the same of a value without an expiry and of none; a read does not.
    touch: async (key, ttl) => harness.touched(ttl ? await node(key).expire(key, ttl) : await reread(key, 0)),
    incr: async (key, by) => harness.countedFromZero(await node(key).incrBy(key, by)),
    decr: async (key, by) => harness.countedFromZero(await node(key).decrBy(key, by)),
  },
  errors: [
    [/^Connection timeout/, 'connect_timeout'],
    [/^Socket closed unexpectedly|^Disconnects client|^The client is closed/, 'closed'],
    [/^Socket timeout|^The command was aborted|timed? ?out/i, 'timeout'],
    [/client is offline|queue is full/, 'no_connection'],
    [/Unknown RESP type/, 'protocol'],
    ...harness.RESP_ERRORS,
  ],
});
