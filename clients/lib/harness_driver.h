/* What every C driver shares: the harness's driver protocol, version 1, on stdin and stdout.
 *
 * A driver defines the functions declared below, then calls harness_serve. `concurrency` threads run,
 * each with a client of its own. Needs json-c and threads.
 */
#ifndef HARNESS_DRIVER_H
#define HARNESS_DRIVER_H

#include <json-c/json.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HARNESS_MESSAGE_LIMIT 200

struct harness_bytes {
    char *data;
    size_t size;
};

/* One operation: what was asked, taken apart. */
struct harness_request {
    const char *op;
    struct harness_bytes key, value;
    struct harness_bytes *keys; /* of a get_many */
    size_t key_count;
    int64_t ttl_s;
    uint64_t by, cas;
    uint32_t flags;
};

/* The driver's part. */
static void *harness_open(struct json_object *servers, struct json_object *settings);
/* What this client supports with its settings; ends with NULL. */
static const char *const *harness_operations(void *client);
/* Puts one answer into `answer`, with the functions below. */
static void harness_call(void *client, const struct harness_request *request, struct json_object *answer);

static const char HARNESS_BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct json_object *harness_base64(const void *bytes, size_t size)
{
    const unsigned char *in = bytes;
    char *text = malloc((size + 2) / 3 * 4 + 1), *out = text;
    for (size_t n = 0; n < size; n += 3) {
        uint32_t three = (uint32_t)in[n] << 16 | (n + 1 < size ? in[n + 1] << 8 : 0) | (n + 2 < size ? in[n + 2] : 0);
        *out++ = HARNESS_BASE64[three >> 18];
        *out++ = HARNESS_BASE64[three >> 12 & 63];
        *out++ = n + 1 < size ? HARNESS_BASE64[three >> 6 & 63] : '=';
        *out++ = n + 2 < size ? HARNESS_BASE64[three & 63] : '=';
    }
    struct json_object *object = json_object_new_string_len(text, (int)(out - text));
    free(text);
    return object;
}

static struct harness_bytes harness_copy(const char *data, size_t size)
{
    struct harness_bytes bytes = {malloc(size + 1), size};
    memcpy(bytes.data, data, size);
    bytes.data[size] = 0;
    return bytes;
}

static struct harness_bytes harness_unbase64(const char *text, size_t length)
{
    static signed char values[256];
    if (!values['B']) {
        for (int n = 0; n < 64; n++)
            values[(unsigned char)HARNESS_BASE64[n]] = (signed char)n;
    }
    struct harness_bytes bytes = {malloc(length / 4 * 3 + 1), 0};
    for (size_t n = 0; n + 3 < length; n += 4) {
        const unsigned char *in = (const unsigned char *)text + n;
        uint32_t three = values[in[0]] << 18 | values[in[1]] << 12 | values[in[2]] << 6 | values[in[3]];
        bytes.data[bytes.size++] = (char)(three >> 16);
        if (in[2] != '=')
            bytes.data[bytes.size++] = (char)(three >> 8);
        if (in[3] != '=')
            bytes.data[bytes.size++] = (char)three;
    }
    bytes.data[bytes.size] = 0;
    return bytes;
}

/* The bytes under `plain` or, in base64, under `encoded`. */
static struct harness_bytes harness_member(struct json_object *json, const char *plain, const char *encoded)
{
    struct json_object *text;
    if (json_object_object_get_ex(json, encoded, &text))
        return harness_unbase64(json_object_get_string(text), (size_t)json_object_get_string_len(text));
    if (json_object_object_get_ex(json, plain, &text))
        return harness_copy(json_object_get_string(text), (size_t)json_object_get_string_len(text));
    return harness_copy("", 0);
}

static void harness_done(struct json_object *answer, const char *name)
{
    json_object_object_add(answer, name, json_object_new_object());
}

static struct json_object *harness_value(const void *value, size_t size)
{
    struct json_object *hit = json_object_new_object();
    json_object_object_add(hit, "value64", harness_base64(value, size));
    return hit;
}

static void harness_hit(struct json_object *answer, const void *value, size_t size, uint32_t flags, const uint64_t *cas)
{
    struct json_object *hit = harness_value(value, size);
    json_object_object_add(hit, "flags", json_object_new_int64(flags));
    if (cas) {
        char token[24];
        snprintf(token, sizeof token, "%llu", (unsigned long long)*cas);
        json_object_object_add(hit, "cas", json_object_new_string(token));
    }
    json_object_object_add(answer, "hit", hit);
}

static void harness_counted(struct json_object *answer, uint64_t value)
{
    struct json_object *counted = json_object_new_object();
    json_object_object_add(counted, "value", json_object_new_uint64(value));
    json_object_object_add(answer, "counted", counted);
}

static void harness_error(struct json_object *answer, const char *kind, const char *message)
{
    struct json_object *error = json_object_new_object();
    json_object_object_add(error, "class", json_object_new_string(kind));
    json_object_object_add(error, "message", json_object_new_string(message));
    json_object_object_add(answer, "error", error);
}

/* Requests that wait for a thread. */
struct harness_waiting {
    struct json_object *json;
    struct harness_waiting *next;
};

static struct harness_waiting *harness_first, **harness_last = &harness_first;
static pthread_mutex_t harness_queue = PTHREAD_MUTEX_INITIALIZER, harness_saying = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t harness_more = PTHREAD_COND_INITIALIZER;

static void harness_say(struct json_object *answer)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    pthread_mutex_lock(&harness_saying);
    fwrite(text, 1, length, stdout);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&harness_saying);
    json_object_put(answer);
}

static void harness_complain(const char *message)
{
    struct json_object *answer = json_object_new_object(), *error = json_object_new_object();
    json_object_object_add(error, "message", json_object_new_string_len(message, (int)strnlen(message, HARNESS_MESSAGE_LIMIT)));
    json_object_object_add(answer, "error", error);
    harness_say(answer);
}

static int64_t harness_number(struct json_object *json, const char *name)
{
    return json_object_get_int64(json_object_object_get(json, name));
}

static struct harness_request harness_parse(struct json_object *json)
{
    struct harness_request request = {
        .op = json_object_get_string(json_object_object_get(json, "op")),
        .key = harness_member(json, "key", "key64"),
        .value = harness_member(json, "value", "value64"),
        .ttl_s = harness_number(json, "ttl_s"),
        .by = json_object_get_uint64(json_object_object_get(json, "by")),
        .flags = (uint32_t)harness_number(json, "flags"),
    };
    const char *cas = json_object_get_string(json_object_object_get(json, "cas"));
    request.cas = cas ? strtoull(cas, NULL, 10) : 0;
    struct json_object *keys = json_object_object_get(json, "keys");
    request.key_count = keys ? json_object_array_length(keys) : 0;
    request.keys = calloc(request.key_count + 1, sizeof *request.keys);
    for (size_t n = 0; n < request.key_count; n++) {
        struct json_object *key = json_object_array_get_idx(keys, n);
        request.keys[n] = json_object_is_type(key, json_type_object)
            ? harness_member(key, "key", "key64")
            : harness_copy(json_object_get_string(key), (size_t)json_object_get_string_len(key));
    }
    return request;
}

static void harness_answer(void *client, struct json_object *json)
{
    struct harness_request request = harness_parse(json);
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "id", json_object_get(json_object_object_get(json, "id")));
    const char *const *known = harness_operations(client);
    while (*known && strcmp(*known, request.op))
        known++;
    if (*known)
        harness_call(client, &request, answer);
    else
        harness_error(answer, "unsupported", "no such operation");
    harness_say(answer);
    for (size_t n = 0; n < request.key_count; n++)
        free(request.keys[n].data);
    free(request.keys);
    free(request.key.data);
    free(request.value.data);
}

static void *harness_work(void *client)
{
    for (;;) {
        pthread_mutex_lock(&harness_queue);
        while (!harness_first)
            pthread_cond_wait(&harness_more, &harness_queue);
        struct harness_waiting *taken = harness_first;
        harness_first = taken->next;
        if (!harness_first)
            harness_last = &harness_first;
        pthread_mutex_unlock(&harness_queue);
        harness_answer(client, taken->json);
        json_object_put(taken->json);
        free(taken);
    }
    return NULL;
}

static void harness_put(struct json_object *json)
{
    struct harness_waiting *waiting = calloc(1, sizeof *waiting);
    waiting->json = json_object_get(json);
    pthread_mutex_lock(&harness_queue);
    *harness_last = waiting;
    harness_last = &waiting->next;
    pthread_cond_signal(&harness_more);
    pthread_mutex_unlock(&harness_queue);
}

static void harness_reply(const char *name, struct json_object *content)
{
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, name, json_object_get(content));
    harness_say(answer);
}

static void harness_take(const char *line)
{
    struct json_object *json = json_tokener_parse(line), *content;
    if (!json_object_is_type(json, json_type_object))
        harness_complain(line);
    else if (json_object_object_get_ex(json, "op", &content))
        harness_put(json);
    else if (json_object_object_get_ex(json, "ping", &content))
        harness_reply("pong", content);
    else if (json_object_object_get_ex(json, "bye", &content)) {
        /* Threads may hang in their clients: the connections go with the process. */
        harness_reply("bye", content);
        _exit(0);
    } else if (!json_object_object_get_ex(json, "cancel", &content))
        harness_complain(line);
    json_object_put(json);
}

static void harness_ready(const char *name, const char *version, const char *runtime, void *client)
{
    struct json_object *ready = json_object_new_object(), *operations = json_object_new_array();
    for (const char *const *operation = harness_operations(client); *operation; operation++)
        json_object_array_add(operations, json_object_new_string(*operation));
    json_object_object_add(ready, "ready", json_object_new_int(1));
    json_object_object_add(ready, "client", json_object_new_string(name));
    json_object_object_add(ready, "version", json_object_new_string(version));
    json_object_object_add(ready, "runtime", json_object_new_string(runtime));
    json_object_object_add(ready, "operations", operations);
    json_object_object_add(ready, "cancel", json_object_new_boolean(0));
    harness_say(ready);
}

/* Runs the client until the input ends or the harness says bye. */
static int harness_serve(const char *name, const char *version, const char *runtime)
{
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, stdin) < 0)
        return 0;
    struct json_object *hello = json_tokener_parse(line);
    if (harness_number(hello, "hello") != 1) {
        fputs("the first line must be a hello of version 1\n", stderr);
        return 1;
    }
    void *client = NULL;
    for (int64_t n = harness_number(hello, "concurrency"); n > 0; n--) {
        pthread_t thread;
        client = harness_open(json_object_object_get(hello, "servers"), json_object_object_get(hello, "settings"));
        pthread_create(&thread, NULL, harness_work, client);
    }
    harness_ready(name, version, runtime, client);
    while (getline(&line, &room, stdin) >= 0)
        harness_take(line);
    _exit(0);
}

#endif
