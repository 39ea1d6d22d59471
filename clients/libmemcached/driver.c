/* libmemcached: a memcached_st for each thread, since one is not made for sharing. */
#include <errno.h>
#include <libmemcached/memcached.h>

#include "../lib/harness_driver.h"

static const char *const *harness_operations(void *client)
{
    static const char *const all[] = {"get", "get_many", "set", "add", "replace", "append", "prepend", "delete",
        "touch", "incr", "decr", "gets", "cas", NULL};
    static const char *const without_cas[] = {"get", "get_many", "set", "add", "replace", "append", "prepend",
        "delete", "touch", "incr", "decr", NULL};
    return memcached_behavior_get(client, MEMCACHED_BEHAVIOR_SUPPORT_CAS) ? all : without_cas;
}

/* The settings are an option string as memcached(3) takes it, in front of the servers. */
static void *harness_open(struct json_object *servers, struct json_object *settings)
{
    const char *options = json_object_get_string(json_object_object_get(settings, "options"));
    memcached_st *client = options ? memcached(options, strlen(options)) : memcached_create(NULL);
    if (!client) {
        fprintf(stderr, "bad options: %s\n", options);
        exit(1);
    }
    for (size_t n = 0; n < json_object_array_length(servers); n++) {
        char *server = strdup(json_object_get_string(json_object_array_get_idx(servers, n)));
        char *colon = strrchr(server, ':');
        *colon = 0;
        memcached_server_add(client, server, (in_port_t)atoi(colon + 1));
        free(server);
    }
    return client;
}

/* What it calls an error, in the words of the reports. */
static const char *class_of(memcached_st *client, memcached_return_t result)
{
    const char *details = memcached_last_error_message(client);
    if (details && strstr(details, "disconnected"))
        return "closed";
    switch (memcached_last_error_errno(client)) {
    case ECONNREFUSED: return "refused";
    case ECONNRESET: return "reset";
    }
    switch (result) {
    case MEMCACHED_TIMEOUT: return "timeout";
    case MEMCACHED_HOST_LOOKUP_FAILURE:
    case MEMCACHED_CONNECTION_FAILURE:
    case MEMCACHED_NO_SERVERS:
    case MEMCACHED_SERVER_MARKED_DEAD:
    case MEMCACHED_SERVER_TEMPORARILY_DISABLED: return "no_connection";
    case MEMCACHED_WRITE_FAILURE: return "reset";
    case MEMCACHED_READ_FAILURE:
    case MEMCACHED_UNKNOWN_READ_FAILURE: return "closed";
    case MEMCACHED_PROTOCOL_ERROR:
    case MEMCACHED_PARTIAL_READ: return "protocol";
    case MEMCACHED_ERROR:
    case MEMCACHED_CLIENT_ERROR:
    case MEMCACHED_BAD_KEY_PROVIDED:
    case MEMCACHED_INVALID_ARGUMENTS:
    case MEMCACHED_KEY_TOO_BIG: return "client_error";
    case MEMCACHED_E2BIG: return "too_large";
    case MEMCACHED_SERVER_ERROR:
    case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE: return "server_error";
    default: return "other";
    }
}

static void failed(memcached_st *client, memcached_return_t result, struct json_object *answer)
{
    char message[HARNESS_MESSAGE_LIMIT];
    snprintf(message, sizeof message, "%d %s", result, memcached_strerror(client, result));
    harness_error(answer, class_of(client, result), message);
}

/* Yes, the server's no, or the error. */
static void done(memcached_st *client, memcached_return_t result, const char *yes, const char *no, struct json_object *answer)
{
    if (memcached_success(result))
        harness_done(answer, yes);
    else if (result == MEMCACHED_NOTFOUND || result == MEMCACHED_NOTSTORED || result == MEMCACHED_DATA_EXISTS)
        harness_done(answer, no);
    else
        failed(client, result, answer);
}

static void get(memcached_st *client, const struct harness_request *r, struct json_object *answer)
{
    size_t size;
    uint32_t flags;
    memcached_return_t result;
    char *value = memcached_get(client, r->key.data, r->key.size, &size, &flags, &result);
    if (memcached_success(result))
        harness_hit(answer, value, size, flags, NULL);
    else
        done(client, result, "", "miss", answer);
    free(value);
}

/* With the token, which only its calls for many keys hand over. */
static void gets(memcached_st *client, const struct harness_request *r, struct json_object *answer)
{
    const char *keys[] = {r->key.data};
    memcached_return_t result = memcached_mget(client, keys, &r->key.size, 1);
    if (memcached_failed(result)) {
        failed(client, result, answer);
        return;
    }
    memcached_result_st *item;
    while ((item = memcached_fetch_result(client, NULL, &result)) != NULL) {
        uint64_t cas = memcached_result_cas(item);
        harness_hit(answer, memcached_result_value(item), memcached_result_length(item),
            memcached_result_flags(item), &cas);
        memcached_result_free(item);
    }
    if (json_object_object_get_ex(answer, "hit", NULL))
        return;
    if (result == MEMCACHED_END || result == MEMCACHED_NOTFOUND)
        harness_done(answer, "miss");
    else
        failed(client, result, answer);
}

static void get_many(memcached_st *client, const struct harness_request *r, struct json_object *answer)
{
    struct json_object *hits = json_object_new_object();
    const char *keys[r->key_count];
    size_t sizes[r->key_count];
    for (size_t n = 0; n < r->key_count; n++) {
        keys[n] = r->keys[n].data;
        sizes[n] = r->keys[n].size;
        json_object_object_add(hits, keys[n], NULL);
    }
    memcached_return_t result = memcached_mget(client, keys, sizes, r->key_count);
    memcached_result_st *item;
    memcached_return_t fetched = MEMCACHED_END;
    while ((item = memcached_fetch_result(client, NULL, &fetched)) != NULL) {
        struct harness_bytes key = harness_copy(memcached_result_key_value(item), memcached_result_key_length(item));
        json_object_object_add(hits, key.data, harness_value(memcached_result_value(item), memcached_result_length(item)));
        free(key.data);
        memcached_result_free(item);
    }
    /* With some errors it has asked the other nodes all the same. */
    if (memcached_failed(result) && result != MEMCACHED_SOME_ERRORS) {
        failed(client, result, answer);
        json_object_put(hits);
    } else {
        json_object_object_add(answer, "hits", hits);
    }
}

static void count(memcached_st *client, const struct harness_request *r, int up, struct json_object *answer)
{
    uint64_t value;
    /* The calls with 32 bits are the only other ones. */
    memcached_return_t result = up
        ? memcached_increment(client, r->key.data, r->key.size, (uint32_t)r->by, &value)
        : memcached_decrement(client, r->key.data, r->key.size, (uint32_t)r->by, &value);
    if (memcached_success(result))
        harness_counted(answer, value);
    else
        done(client, result, "", "not_found", answer);
}

static int is(const struct harness_request *r, const char *op)
{
    return !strcmp(r->op, op);
}

typedef memcached_return_t store(memcached_st *, const char *, size_t, const char *, size_t, time_t, uint32_t);

static store *store_of(const struct harness_request *r)
{
    return is(r, "set") ? memcached_set : is(r, "add") ? memcached_add : is(r, "replace") ? memcached_replace
        : is(r, "append") ? memcached_append : is(r, "prepend") ? memcached_prepend : NULL;
}

static void harness_call(void *opened, const struct harness_request *r, struct json_object *answer)
{
    memcached_st *client = opened;
    const char *key = r->key.data;
    store *storing = store_of(r);
    if (storing) {
        memcached_return_t result = storing(client, key, r->key.size, r->value.data, r->value.size, (time_t)r->ttl_s, r->flags);
        done(client, result, "stored", "not_stored", answer);
    } else if (is(r, "get")) {
        get(client, r, answer);
    } else if (is(r, "get_many")) {
        get_many(client, r, answer);
    } else if (is(r, "gets")) {
        gets(client, r, answer);
    } else if (is(r, "cas")) {
        memcached_return_t result = memcached_cas(client, key, r->key.size, r->value.data, r->value.size,
            (time_t)r->ttl_s, r->flags, r->cas);
        done(client, result, "stored", result == MEMCACHED_DATA_EXISTS ? "exists" : "not_found", answer);
    } else if (is(r, "delete")) {
        done(client, memcached_delete(client, key, r->key.size, 0), "deleted", "not_found", answer);
    } else if (is(r, "touch")) {
        done(client, memcached_touch(client, key, r->key.size, (time_t)r->ttl_s), "touched", "not_found", answer);
    } else {
        count(client, r, is(r, "incr"), answer);
    }
}

int main(void)
{
    return harness_serve("libmemcached", memcached_lib_version(), "C");
}
