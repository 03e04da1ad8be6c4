/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/start.h"

#include <c4p/version.h>
#include <stdio.h>
#include <string.h>

#include "core/pump.h"
#include "core/registry.h"
#include "core/route.h"

struct c4pi_starter {
    c4p_msg_t *mine;   /* this rank's list */
    c4p_msg_t *theirs; /* rank 0's, once it came */
    int missing;       /* children that have not answered */
    int differs;       /* least rank that differs, or -1 */
    char text[400];    /* its first difference */
    c4p_status_t result;
};

enum { STAGE_LIST, STAGE_VERDICT, STAGE_DECISION };

/* What must be equal: one line each. */
static c4p_msg_t *
make_list(c4p_rt_t *rt)
{
    char line[200];
    c4p_pup_t p;
    c4p_msg_t *list = NULL;
    uint32_t order = 1;
    c4pi_pup_pack_init(&p, &rt->msgs);
    int n = snprintf(line, sizeof line,
                     "library version " C4P_VERSION_STRING "\nbyte order %d\nranks %d\n"
                     "setting C4PY_TEST_COUNTER_BASE %llu\nsetting C4PY_SMALL_BYTES %u\n",
                     *(char *)&order, rt->num_ranks, (unsigned long long)rt->opts.counter_base,
                     rt->opts.small_bytes);
    c4p_put_bytes(&p, line, (size_t)n);
    c4pi_registry_list(rt->registry, &p);
    if (c4pi_pup_pack_finish(&p, &list) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to compare tables");
    return list;
}

static size_t
line_len(const char *at, const char *end)
{
    const char *eol = memchr(at, '\n', (size_t)(end - at));
    return (size_t)((eol ? eol : end) - at);
}

/* The first line in which the lists differ; false if they are equal. */
static bool
first_difference(c4p_rt_t *rt, c4p_msg_t *theirs, c4p_msg_t *mine, char *out, size_t size)
{
    const char *a = c4pi_msg_payload(theirs), *a_end = a + theirs->env.len;
    const char *b = c4pi_msg_payload(mine), *b_end = b + mine->env.len;
    while (a < a_end || b < b_end) {
        size_t na = line_len(a, a_end), nb = line_len(b, b_end);
        if (na != nb || memcmp(a, b, na) != 0) {
            snprintf(out, size, "rank 0 has '%.*s' where rank %d has '%.*s'", na ? (int)na : 7,
                     na ? a : "nothing", rt->rank, nb ? (int)nb : 7, nb ? b : "nothing");
            return true;
        }
        a += na + (a + na < a_end);
        b += nb + (b + nb < b_end);
    }
    return false;
}

static void
conclude(c4p_rt_t *rt, c4p_status_t result)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < n; i++) {
        c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
        msg->env.reference = (uint64_t)result;
        c4pi_send_stage(rt, children[i], C4PI_START, STAGE_DECISION, msg);
    }
    rt->starter->result = result;
    rt->phase = result == C4P_OK ? C4PI_PHASE_ACTIVE : C4PI_PHASE_ENDED;
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&rt->before_start)) != NULL;) {
        if (result == C4P_OK)
            c4pi_pump_deliver(rt, msg);
        else
            c4pi_msg_drop(msg);
    }
}

/* This sub-tree is compared. */
static void
verdict(c4p_rt_t *rt)
{
    c4pi_starter_t *s = rt->starter;
    if (s->missing || !s->theirs)
        return;
    if (rt->rank != 0) {
        size_t len = sizeof s->text;
        c4p_msg_t *msg = c4pi_msg_or_die(rt, len);
        memcpy(c4pi_msg_payload(msg), s->text, len);
        msg->env.reference = (uint64_t)(int64_t)s->differs;
        c4pi_send_stage(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), C4PI_START, STAGE_VERDICT,
                        msg);
        return;
    }
    if (s->differs >= 0)
        c4pi_log(rt->port, C4P_LOG_ERROR, "error[C4P-E400] the ranks disagree: %s", s->text);
    conclude(rt, s->differs >= 0 ? C4P_ERR_MISMATCH : C4P_OK);
}

static void
compare(c4p_rt_t *rt)
{
    c4pi_starter_t *s = rt->starter;
    int children[C4PI_TREE_ARITY];
    int n = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < n; i++) {
        c4p_msg_t *copy = c4pi_msg_copy(&rt->msgs, s->theirs);
        if (!copy)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory to compare tables");
        c4pi_send_stage(rt, children[i], C4PI_START, STAGE_LIST, copy);
    }
    char text[sizeof s->text] = ""; /* all of it travels */
    if (first_difference(rt, s->theirs, s->mine, text, sizeof text) &&
        (s->differs < 0 || rt->rank < s->differs)) {
        s->differs = rt->rank;
        memcpy(s->text, text, sizeof text);
    }
    verdict(rt);
}

static void
on_start(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_starter_t *s = rt->starter;
    switch (msg->env.entry) {
    case STAGE_LIST:
        s->theirs = c4pi_msg_keep(msg);
        if (s->mine) /* else c4pi_start_begin() will compare */
            compare(rt);
        break;
    case STAGE_VERDICT: {
        int differs = (int)(int64_t)msg->env.reference;
        if (differs >= 0 && (s->differs < 0 || differs < s->differs) &&
            msg->env.len == sizeof s->text) {
            s->differs = differs;
            memcpy(s->text, c4pi_msg_payload(msg), sizeof s->text);
        }
        s->missing--;
        verdict(rt);
        break;
    }
    default:
        conclude(rt, (c4p_status_t)msg->env.reference);
    }
    c4pi_msg_drop(msg);
}

c4p_status_t
c4pi_start_begin(c4p_rt_t *rt)
{
    c4pi_starter_t *s = rt->starter;
    if (rt->phase != C4PI_PHASE_NEW)
        return C4P_ERR_STATE;
    rt->phase = C4PI_PHASE_STARTING;
    s->mine = make_list(rt);
    if (rt->rank == 0)
        s->theirs = c4pi_msg_keep(s->mine);
    if (s->theirs)
        compare(rt);
    return C4P_OK;
}

c4p_status_t
c4pi_start_result(const c4p_rt_t *rt)
{
    return rt->starter->result;
}

void
c4pi_start_init(c4p_rt_t *rt)
{
    int children[C4PI_TREE_ARITY];
    rt->starter = c4pi_calloc(rt->port, sizeof *rt->starter);
    if (!rt->starter)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to start");
    rt->starter->differs = -1;
    rt->starter->missing = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    rt->on_kind[C4PI_START] = on_start;
}

void
c4pi_start_free(c4p_rt_t *rt)
{
    if (!rt->starter)
        return;
    c4p_msg_free(rt->starter->mine);
    c4p_msg_free(rt->starter->theirs);
    c4pi_free(rt->port, rt->starter, sizeof *rt->starter);
    rt->starter = NULL;
}
