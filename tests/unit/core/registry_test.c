/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: numbers in order, names once, and a list that differs when the ranks would. */
#include "core/registry.h"

#include "base/port_sim.h"
#include "support/test.h"

static c4pi_simworld_t world;
static c4pi_port_t *port;
static c4pi_msgs_t msgs;
static c4pi_registry_t *registry;

static void
start(void)
{
    c4pi_simworld_init(&world, NULL);
    port = c4pi_port_sim_new(&world, 0, 1);
    c4pi_msgs_init(&msgs, port, NULL);
    CHECK_OK(c4pi_registry_new(port, &registry));
}

static void
finish(void)
{
    c4pi_registry_free(registry);
    c4pi_msgs_fini(&msgs);
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args, (void)ctx, (void)object_out;
    return C4P_OK;
}

static void
method(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

static c4p_status_t
add_type(const char *name, c4p_type_t *type_out)
{
    c4p_type_desc_t desc = {.struct_size = sizeof desc, .name = name, .construct = construct};
    return c4pi_registry_add_type(registry, &desc, type_out);
}

static c4p_status_t
add_entry(c4p_type_t type, const char *name, c4p_entry_t *entry_out)
{
    c4pi_entry_t entry = {.fn = method, .name = (char *)(uintptr_t)name};
    return c4pi_registry_add_entry(registry, type, &entry, entry_out);
}

static c4p_status_t
add_named(c4pi_named_sort_t sort, const char *name, uint32_t *number_out)
{
    c4pi_named_t named = {.name = (char *)(uintptr_t)name};
    return c4pi_registry_add_named(registry, sort, &named, number_out);
}

static void
types_are_numbered_from_1(void)
{
    char name[] = "First";
    c4p_type_t first, second;
    start();
    CHECK_OK(add_type(name, &first));
    name[0] = 'x'; /* the name was copied */
    CHECK_OK(add_type("Second", &second));
    CHECK_EQ(1, first);
    CHECK_EQ(2, second);
    CHECK_STR_EQ("First", c4pi_registry_type(registry, first)->desc.name);
    CHECK_EQ(second, c4pi_registry_type(registry, second)->id);
    CHECK(c4pi_registry_type(registry, 0) == NULL);
    CHECK(c4pi_registry_type(registry, 3) == NULL);
    finish();
}

static void
entries_are_numbered_from_0_in_each_type(void)
{
    c4p_type_t a, b;
    c4p_entry_t entry;
    start();
    CHECK_OK(add_type("A", &a));
    CHECK_OK(add_type("B", &b));
    for (int i = 0; i < 100; i++) {
        CHECK_OK(add_entry(i % 2 ? b : a, "e", &entry));
        CHECK_EQ(i / 2, entry);
    }
    CHECK(c4pi_type_entry(c4pi_registry_type(registry, a), 49)->fn == method);
    CHECK(c4pi_type_entry(c4pi_registry_type(registry, a), 50) == NULL);
    CHECK_STATUS(C4P_ERR_NOT_FOUND, add_entry(7, "e", &entry));
    finish();
}

static void
a_type_has_at_most_65535_entries(void)
{
    c4p_type_t type;
    c4p_entry_t entry = 0;
    start();
    CHECK_OK(add_type("Big", &type));
    for (int i = 0; i < UINT16_MAX; i++)
        CHECK_OK(add_entry(type, "e", &entry));
    CHECK_EQ(UINT16_MAX - 1, entry);
    CHECK_STATUS(C4P_ERR_LIMIT, add_entry(type, "one more", &entry));
    finish();
}

static void
a_name_is_taken_once_in_each_table(void)
{
    c4p_type_t type;
    uint32_t number;
    start();
    CHECK_OK(add_type("same", &type));
    CHECK_STATUS(C4P_ERR_EXISTS, add_type("same", &type));
    CHECK_OK(add_named(C4PI_MAPS, "same", &number));
    CHECK_OK(add_named(C4PI_HANDLERS, "same", &number));
    CHECK_OK(add_named(C4PI_REDUCERS, "same", &number));
    CHECK_EQ(1, number);
    CHECK_STATUS(C4P_ERR_EXISTS, add_named(C4PI_REDUCERS, "same", &number));
    CHECK_STR_EQ("same", c4pi_registry_named(registry, C4PI_MAPS, 1)->name);
    CHECK(c4pi_registry_named(registry, C4PI_MAPS, 0) == NULL);
    CHECK(c4pi_registry_named(registry, C4PI_MAPS, 2) == NULL);
    finish();
}

/* The list as text, in a static buffer. */
static const char *
list(void)
{
    static char text[1000];
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &msgs);
    c4pi_registry_list(registry, &p);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    CHECK(msg->env.len < sizeof text);
    memcpy(text, c4pi_msg_payload(msg), (size_t)msg->env.len);
    text[msg->env.len] = 0;
    c4pi_msg_drop(msg);
    return text;
}

static void
the_list_names_everything_in_order(void)
{
    c4p_type_t type;
    c4p_entry_t entry;
    uint32_t number;
    start();
    CHECK_STR_EQ("", list());
    CHECK_OK(add_named(C4PI_REDUCERS, "mean", &number));
    CHECK_OK(add_type("Grid", &type));
    CHECK_OK(add_type("Cell", &type));
    CHECK_OK(add_entry(1, "step", &entry));
    CHECK_OK(add_entry(1, "done", &entry));
    CHECK_OK(add_named(C4PI_MAPS, "rows", &number));
    CHECK_OK(add_named(C4PI_HANDLERS, "stop", &number));
    CHECK_STR_EQ("chare type Grid\nentry method step\nentry method done\nchare type Cell\n"
                 "map rows\nhandler stop\nreducer mean\n",
                 list());
    finish();
}

static c4p_status_t
fill(void)
{
    c4p_type_t type;
    c4p_entry_t entry;
    uint32_t number;
    c4p_status_t st = c4pi_registry_new(port, &registry);
    if (st != C4P_OK)
        return st;
    if ((st = add_type("A", &type)) == C4P_OK && (st = add_entry(type, "e", &entry)) == C4P_OK)
        st = add_named(C4PI_HANDLERS, "h", &number);
    c4pi_registry_free(registry);
    return st;
}

static void
every_failed_allocation_is_reported_and_leaks_nothing(void)
{
    c4p_status_t st = C4P_ERR_NOMEM;
    for (uint64_t n = 1; st != C4P_OK; n++) {
        c4pi_simworld_opts_t opts = {.fail_alloc = n};
        CHECK(n < 50);
        c4pi_simworld_init(&world, &opts);
        port = c4pi_port_sim_new(&world, 0, 1);
        c4pi_msgs_init(&msgs, port, NULL);
        st = fill();
        if (st != C4P_OK)
            CHECK_STATUS(C4P_ERR_NOMEM, st);
        c4pi_msgs_fini(&msgs);
        CHECK_EQ(0, world.live_blocks);
        c4pi_simworld_fini(&world);
        if (n < 5)
            CHECK_STATUS(C4P_ERR_NOMEM, st); /* registry, table, type, name, ... */
    }
}

TEST_CASES(types_are_numbered_from_1, entries_are_numbered_from_0_in_each_type,
           a_type_has_at_most_65535_entries, a_name_is_taken_once_in_each_table,
           the_list_names_everything_in_order,
           every_failed_allocation_is_reported_and_leaks_nothing)
