/* SPDX-License-Identifier: Apache-2.0 */
/* chaos_keys.c: what C4PY_CHAOS says. */
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "svc/chaos.h"

enum { ONE = 65536 };

/* Digits from `*at` on; false if there are none or too many. */
static bool
read_digits(const char **at, const char *end, uint64_t *value_out)
{
    const char *first = *at;
    *value_out = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && *value_out < 1000000000; (*at)++)
        *value_out = *value_out * 10 + (uint64_t)(**at - '0');
    return *at > first;
}

/* ---- values: each reads what stands between two places of a text, to `to` ------------------------- */

/* "0.25" as a chance in 65536. */
static bool
read_chance(const char *text, const char *end, void *to)
{
    uint64_t value = 0, scale = 1;
    bool point = false, digits = false;
    for (const char *at = text; at < end; at++) {
        if (*at == '.' && !point) {
            point = true;
        } else if (*at >= '0' && *at <= '9' && scale < 1000000000 && value < 1000000000) {
            value = value * 10 + (uint64_t)(*at - '0');
            scale *= point ? 10 : 1;
            digits = true;
        } else {
            return false;
        }
    }
    if (!digits || value > scale)
        return false;
    uint32_t chance = (uint32_t)(value * ONE / scale);
    *(uint32_t *)to = value && !chance ? 1 : chance;
    return true;
}

/* "0.01" or "0.01:500us", the longest delay. */
static bool
read_delay(const char *text, const char *end, void *to)
{
    static const struct unit {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}};
    c4pi_perturb_t *net = to;
    const char *colon = memchr(text, ':', (size_t)(end - text));
    uint64_t value;
    net->delay_ns = 200000;
    if (!read_chance(text, colon ? colon : end, &net->delay))
        return false;
    if (!colon)
        return true;
    const char *at = colon + 1;
    if (!read_digits(&at, end, &value) || !value || end - at != 2)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (memcmp(at, units[i].name, 2) == 0) {
            net->delay_ns = value * units[i].ns;
            return net->delay_ns <= 1000000000;
        }
    return false;
}

/* "2:8x" */
static bool
read_slow(const char *text, const char *end, void *to)
{
    c4pi_slow_t *slow = to;
    const char *at = text;
    if (!read_digits(&at, end, &slow->rank) || at == end || *at++ != ':' ||
        !read_digits(&at, end, &slow->times))
        return false;
    at += at < end && *at == 'x';
    return at == end && slow->times >= 1 && slow->times <= 1000;
}

static bool
read_queue(const char *text, const char *end, void *to)
{
    static const char *const words[] = {"fifo", "random", "lifo", "prio-shuffle", "anyorder"};
    size_t len = (size_t)(end - text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0) {
            *(c4pi_chaos_queue_t *)to = (c4pi_chaos_queue_t)i;
            return true;
        }
    return false;
}

static bool
read_credit(const char *text, const char *end, void *to)
{
    return *(bool *)to = end - text == 3 && memcmp(text, "min", 3) == 0;
}

static bool
read_seed(const char *text, const char *end, void *to)
{
    char number[40];
    size_t len = (size_t)(end - text);
    if (!len || len >= sizeof number)
        return false;
    memcpy(number, text, len);
    number[len] = 0;
    return c4pi_env_number(number, to);
}

/* ---- keys ---------------------------------------------------------------------------------------- */

#define CHANCE        "a chance from 0 to 1"
#define FIELD(x)      offsetof(c4pi_chaos_t, x)
#define CHANCE_KEY(x) CHANCE, read_chance, FIELD(x)

static const struct key {
    const char *name, *values;
    bool (*read)(const char *text, const char *end, void *to);
    size_t field;
} keys[] = {
    {"seed", "a number", read_seed, FIELD(seed)},
    {"queue", "fifo, random, lifo, prio-shuffle or anyorder", read_queue, FIELD(queue)},
    {"delay", "a chance, as 0.01, or 0.01:500us (1s at most)", read_delay, FIELD(net)},
    {"migrate", CHANCE_KEY(migrate)},
    {"dropcache", CHANCE_KEY(forget_cache)},
    {"slowrank", "a rank and how many times slower, as 2:8x (1000x at most)", read_slow,
     FIELD(slow)},
    {"gc", CHANCE_KEY(collect)},
    {"split", CHANCE_KEY(net.split)},
    {"credit", "min", read_credit, FIELD(credit_min)},
    {"idle", "a chance from 0 to 0.99", read_chance, FIELD(idle)},
    {"flush", CHANCE_KEY(flush_early)},
    {"wave", CHANCE_KEY(wave_now)},
};
enum { NUM_KEYS = sizeof keys / sizeof *keys };

static c4p_status_t
unknown_key(c4p_rt_t *rt, const char *text, size_t len)
{
    char name[40] = "", list[200] = "";
    const char *names[NUM_KEYS + 1] = {NULL};
    memcpy(name, text, len < sizeof name ? len : sizeof name - 1);
    for (int i = 0; i < NUM_KEYS; i++) {
        names[i] = keys[i].name;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", keys[i].name);
    }
    const char *nearest = c4pi_nearest(name, names);
    c4pi_log(rt->port, C4P_LOG_ERROR, "C4PY_CHAOS has no key '%s'%s%s%s; the keys are %s", name,
             nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "", list);
    return C4P_ERR_OPTION;
}

/* One "key=value". */
static c4p_status_t
read_item(c4p_rt_t *rt, const char *item, size_t len)
{
    const char *equals = memchr(item, '=', len);
    size_t name = equals ? (size_t)(equals - item) : len;
    const struct key *key = keys;
    while (key < keys + NUM_KEYS &&
           (strlen(key->name) != name || memcmp(key->name, item, name) != 0))
        key++;
    if (key == keys + NUM_KEYS)
        return unknown_key(rt, item, name);
    if (equals && key->read(equals + 1, item + len, (char *)&rt->chaos + key->field) &&
        rt->chaos.idle <= ONE - ONE / 100)
        return C4P_OK;
    c4pi_log(rt->port, C4P_LOG_ERROR, "C4PY_CHAOS has '%.*s'; %s takes %s", (int)len, item,
             key->name, key->values);
    return C4P_ERR_OPTION;
}

c4p_status_t
c4pi_chaos_read(c4p_rt_t *rt, const char *text)
{
    c4p_status_t st = C4P_OK;
    for (const char *item = text; st == C4P_OK; item++) {
        size_t len = strcspn(item, ",");
        st = read_item(rt, item, len);
        item += len;
        if (!*item)
            break;
    }
    return st;
}
