// ioredis: one client and one connection for each node, shared by all operations. Without a cluster it knows one
// node only; spreading keys over several is left to its callers.
'use strict';

const harness = require('../lib/harness_driver.js');
const { Redis } = require('ioredis');

let nodes;
const node = (key) => nodes[harness.placed(key, nodes.length)];
const expiry = (ttl) => (ttl ? ['EX', ttl] : []);
const store = (...how) => async (key, value, ttl) =>
  harness.stored(await node(key).set(key, value, ...expiry(ttl), ...how));
const reread = (key, ttl) => node(key).getexBuffer(key, ...(ttl ? ['EX', ttl] : ['PERSIST']));

function open(servers, { retryEvery, ...settings }) {
  // A pause in ms instead of its own function of the number of tries.
  if (retryEvery !== undefined) settings.retryStrategy = () => retryEvery;
  nodes = servers.map((server) => {
    const client = new Redis({ ...harness.address(server), ...settings });
    client.on('error', (error) => console.error(`${server}: ${error.message}`));
    return client;
  });
  return harness.connected(nodes);
}

harness.serve({
  name: 'ioredis',
  version: require('ioredis/package.json').version,
  open,
  close: () => nodes.forEach((client) => client.disconnect()),
  calls: {
    get: async (key) => harness.hit(await node(key).getBuffer(key)),
    get_many: (keys) => harness.manyFrom(nodes, keys, (client, theirs) => client.mgetBuffer(theirs)),
    gat: async (key, ttl) => harness.hit(await reread(key, ttl)),
    set: store(),
    add: store('NX'),
    replace: store('XX'),
    delete: async (key) => harness.deleted(await node(key).del(key)),
    // PERSIST says the same of a value without an expiry and of none; a read does not.
    touch: async (key, ttl) => harness.touched(ttl ? await node(key).expire(key, ttl) : await reread(key, 0)),
    incr: async (key, by) => harness.countedFromZero(await node(key).incrby(key, by)),
    decr: async (key, by) => harness.countedFromZero(await node(key).decrby(key, by)),
  },
  errors: [
    [/^Command timed out/, 'timeout'],
    [/^connect ETIMEDOUT/, 'connect_timeout'],
    [/^Connection is closed/, 'closed'],
    [/max retries per request|isn't writeable/, 'no_connection'],
    [/^Protocol error|Unknown RESP type/, 'protocol'],
    ...harness.RESP_ERRORS,
  ],
});
