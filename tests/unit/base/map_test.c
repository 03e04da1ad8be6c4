/* SPDX-License-Identifier: Apache-2.0 */
/* The hash maps, against arrays that are searched from end to end. */
#include "base/map.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

enum { MODEL_KEYS = 300 };

static fail_alloc_t fa;

static c4pi_port_t *
real_port(void)
{
    static c4pi_port_t *port;
    if (!port)
        CHECK_OK(c4pi_port_real_new(NULL, &port));
    return port;
}

static c4pi_port_t *
counting_port(void)
{
    CHECK(fail_alloc_begin(&fa, real_port(), 1));
    fa.fail_at = 0;
    return &fa.port;
}

/* Keys as they occur: small numbers, numbers with a rank above, differences in high bits only, any.
 */
static uint64_t
model_key(int style, uint64_t i)
{
    prng_t any = {i};
    switch (style) {
    case 0:
        return i;
    case 1:
        return i << 40 | 1;
    case 2:
        return i << 55 | i >> 9; /* collides wherever only low bits count */
    default:
        return prng_next(&any);
    }
}

/* ---- uint64 -> pointer ----------------------------------------------------------------------- */

static void
check_same(const c4pi_map_t *map, int style, void *const *model)
{
    size_t count = 0, at = 0, seen = 0;
    uint64_t key;
    void *value;
    for (uint64_t i = 0; i < MODEL_KEYS; i++) {
        CHECK_EQ(model[i], c4pi_map_get(map, model_key(style, i)));
        count += model[i] != NULL;
    }
    CHECK_EQ(count, map->count);
    while (c4pi_map_next(map, &at, &key, &value)) {
        CHECK_EQ(value, c4pi_map_get(map, key));
        seen++;
    }
    CHECK_EQ(count, seen);
}

static void
random_changes_agree_with_an_array(void)
{
    static char values[1000];
    for (int style = 0; style < 4; style++) {
        void *model[MODEL_KEYS] = {NULL};
        prng_t prng = {(uint64_t)style};
        c4pi_map_t map;
        c4pi_map_init(&map, counting_port());
        for (int step = 0; step < 20000; step++) {
            size_t keys = step / 2000 % 2 ? MODEL_KEYS : 20; /* grow and shrink in turn */
            size_t i = (size_t)prng_below(&prng, keys), j = (size_t)prng_below(&prng, MODEL_KEYS);
            model[i] = &values[prng_below(&prng, sizeof(values))];
            CHECK_OK(c4pi_map_put(&map, model_key(style, i), model[i]));
            CHECK_EQ(model[j], c4pi_map_remove(&map, model_key(style, j)));
            model[j] = NULL;
            if (step % 2 && keys < MODEL_KEYS) {
                j = (size_t)prng_below(&prng, MODEL_KEYS);
                CHECK_EQ(model[j], c4pi_map_remove(&map, model_key(style, j)));
                model[j] = NULL;
            }
            if (step % 97 == 0)
                check_same(&map, style, model);
            CHECK(map.count * 4 <= map.capacity * 3);
        }
        c4pi_map_fini(&map);
        fail_alloc_end(&fa);
    }
}

static void
an_empty_map_finds_nothing(void)
{
    size_t at = 0;
    uint64_t key;
    void *value;
    c4pi_map_t map;
    c4pi_map_init(&map, counting_port());
    CHECK_EQ(NULL, c4pi_map_get(&map, 0));
    CHECK_EQ(NULL, c4pi_map_remove(&map, 0));
    CHECK(!c4pi_map_next(&map, &at, &key, &value));
    CHECK_EQ(0, fa.count); /* and costs no memory */
    c4pi_map_fini(&map);
    fail_alloc_end(&fa);
}

static void
every_key_is_a_key(void)
{
    static const uint64_t keys[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 63};
    char values[5];
    c4pi_map_t map;
    c4pi_map_init(&map, counting_port());
    for (int i = 0; i < 5; i++)
        CHECK_OK(c4pi_map_put(&map, keys[i], &values[i]));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(&values[i], c4pi_map_get(&map, keys[i]));
    CHECK_OK(c4pi_map_put(&map, 0, &values[4])); /* replace */
    CHECK_EQ(&values[4], c4pi_map_get(&map, 0));
    CHECK_EQ(5, map.count);
    c4pi_map_fini(&map);
    fail_alloc_end(&fa);
}

static void
an_emptied_map_gives_its_memory_back(void)
{
    char value;
    c4pi_map_t map;
    c4pi_map_init(&map, counting_port());
    for (uint64_t i = 0; i < 100000; i++)
        CHECK_OK(c4pi_map_put(&map, i, &value));
    for (uint64_t i = 0; i < 100000; i++)
        CHECK_EQ(&value, c4pi_map_remove(&map, i));
    CHECK(map.capacity <= 64);
    c4pi_map_fini(&map);
    fail_alloc_end(&fa);
}

static void
a_map_can_be_emptied_by_walking_from_the_start_again(void)
{
    char values[200];
    size_t removed = 0, at = 0;
    uint64_t key;
    void *value;
    c4pi_map_t map;
    c4pi_map_init(&map, counting_port());
    for (uint64_t i = 0; i < 200; i++)
        CHECK_OK(c4pi_map_put(&map, i * 3, &values[i]));
    while (c4pi_map_next(&map, &at, &key, &value)) {
        CHECK_EQ(&values[key / 3], value);
        CHECK_EQ(value, c4pi_map_remove(&map, key));
        removed++;
        at = 0;
    }
    CHECK_EQ(200, removed);
    CHECK_EQ(0, map.count);
    c4pi_map_fini(&map);
    fail_alloc_end(&fa);
}

static void
a_map_is_unchanged_when_memory_is_short(void)
{
    static char values[200];
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        bool had[200] = {false};
        size_t count = 0, failed = 0;
        c4pi_map_t map;
        c4pi_map_init(&map, &fa.port);
        for (uint64_t i = 0; i < 200; i++) {
            c4p_status_t st = c4pi_map_put(&map, i, &values[i]);
            CHECK(st == C4P_OK || st == C4P_ERR_NOMEM);
            had[i] = st == C4P_OK;
            count += had[i];
            failed += !had[i];
        }
        CHECK_EQ(count, map.count);
        for (uint64_t i = 0; i < 200; i++)
            CHECK_EQ(had[i] ? &values[i] : NULL, c4pi_map_get(&map, i));
        for (uint64_t i = 0; i < 200; i++) /* shrinking may fail, removing not */
            CHECK_EQ(had[i] ? &values[i] : NULL, c4pi_map_remove(&map, i));
        CHECK(failed <= 1);
        CHECK_EQ(0, map.count);
        c4pi_map_fini(&map);
        fail_alloc_end(&fa);
    }
}

/* ---- key -> object --------------------------------------------------------------------------- */

typedef struct object {
    c4p_key_t key;
    int number;
} object_t;

static object_t objects[MODEL_KEYS];

/* Keys of arrays of several dimensions: dense triples, one long row, and any. */
static void
make_objects(int style)
{
    prng_t prng = {77};
    for (int i = 0; i < MODEL_KEYS; i++) {
        c4p_index_t index = {.ndims = 3, .at = {i % 7, i / 7 % 7 - 3, i / 49}};
        objects[i].number = i;
        if (style == 0)
            CHECK_OK(c4p_index_pack(&index, &objects[i].key));
        else if (style == 1)
            objects[i].key = (c4p_key_t){{(uint64_t)i, 0}};
        else
            objects[i].key = (c4p_key_t){{prng_next(&prng), prng_next(&prng)}};
    }
}

static void
random_changes_of_a_keymap_agree_with_an_array(void)
{
    for (int style = 0; style < 3; style++) {
        bool model[MODEL_KEYS] = {false};
        prng_t prng = {(uint64_t)style};
        c4pi_keymap_t map;
        make_objects(style);
        c4pi_keymap_init(&map, counting_port());
        for (int step = 0; step < 30000; step++) {
            size_t i = (size_t)prng_below(&prng, step / 3000 % 2 ? MODEL_KEYS : 9);
            size_t j = (size_t)prng_below(&prng, MODEL_KEYS);
            if (!model[i])
                CHECK_OK(c4pi_keymap_add(&map, &objects[i]));
            model[i] = true;
            if (step % 3)
                continue;
            CHECK_EQ(model[j] ? &objects[j] : NULL, c4pi_keymap_remove(&map, objects[j].key));
            model[j] = false;
            size_t count = 0, at = 0;
            void *object;
            for (int k = 0; k < MODEL_KEYS && step % 99 == 0; k++) {
                CHECK_EQ(model[k] ? &objects[k] : NULL, c4pi_keymap_get(&map, objects[k].key));
                count += model[k];
            }
            while (step % 99 == 0 && c4pi_keymap_next(&map, &at, &object)) {
                CHECK(model[((object_t *)object)->number]);
                count--;
            }
            CHECK_EQ(0, count);
        }
        c4pi_keymap_fini(&map);
        fail_alloc_end(&fa);
    }
}

static void
reserved_room_is_enough(void)
{
    make_objects(0);
    for (size_t count = 0; count <= MODEL_KEYS; count++) {
        c4pi_keymap_t map;
        c4pi_keymap_init(&map, counting_port());
        CHECK_OK(c4pi_keymap_reserve(&map, count));
        uint64_t allocations = fa.count;
        for (size_t i = 0; i < count; i++)
            CHECK_OK(c4pi_keymap_add(&map, &objects[i]));
        CHECK_EQ(allocations, fa.count);
        CHECK_OK(c4pi_keymap_reserve(&map, count / 2)); /* never shrinks */
        CHECK_EQ(allocations, fa.count);
        c4pi_keymap_fini(&map);
        fail_alloc_end(&fa);
    }
}

static void
an_impossible_reservation_is_refused(void)
{
    c4pi_keymap_t map;
    c4pi_keymap_init(&map, counting_port());
    CHECK_STATUS(C4P_ERR_NOMEM, c4pi_keymap_reserve(&map, SIZE_MAX));
    CHECK_STATUS(C4P_ERR_NOMEM, c4pi_keymap_reserve(&map, SIZE_MAX / 8));
    CHECK_EQ(0, map.capacity);
    c4pi_keymap_fini(&map);
    fail_alloc_end(&fa);
}

static void
a_keymap_is_unchanged_when_memory_is_short(void)
{
    make_objects(0);
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        bool had[MODEL_KEYS];
        c4pi_keymap_t map;
        c4pi_keymap_init(&map, &fa.port);
        bool reserved = c4pi_keymap_reserve(&map, 20) == C4P_OK;
        for (int i = 0; i < MODEL_KEYS; i++) {
            had[i] = c4pi_keymap_add(&map, &objects[i]) == C4P_OK;
            CHECK(had[i] || !reserved || i >= 20);
        }
        for (int i = 0; i < MODEL_KEYS; i++) {
            void *expected = had[i] ? &objects[i] : NULL;
            CHECK_EQ(expected, c4pi_keymap_get(&map, objects[i].key));
            CHECK_EQ(expected, c4pi_keymap_remove(&map, objects[i].key));
        }
        c4pi_keymap_fini(&map);
        fail_alloc_end(&fa);
    }
}

/* Dense indices are the common case: they must not pile up. */
static void
neighbouring_keys_spread(void)
{
    enum { SIDE = 32, COUNT = SIDE * SIDE * SIDE };
    static object_t cube[COUNT];
    c4pi_keymap_t map;
    c4pi_keymap_init(&map, counting_port());
    CHECK_OK(c4pi_keymap_reserve(&map, COUNT));
    for (int i = 0; i < COUNT; i++) {
        c4p_index_t index = {.ndims = 3, .at = {i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE}};
        CHECK_OK(c4p_index_pack(&index, &cube[i].key));
        CHECK_OK(c4pi_keymap_add(&map, &cube[i]));
    }
    size_t mask = map.capacity - 1;
    double steps = 0;
    for (size_t slot = 0; slot < map.capacity; slot++) {
        if (map.slots[slot])
            steps += (double)((slot - (size_t)c4pi_hash_key(*(c4p_key_t *)map.slots[slot])) & mask);
    }
    /* Linear probing of random numbers at load a: (a / (1 - a)) / 2 steps beyond the first on
     * average. */
    double load = (double)COUNT / (double)map.capacity, expected = load / (1 - load) / 2;
    CHECK(steps / COUNT < 2 * expected);
    c4pi_keymap_fini(&map);
    fail_alloc_end(&fa);
}

TEST_CASES(random_changes_agree_with_an_array, an_empty_map_finds_nothing, every_key_is_a_key,
           an_emptied_map_gives_its_memory_back,
           a_map_can_be_emptied_by_walking_from_the_start_again,
           a_map_is_unchanged_when_memory_is_short, random_changes_of_a_keymap_agree_with_an_array,
           reserved_room_is_enough, an_impossible_reservation_is_refused,
           a_keymap_is_unchanged_when_memory_is_short, neighbouring_keys_spread)
