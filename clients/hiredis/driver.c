/* hiredis: in each thread a redisContext for each node, since one is not made for sharing. It knows one node only;
 * spreading keys over several, and connecting again, is left to its callers. */
#include <errno.h>
#include <hiredis/hiredis.h>

#include "../lib/harness_driver.h"

#define STRING(text) #text
#define VERSION(major, minor, patch) STRING(major) "." STRING(minor) "." STRING(patch)

/* What comes of a context that is used on. */
#define NOT_ITS_OWN "the reply of another operation"

struct node {
    char *host;
    int port;
    redisContext *context;
};

struct client {
    struct node *nodes;
    size_t count;
    struct timeval timeout; /* zero: none */
    int reuses; /* goes on with a context whose reply was late, as a caller does who takes that for a pause */
};

static const char *const *harness_operations(void *client)
{
    static const char *const all[] = {"get", "get_many", "set", "add", "replace", "delete", "touch", "gat", "incr",
        "decr", NULL};
    (void)client;
    return all;
}

static void *harness_open(struct json_object *servers, struct json_object *settings)
{
    struct client *client = calloc(1, sizeof *client);
    int64_t timeout_ms = harness_number(settings, "timeout_ms");
    client->timeout = (struct timeval){timeout_ms / 1000, timeout_ms % 1000 * 1000};
    client->reuses = json_object_get_boolean(json_object_object_get(settings, "reuse_after_timeout"));
    client->count = json_object_array_length(servers);
    client->nodes = calloc(client->count, sizeof *client->nodes);
    for (size_t n = 0; n < client->count; n++) {
        char *host = strdup(json_object_get_string(json_object_array_get_idx(servers, n)));
        char *colon = strrchr(host, ':');
        *colon = 0;
        client->nodes[n] = (struct node){host, atoi(colon + 1), NULL};
    }
    return client;
}

static struct node *node_of(struct client *client, const struct harness_bytes *key)
{
    uint32_t crc = UINT32_MAX;
    for (size_t n = 0; n < key->size; n++) {
        crc ^= (unsigned char)key->data[n];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0); /* CRC-32 of IEEE 802.3, its bits reversed */
    }
    return &client->nodes[~crc % client->count];
}

static void failed(struct node *node, int connecting, struct json_object *answer)
{
    redisContext *context = node->context;
    const char *class = "other";
    /* A read that ends by its timeout is EAGAIN. */
    if (context->err == REDIS_ERR_EOF)
        class = "closed";
    else if (context->err == REDIS_ERR_PROTOCOL)
        class = "protocol";
    else if (context->err == REDIS_ERR_IO && strstr(context->errstr, "refused"))
        class = "refused";
    else if (context->err == REDIS_ERR_IO && connecting)
        class = "connect_timeout";
    else if (context->err == REDIS_ERR_IO)
        class = strstr(context->errstr, "reset") || strstr(context->errstr, "pipe") ? "reset" : "timeout";
    harness_error(answer, class, context->errstr);
}

static int connected(struct client *client, struct node *node, struct json_object *answer)
{
    if (node->context)
        return 1;
    int bounded = client->timeout.tv_sec || client->timeout.tv_usec;
    node->context = bounded ? redisConnectWithTimeout(node->host, node->port, client->timeout)
                            : redisConnect(node->host, node->port);
    if (!node->context->err && bounded)
        redisSetTimeout(node->context, client->timeout);
    if (!node->context->err)
        return 1;
    failed(node, 1, answer);
    redisFree(node->context);
    node->context = NULL;
    return 0;
}

/* One command; without a reply the answer has the error. */
static redisReply *ask(struct client *client, struct node *node, int count, const char **words, const size_t *sizes,
    struct json_object *answer)
{
    if (!connected(client, node, answer))
        return NULL;
    redisReply *reply = redisCommandArgv(node->context, count, words, sizes);
    if (!reply) {
        failed(node, 0, answer);
        if (client->reuses && node->context->err == REDIS_ERR_IO) {
            node->context->err = 0;
        } else {
            redisFree(node->context);
            node->context = NULL;
        }
    } else if (reply->type == REDIS_REPLY_ERROR) {
        int refused = !strncmp(reply->str, "ERR ", 4) || !strncmp(reply->str, "WRONGTYPE ", 10);
        harness_error(answer, refused ? "client_error" : "server_error", reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static void get_many(struct client *client, const struct harness_request *r, struct json_object *answer)
{
    struct json_object *hits = json_object_new_object();
    for (size_t n = 0; n < client->count; n++) {
        struct node *node = &client->nodes[n];
        const char *words[r->key_count + 1];
        size_t sizes[r->key_count + 1];
        int count = 0;
        words[count] = "MGET";
        sizes[count++] = strlen("MGET");
        for (size_t k = 0; k < r->key_count; k++) {
            if (node_of(client, &r->keys[k]) == node) {
                words[count] = r->keys[k].data;
                sizes[count++] = r->keys[k].size;
            }
        }
        if (count == 1)
            continue;
        struct json_object *error = json_object_new_object();
        redisReply *reply = ask(client, node, count, words, sizes, error);
        if (reply && reply->type != REDIS_REPLY_ARRAY) {
            harness_error(error, "protocol", NOT_ITS_OWN);
            freeReplyObject(reply);
            reply = NULL;
        }
        for (int k = 1; k < count; k++) {
            const redisReply *value = reply && (size_t)k <= reply->elements ? reply->element[k - 1] : NULL;
            json_object_object_add(hits, words[k],
                !reply ? json_object_get(error)
                    : value && value->type == REDIS_REPLY_STRING ? harness_value(value->str, value->len) : NULL);
        }
        json_object_put(error);
        freeReplyObject(reply);
    }
    json_object_object_add(answer, "hits", hits);
}

static int is(const struct harness_request *r, const char *op)
{
    return !strcmp(r->op, op);
}

/* What the operation is in RESP: its words, at most six, and how many. */
static int command(const struct harness_request *r, const char **words, size_t *sizes, char *number)
{
    int stores = is(r, "set") || is(r, "add") || is(r, "replace");
    int rereads = is(r, "gat") || (is(r, "touch") && !r->ttl_s);
    int counts = is(r, "incr") || is(r, "decr");
    int count = 2;
    words[0] = stores ? "SET" : rereads ? "GETEX" : is(r, "touch") ? "EXPIRE" : is(r, "delete") ? "DEL"
        : is(r, "incr") ? "INCRBY" : is(r, "decr") ? "DECRBY" : "GET";
    words[1] = r->key.data;
    if (stores)
        words[count++] = r->value.data;
    if (is(r, "add") || is(r, "replace"))
        words[count++] = is(r, "add") ? "NX" : "XX";
    if (rereads && !r->ttl_s)
        words[count++] = "PERSIST";
    if (r->ttl_s && (stores || rereads))
        words[count++] = "EX";
    if (r->ttl_s || counts) {
        sprintf(number, "%lld", counts ? (long long)r->by : (long long)r->ttl_s);
        words[count++] = number;
    }
    for (int n = 0; n < count; n++)
        sizes[n] = strlen(words[n]);
    sizes[1] = r->key.size;
    if (stores)
        sizes[2] = r->value.size;
    return count;
}

/* What a caller makes of the reply to the operation. */
static void answer_of(const struct harness_request *r, const redisReply *reply, struct json_object *answer)
{
    if (is(r, "set") || is(r, "add") || is(r, "replace"))
        harness_done(answer, reply->type == REDIS_REPLY_NIL ? "not_stored" : "stored");
    else if (is(r, "touch") && !r->ttl_s)
        harness_done(answer, reply->type == REDIS_REPLY_NIL ? "not_found" : "touched");
    else if (is(r, "get") || is(r, "gat"))
        reply->type == REDIS_REPLY_NIL ? harness_done(answer, "miss") : harness_hit(answer, reply->str, reply->len, 0, NULL);
    else if (is(r, "delete") || is(r, "touch"))
        harness_done(answer, reply->integer ? is(r, "delete") ? "deleted" : "touched" : "not_found");
    else if (reply->integer < 0) /* A counter that is not there begins at zero: below it there was none. */
        harness_done(answer, "not_found");
    else
        harness_counted(answer, (uint64_t)reply->integer);
}

/* Whether it can be this operation's reply. */
static int fits(const struct harness_request *r, const redisReply *reply)
{
    int reads = is(r, "get") || is(r, "gat") || (is(r, "touch") && !r->ttl_s);
    int stores = is(r, "set") || is(r, "add") || is(r, "replace");
    if (reply->type == REDIS_REPLY_NIL)
        return reads || stores;
    return reply->type == (reads ? REDIS_REPLY_STRING : stores ? REDIS_REPLY_STATUS : REDIS_REPLY_INTEGER);
}

static void harness_call(void *opened, const struct harness_request *r, struct json_object *answer)
{
    struct client *client = opened;
    if (is(r, "get_many")) {
        get_many(client, r, answer);
        return;
    }
    const char *words[6];
    size_t sizes[6];
    char number[24];
    int count = command(r, words, sizes, number);
    redisReply *reply = ask(client, node_of(client, &r->key), count, words, sizes, answer);
    if (reply && fits(r, reply))
        answer_of(r, reply, answer);
    else if (reply)
        harness_error(answer, "protocol", NOT_ITS_OWN);
    freeReplyObject(reply);
}

int main(void)
{
    return harness_serve("hiredis", VERSION(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH), "C");
}
