/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "core/route.h"
#include "svc/future.h"
#include "svc/reduce.h"
#include "svc/section.h"
#include "svc/wave.h"

/* ---- requests --------------------------------------------------------------------------------- */

void
c4pi_ckpt_ask(c4p_rt_t *rt, const char *dir, c4p_ref_t waits, const c4p_target_t *done)
{
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_bytes(&p, &waits, sizeof waits);
    c4p_put_bytes(&p, done, sizeof *done);
    c4p_put_blob(&p, dir, strlen(dir) + 1);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to ask for a checkpoint");
    msg->env.kind = C4PI_CKPT_ASK;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, 0, msg);
}

static void
on_quiet(c4p_rt_t *rt, uint64_t created)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    const c4pi_ckpt_request_t *request = ckpt->requests;
    c4p_pup_t p;
    ckpt->quiet_created = created;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_bytes(&p, &request->waits, sizeof request->waits);
    c4pi_round_begin(rt, C4PI_ORDER_PREPARE, &p);
}

void
c4pi_ckpt_on_ask(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_ckpt_t *ckpt = c4pi_ckpt_need(rt);
    c4pi_ckpt_request_t *request = c4pi_calloc(rt->port, sizeof *request), **at;
    c4p_pup_t p;
    size_t len;
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    if (!request)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    c4p_get_bytes(&p, &request->waits, sizeof request->waits);
    c4p_get_bytes(&p, &request->done, sizeof request->done);
    const char *dir = c4p_get_blob(&p, &len);
    if (!dir || !(request->dir = c4pi_strdup(rt->port, dir)))
        c4pi_die(rt, dir ? C4P_ERR_NOMEM : C4P_ERR_DATA, "a request for a checkpoint is lost");
    c4pi_msg_drop(msg);
    for (at = &ckpt->requests; *at; at = &(*at)->next)
        ;
    *at = request;
    if (ckpt->requests == request)
        c4pi_wave_call(rt, on_quiet);
    c4pi_count_processed(rt);
}

/* ---- standing still --------------------------------------------------------------------------- */

static void
freeze(c4p_rt_t *rt)
{
    rt->ckpt->gate_before = rt->gate_closed;
    rt->gate_closed = rt->frozen = true;
}

static void
thaw(c4p_rt_t *rt)
{
    if (rt->frozen)
        rt->gate_closed = rt->ckpt->gate_before;
    rt->frozen = false;
}

static bool
stands_in_the_way(const c4pi_elem_t *elem, c4p_ref_t waits, const char **why_out)
{
    c4p_ref_t self = c4pi_elem_ref(elem);
    uint32_t allowed = c4p_ref_eq(self, waits);
    if (elem->suspended > allowed)
        *why_out = "a coroutine of it waits; only the one that asks for the checkpoint may";
    else if (elem->state != C4PI_ELEM_LIVE)
        *why_out = "it is not constructed yet";
    else if (elem->flags & (C4PI_ELEM_DOOMED | C4PI_ELEM_LEAVING))
        *why_out = "it is about to move or to be deleted";
    else
        return false;
    return true;
}

static bool
coll_may_go(c4pi_coll_t *coll, c4p_ref_t waits, c4pi_outcome_t *outcome)
{
    const char *why;
    char who[160];
    if (c4pi_reduce_list(coll, NULL)) {
        c4pi_outcome_fail(coll->rt, outcome, C4P_ERR_BUSY,
                          "a reduction over %s lacks contributions", c4pi_coll_label(coll));
        return false;
    }
    for (uint32_t i = 0; !coll->section && i < coll->count; i++)
        if (stands_in_the_way(coll->vec[i], waits, &why)) {
            c4pi_ref_text(coll, coll->vec[i]->key, who, sizeof who);
            c4pi_outcome_fail(coll->rt, outcome, C4P_ERR_BUSY, "%s is in the way: %s", who, why);
            return false;
        }
    if (!coll->section && coll->count && (!coll->type->desc.pack || !coll->type->desc.unpack)) {
        c4pi_outcome_fail(coll->rt, outcome, C4P_ERR_TYPE,
                          "chares of type %s cannot be packed: the type has no pack and unpack "
                          "functions",
                          c4pi_type_shown(coll->type));
        return false;
    }
    return true;
}

void
c4pi_ckpt_prepare(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4p_ref_t waits;
    char why[1000];
    size_t at = 0;
    uint64_t id;
    void *coll;
    c4p_get_bytes(order, &waits, sizeof waits);
    freeze(rt);
    outcome->sum[0] = rt->created;
    outcome->sum[1] = rt->processed;
    if (rt->num_unclaimed || rt->num_strangers)
        c4pi_outcome_fail(rt, outcome, C4P_ERR_BUSY,
                          "%llu messages wait for elements that nobody has created",
                          (unsigned long long)(rt->num_unclaimed + rt->num_strangers));
    const c4p_checkpoint_hooks_t *hooks = &rt->ckpt->hooks;
    if (hooks->in_the_way && hooks->in_the_way(rt, why, sizeof why, hooks->ctx))
        c4pi_outcome_fail(rt, outcome, C4P_ERR_BUSY, "%s is in the way", why);
    while (outcome->status == C4P_OK && c4pi_map_next(&rt->colls, &at, &id, &coll))
        if (!coll_may_go(coll, waits, outcome))
            break;
}

/* ---- rank 0 goes from step to step ------------------------------------------------------------ */

/* All go on: with the new set, without it, or (again) to try once more. */
static void
finish(c4p_rt_t *rt, bool again, c4p_status_t status, int rank, const char *why)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4p_pup_t p;
    ckpt->again = again;
    ckpt->status = status;
    ckpt->why[0] = '\0';
    if (status != C4P_OK)
        snprintf(ckpt->why, sizeof ckpt->why, "rank %d: %s", rank, why);
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, (uint32_t)status);
    c4p_put_u64(&p, ckpt->former);
    c4p_put_u32(&p, (uint32_t)ckpt->former_ranks);
    c4pi_round_begin(rt, C4PI_ORDER_FINISH, &p);
}

void
c4pi_ckpt_prepared(c4p_rt_t *rt, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    const c4pi_ckpt_request_t *request = ckpt->requests;
    c4p_pup_t p;
    c4p_status_t st;
    ckpt->elements = ckpt->bytes = ckpt->generation = ckpt->former = 0;
    if (outcome->sum[0] != ckpt->quiet_created || outcome->sum[1] != ckpt->quiet_created) {
        finish(rt, true, C4P_ERR_BUSY, 0, "");
    } else if (outcome->status != C4P_OK) {
        finish(rt, false, outcome->status, outcome->rank, outcome->why);
    } else if ((st = c4pi_ckpt_key_need(rt, outcome->why, sizeof outcome->why)) != C4P_OK) {
        finish(rt, false, st, 0, outcome->why);
    } else if ((st = c4pi_ckpt_dir_open(rt, request->dir, outcome->why, sizeof outcome->why)) !=
               C4P_OK) {
        finish(rt, false, st, 0, outcome->why);
    } else {
        c4pi_pup_pack_init(&p, &rt->msgs);
        c4p_put_u64(&p, ckpt->generation);
        c4p_put_blob(&p, request->dir, strlen(request->dir) + 1);
        c4pi_round_begin(rt, C4PI_ORDER_WRITE, &p);
    }
}

/* The request is served. */
static void
tell(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4pi_ckpt_request_t *request = ckpt->requests;
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, (uint32_t)ckpt->status);
    c4p_put_u64(&p, ckpt->generation);
    c4p_put_u64(&p, ckpt->elements);
    c4p_put_u64(&p, ckpt->bytes);
    c4p_put_blob(&p, ckpt->why, strlen(ckpt->why) + 1);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    ckpt->requests = request->next;
    c4p_target_t done = request->done;
    c4pi_free(rt->port, request->dir, strlen(request->dir) + 1);
    c4pi_free(rt->port, request, sizeof *request);
    c4pi_target_deliver(rt, &done, msg);
}

void
c4pi_ckpt_finished(c4p_rt_t *rt, c4pi_outcome_t *outcome)
{
    (void)outcome;
    if (!rt->ckpt->again)
        tell(rt);
    if (rt->ckpt->requests)
        c4pi_wave_call(rt, on_quiet);
}

/* ---- writing ---------------------------------------------------------------------------------- */

enum { KEPT_FLAGS = C4PI_ELEM_INSERTED | C4PI_ELEM_SYNC };

static c4p_status_t
add_body(c4pi_setfile_writer_t *w, c4p_ref_t ref, uint32_t sort, c4p_pup_t *p)
{
    c4p_msg_t *msg;
    c4p_status_t st = c4pi_pup_pack_finish(p, &msg);
    if (st != C4P_OK)
        return st;
    const c4pi_body_t body = {ref.coll, ref.key, sort, c4pi_msg_payload(msg), msg->env.len};
    st = c4pi_setfile_add(w, &body);
    c4pi_msg_drop(msg);
    return st;
}

/* One element; false with the reason in outcome. */
static bool
write_element(c4pi_elem_t *elem, c4pi_setfile_writer_t *w, c4pi_outcome_t *outcome)
{
    c4pi_coll_t *coll = elem->coll;
    const c4p_type_desc_t *desc = &coll->type->desc;
    c4p_pup_t p;
    char who[160];
    c4pi_pup_pack_init(&p, &coll->rt->msgs);
    c4p_put_u8(&p, elem->flags & KEPT_FLAGS);
    c4p_put_u8(&p, elem->extra && elem->extra->sync_waits);
    c4p_put_u32(&p, elem->extra ? elem->extra->sync_entry : 0);
    c4p_status_t st = desc->pack(coll->rt, elem->object, &p, desc->ctx);
    if (st != C4P_OK)
        c4pi_outcome_fail(coll->rt, outcome, st, "%s cannot be packed: %s",
                          c4pi_ref_text(coll, elem->key, who, sizeof who),
                          p.why[0] ? p.why : c4p_strerror(st));
    else if ((st = add_body(w, c4pi_elem_ref(elem), C4PI_BODY_ELEMENT, &p)) != C4P_OK)
        c4pi_outcome_fail(coll->rt, outcome, st, "%s", w->why[0] ? w->why : c4p_strerror(st));
    c4pi_pup_fini(&p);
    return st == C4P_OK;
}

/* A section is its creator's. */
static bool
write_section(c4pi_coll_t *coll, c4pi_setfile_writer_t *w, c4pi_outcome_t *outcome)
{
    c4p_rt_t *rt = coll->rt;
    c4p_pup_t p;
    if (rt->rank != coll->root)
        return true;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4pi_section_put(coll, &p);
    c4p_status_t st = add_body(w, (c4p_ref_t){.coll = coll->id}, C4PI_BODY_SECTION, &p);
    if (st != C4P_OK)
        c4pi_outcome_fail(rt, outcome, st, "%s", w->why[0] ? w->why : c4p_strerror(st));
    c4pi_pup_fini(&p);
    return st == C4P_OK;
}

static bool
write_coll(c4pi_coll_t *coll, c4pi_setfile_writer_t *w, c4pi_outcome_t *outcome)
{
    if (coll->section)
        return write_section(coll, w, outcome);
    for (uint32_t i = 0; i < coll->count; i++)
        if (!write_element(coll->vec[i], w, outcome))
            return false;
    outcome->sum[0] += coll->count;
    return true;
}

/* What rank 0 puts into the manifest: this rank's file, and the collections that have their root
 * here. */
static void
put_part(c4p_rt_t *rt, const c4pi_setfile_sum_t *sum, c4pi_outcome_t *outcome)
{
    c4p_pup_t *p = &outcome->parts;
    uint32_t count = 0;
    size_t at = 0;
    uint64_t id;
    void *value;
    while (c4pi_map_next(&rt->colls, &at, &id, &value)) {
        const c4pi_coll_t *coll = value;
        count += coll->root == rt->rank && !coll->section;
    }
    c4p_put_u32(p, (uint32_t)rt->rank);
    c4p_put_u64(p, sum->len);
    c4p_put_u64(p, sum->count);
    c4p_put_u32(p, sum->crc);
    c4p_put_bytes(p, sum->sha, sizeof sum->sha);
    c4p_put_u32(p, count);
    for (at = 0; c4pi_map_next(&rt->colls, &at, &id, &value);) {
        const c4pi_coll_t *coll = value;
        if (coll->root == rt->rank && !coll->section)
            c4pi_manifest_put_coll(coll, p);
    }
}

void
c4pi_ckpt_write(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    char path[C4PI_PATH_MAX], why[C4PI_WHY_MAX];
    c4pi_setfile_writer_t *w;
    c4pi_setfile_sum_t sum;
    size_t len, at = 0;
    uint64_t id;
    void *coll;
    ckpt->generation = c4p_get_u64(order);
    const char *dir = c4p_get_blob(order, &len);
    snprintf(ckpt->dir, sizeof ckpt->dir, "%s", dir ? dir : "");
    c4pi_ckpt_set_path(ckpt->dir, ckpt->generation, rt->rank, path, sizeof path);
    const c4pi_setfile_head_t head = {C4PI_SETFILE_ELEMENTS, (uint32_t)rt->rank,
                                      (uint32_t)rt->num_ranks, ckpt->generation};
    c4p_status_t st = c4pi_setfile_create(rt->port, path, &head, &w, why, sizeof why);
    if (st != C4P_OK) {
        c4pi_outcome_fail(rt, outcome, st, "%s", why);
        return;
    }
    while (outcome->status == C4P_OK && c4pi_map_next(&rt->colls, &at, &id, &coll))
        if (!write_coll(coll, w, outcome))
            break;
    if (outcome->status != C4P_OK) {
        c4pi_setfile_abandon(w);
        return;
    }
    if ((st = c4pi_setfile_finish(w, &sum, why, sizeof why)) != C4P_OK) {
        c4pi_outcome_fail(rt, outcome, st, "%s", why);
        return;
    }
    ckpt->wrote = true;
    int error = rt->port->ops->files->sync_dir(rt->port, ckpt->dir);
    if (error)
        c4pi_outcome_fail(rt, outcome, C4P_ERR_IO, "%s: cannot be brought to the disk: %s",
                          ckpt->dir, strerror(error));
    outcome->sum[1] = sum.len;
    outcome->max[0] = rt->next_coll;
    outcome->max[1] = c4pi_futures_next(rt);
    put_part(rt, &sum, outcome);
}

/* ---- publishing ------------------------------------------------------------------------------- */

static c4p_status_t
write_manifest(c4p_rt_t *rt, const char *path, const c4pi_outcome_t *outcome, char *why,
               size_t size)
{
    const c4pi_ckpt_t *ckpt = rt->ckpt;
    const c4pi_setfile_head_t head = {C4PI_SETFILE_MANIFEST, 0, (uint32_t)rt->num_ranks,
                                      ckpt->generation};
    c4pi_setfile_writer_t *w;
    c4pi_setfile_sum_t sum;
    c4p_pup_t p;
    c4p_status_t st = c4pi_setfile_create(rt->port, path, &head, &w, why, size);
    if (st != C4P_OK)
        return st;
    c4pi_pup_pack_init(&p, &rt->msgs);
    st = c4pi_manifest_put(rt, outcome, &p);
    if (st == C4P_OK)
        st = add_body(w, (c4p_ref_t){0}, C4PI_BODY_MANIFEST, &p);
    if (st == C4P_OK)
        st = c4pi_ckpt_seal(rt, w);
    if (st != C4P_OK) {
        snprintf(why, size, "%s", p.why[0] ? p.why : w->why[0] ? w->why : c4p_strerror(st));
        c4pi_setfile_abandon(w);
    } else {
        st = c4pi_setfile_finish(w, &sum, why, size);
    }
    c4pi_pup_fini(&p);
    return st;
}

/* The new set counts from the moment of the renaming. */
static c4p_status_t
publish(c4p_rt_t *rt, const c4pi_outcome_t *outcome, char *why, size_t size)
{
    const c4pi_file_ops_t *files = rt->port->ops->files;
    char fresh[C4PI_PATH_MAX], path[C4PI_PATH_MAX];
    int error;
    c4pi_ckpt_dir_path(rt->ckpt->dir, "manifest.new", fresh, sizeof fresh);
    c4pi_ckpt_dir_path(rt->ckpt->dir, "manifest", path, sizeof path);
    c4p_status_t st = write_manifest(rt, fresh, outcome, why, size);
    if (st != C4P_OK)
        return st;
    if ((error = files->rename(rt->port, fresh, path)) != 0) {
        snprintf(why, size, "%s: cannot take its name: %s", fresh, strerror(error));
        (void)files->remove(rt->port, fresh);
        return C4P_ERR_IO;
    }
    return C4P_OK;
}

void
c4pi_ckpt_written(c4p_rt_t *rt, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    char why[C4PI_WHY_MAX];
    c4p_status_t st = outcome->status;
    int rank = outcome->rank, error;
    snprintf(why, sizeof why, "%s", outcome->why);
    ckpt->elements = outcome->sum[0];
    ckpt->bytes = outcome->sum[1];
    if (st == C4P_OK) {
        st = publish(rt, outcome, why, sizeof why);
        rank = 0;
    }
    if (st == C4P_OK && (error = rt->port->ops->files->sync_dir(rt->port, ckpt->dir)) != 0) {
        /* Which set a loss of power would leave is not known: both stay. */
        c4pi_log(rt->port, C4P_LOG_WARN, "%s: cannot be brought to the disk: %s", ckpt->dir,
                 strerror(error));
        ckpt->former = 0;
    }
    finish(rt, false, st, rank, why);
}

/* ---- going on --------------------------------------------------------------------------------- */

void
c4pi_ckpt_finish(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4p_status_t status = (c4p_status_t)c4p_get_u32(order);
    uint64_t former = c4p_get_u64(order);
    int former_ranks = (int)c4p_get_u32(order);
    if (status != C4P_OK && ckpt->wrote)
        c4pi_ckpt_dir_remove(rt, ckpt->generation, rt->rank);
    for (int rank = rt->rank; status == C4P_OK && former && rank < former_ranks;
         rank += rt->num_ranks)
        c4pi_ckpt_dir_remove(rt, former, rank);
    ckpt->wrote = false;
    (void)outcome;
    thaw(rt);
}
