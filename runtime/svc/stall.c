/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/stall.h"

#include <stdio.h>
#include <string.h>

#include "core/collection.h"
#include "core/location.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/reduce.h"
#include "svc/sync.h"
#include "svc/wave.h"

/* State of a collection in progress; it happens at most a few times in the life of a job. */
typedef struct stall_state {
    int missing;
    struct c4p_report report;
} stall_state_t;

enum { MAX_LINES = 40, STAGE_DOWN = 0, STAGE_UP = 1 };

void
c4p_report_line(struct c4p_report *report, const char *fmt, ...)
{
    char line[512];
    va_list args;
    if (!report)
        return;
    if (report->lines >= MAX_LINES) {
        report->more++;
        return;
    }
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    report->lines++;
    c4p_put_bytes(&report->text, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
    c4p_put_u8(&report->text, '\n');
}

/* ---- what the runtime itself knows ------------------------------------------------------------- */

static void
list_unclaimed(c4pi_coll_t *coll, struct c4p_report *report)
{
    size_t at = 0;
    void *object;
    char who[160];
    while (c4pi_keymap_next(&coll->locs, &at, &object)) {
        c4pi_loc_t *loc = object;
        if (!(loc->flags & C4PI_LOC_UNCLAIMED) || !loc->held.count)
            continue;
        c4pi_entry_t *entry = c4pi_type_entry(coll->type, loc->held.head->env.entry);
        c4p_report_line(report,
                        "undeliverable: %s.%s x%llu from rank %d: no such element was created",
                        c4pi_ref_text(coll, loc->key, who, sizeof who), entry ? entry->name : "?",
                        (unsigned long long)loc->held.count, (int)loc->held.head->env.source);
    }
}

static void
list_strangers(c4p_rt_t *rt, struct c4p_report *report)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    while (c4pi_map_next(&rt->strangers, &at, &id, &value))
        c4p_report_line(
            report, "undeliverable: %llu message(s) for collection %d:%llu, which nobody created",
            (unsigned long long)((c4pi_fifo_t *)value)->count, c4pi_coll_creator(id),
            (unsigned long long)(id & 0xffffffffffu));
}

uint64_t
c4pi_count_waiters(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id, count = rt->num_unclaimed + rt->num_strangers;
    void *value;
    while (c4pi_map_next(&rt->colls, &at, &id, &value))
        count += c4pi_reduce_list(value, NULL) + c4pi_bcast_list(value, NULL);
    count += c4pi_sync_list(rt, NULL);
    if (rt->hooks.count_waiters)
        count += rt->hooks.count_waiters(rt, rt->hooks.ctx);
    return count;
}

static void
list_all(c4p_rt_t *rt, struct c4p_report *report)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    if (rt->hooks.list_waiters)
        rt->hooks.list_waiters(rt, rt->hooks.ctx, report);
    while (c4pi_map_next(&rt->colls, &at, &id, &value)) {
        c4pi_reduce_list(value, report);
        c4pi_bcast_list(value, report);
        list_unclaimed(value, report);
    }
    c4pi_sync_list(rt, report);
    list_strangers(rt, report);
    if (report->more) {
        uint32_t more = report->more;
        report->lines = 0;
        c4p_report_line(report, "... and %u more on rank %d", more, rt->rank);
    }
}

/* ---- collecting -------------------------------------------------------------------------------- */

static void
print_and_end(c4p_rt_t *rt, c4p_msg_t *text)
{
    static const char head[] = "c4py: error[C4P-E320] the job is stalled: every rank is idle, no "
                               "message is in flight, and these wait:\n";
    static const char tail_abort[] = "  hint: something that was expected was never sent; "
                                     "C4PY_STALL=warn reports without ending the job\n"
                                     "c4py: exit 75\n";
    static const char tail_warn[] = "c4py: the job goes on (C4PY_STALL=warn)\n";
    bool abort = rt->opts.stall == C4P_STALL_ABORT;
    const char *tail = abort ? tail_abort : tail_warn;
    size_t len = (size_t)text->env.len, head_len = sizeof head - 1, tail_len = strlen(tail);
    size_t said_len = strlen(rt->chaos.said), all_len = head_len + len + said_len + tail_len;
    char *all = c4pi_alloc(rt->port, all_len);
    if (all) {
        memcpy(all, head, head_len);
        memcpy(all + head_len, c4pi_msg_payload(text), len);
        memcpy(all + head_len + len, rt->chaos.said, said_len);
        memcpy(all + head_len + len + said_len, tail, tail_len);
        rt->port->ops->write_report(rt->port, all, all_len);
        c4pi_free(rt->port, all, all_len);
    }
    c4pi_msg_drop(text);
    if (abort) {
        rt->end_status = C4P_ERR_STALL;
        c4pi_flow_abort(rt->flow, c4p_exit_status(C4P_ERR_STALL));
    }
}

static void
finish(c4p_rt_t *rt)
{
    stall_state_t *state = rt->stall;
    c4p_msg_t *text = NULL;
    c4p_status_t st = c4pi_pup_pack_finish(&state->report.text, &text);
    rt->stall = NULL;
    c4pi_free(rt->port, state, sizeof *state);
    if (st != C4P_OK)
        c4pi_die(rt, st, "no memory for the stall report");
    if (rt->rank == 0)
        print_and_end(rt, text);
    else
        c4pi_send_stage(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), C4PI_STALL, STAGE_UP,
                        text);
}

static void
begin(c4p_rt_t *rt)
{
    int children[C4PI_TREE_ARITY];
    if (rt->stall)
        return;
    stall_state_t *state = rt->stall = c4pi_calloc(rt->port, sizeof *state);
    if (!state)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for the stall report");
    state->report.rt = rt;
    c4pi_pup_pack_init(&state->report.text, &rt->msgs);
    list_all(rt, &state->report);
    state->missing = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < state->missing; i++)
        c4pi_send_stage(rt, children[i], C4PI_STALL, STAGE_DOWN, NULL);
    if (state->missing == 0)
        finish(rt);
}

static void
on_stall(c4p_rt_t *rt, c4p_msg_t *msg)
{
    stall_state_t *state = rt->stall;
    if (msg->env.entry == STAGE_DOWN) {
        begin(rt);
    } else if (state) {
        c4p_put_bytes(&state->report.text, c4pi_msg_payload(msg), (size_t)msg->env.len);
        if (--state->missing == 0)
            finish(rt);
    }
    c4pi_msg_drop(msg);
}

void
c4pi_stall_report(c4p_rt_t *rt)
{
    begin(rt);
}

void
c4pi_stall_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_STALL] = on_stall;
}
