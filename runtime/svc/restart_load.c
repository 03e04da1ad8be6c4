/* SPDX-License-Identifier: Apache-2.0 */
/* restart_load.c: rank 0 reads and checks the manifest for all, every rank its share of the other
 * files. Nothing is unpacked before all have found them good. */
#include <stdio.h>
#include <string.h>

#include "core/route.h"
#include "svc/checkpoint.h"

/* Rank 0: the manifest, for all. */
static c4p_status_t
read_manifest(c4p_rt_t *rt, const char *dir, c4pi_setfile_t *seg, char *why, size_t size)
{
    char path[C4PI_PATH_MAX];
    const char *reason = "is no manifest";
    c4pi_body_t body = {0};
    c4p_status_t st = c4pi_ckpt_key_need(rt, why, size);
    if (st != C4P_OK)
        return st;
    c4pi_ckpt_dir_path(dir, "manifest", path, sizeof path);
    if ((st = c4pi_setfile_load(rt->port, path, seg, why, size)) != C4P_OK)
        return st;
    if (seg->count)
        c4pi_setfile_body(seg, 0, &body);
    if (seg->head.kind == C4PI_SETFILE_MANIFEST && body.sort == C4PI_BODY_MANIFEST &&
        seg->count <= 2 && c4pi_ckpt_seal_check(rt, seg, &reason) == C4P_OK)
        return C4P_OK;
    snprintf(why, size, "%s: %s", path, reason);
    c4pi_setfile_unload(seg);
    return C4P_ERR_DATA;
}

void
c4pi_restart_begin(c4p_rt_t *rt, const char *dir)
{
    c4pi_ckpt_t *ckpt = c4pi_ckpt_need(rt);
    char why[C4PI_WHY_MAX] = "";
    c4pi_setfile_t seg = {0};
    c4pi_body_t body = {0};
    c4p_pup_t p;
    ckpt->restarting = true;
    if (rt->rank != 0)
        return;
    c4p_status_t st = read_manifest(rt, dir, &seg, why, sizeof why);
    if (st == C4P_OK)
        c4pi_setfile_body(&seg, 0, &body);
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, (uint32_t)st);
    c4p_put_blob(&p, why, st == C4P_OK ? 0 : strlen(why));
    c4p_put_blob(&p, dir, strlen(dir) + 1);
    c4p_put_u64(&p, seg.head.generation);
    c4p_put_u32(&p, seg.head.num_ranks);
    c4p_put_blob(&p, body.data, (size_t)body.len);
    c4pi_setfile_unload(&seg);
    c4pi_round_begin(rt, C4PI_ORDER_LOAD, &p);
}

static bool
body_is_sound(const c4pi_manifest_t *m, const c4pi_body_t *body)
{
    if (body->sort == C4PI_BODY_SECTION)
        return body->coll && (uint32_t)c4pi_coll_creator(body->coll) < m->num_creators;
    const c4pi_coll_desc_t *desc =
        body->sort == C4PI_BODY_ELEMENT ? c4pi_manifest_find(m, body->coll) : NULL;
    if (!desc || body->len < 6)
        return false;
    uint64_t limit = desc->kind == C4P_KIND_GROUP ? (uint64_t)m->num_ranks : 1;
    return desc->kind == C4P_KIND_ARRAY || (body->key.w[0] < limit && !body->key.w[1]);
}

static bool
is_meant(const c4pi_manifest_t *m, int rank, const c4pi_setfile_t *seg)
{
    const c4pi_setfile_sum_t *want = &m->files[rank];
    uint8_t sha[C4PI_SHA256_LEN];
    if (seg->head.kind != C4PI_SETFILE_ELEMENTS || (int)seg->head.rank != rank ||
        (int)seg->head.num_ranks != m->num_ranks || seg->head.generation != m->generation ||
        seg->len != want->len || seg->crc != want->crc || seg->count != want->count)
        return false;
    c4pi_setfile_sha(seg, seg->len, sha);
    return c4pi_sha256_same(sha, want->sha);
}

/* One file: what it must be by the manifest, and that each body has its place. */
static c4p_status_t
load_file(c4p_rt_t *rt, int rank, c4pi_setfile_t *seg, char *why, size_t size)
{
    const c4pi_manifest_t *m = &rt->ckpt->manifest;
    char path[C4PI_PATH_MAX];
    c4pi_ckpt_set_path(rt->ckpt->dir, m->generation, rank, path, sizeof path);
    c4p_status_t st = c4pi_setfile_load(rt->port, path, seg, why, size);
    if (st != C4P_OK)
        return st;
    if (!is_meant(m, rank, seg)) {
        snprintf(why, size, "%s: is not the file of the set that the manifest means", path);
        return C4P_ERR_DATA;
    }
    for (uint64_t i = 0; i < seg->count; i++) {
        c4pi_body_t body;
        c4pi_setfile_body(seg, i, &body);
        if (!body_is_sound(m, &body)) {
            snprintf(why, size, "%s: its body %llu makes no sense", path, (unsigned long long)i);
            return C4P_ERR_DATA;
        }
    }
    return C4P_OK;
}

/* Every num_ranks-th file is this rank's to read. */
static c4p_status_t
load_share(c4p_rt_t *rt, char *why, size_t size)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    int share = (ckpt->manifest.num_ranks - rt->rank + rt->num_ranks - 1) / rt->num_ranks;
    c4p_status_t st = C4P_OK;
    if (share <= 0)
        return C4P_OK;
    ckpt->files = c4pi_calloc(rt->port, (size_t)share * sizeof *ckpt->files);
    if (!ckpt->files) {
        snprintf(why, size, "no memory to read the checkpoint");
        return C4P_ERR_NOMEM;
    }
    ckpt->num_files = share;
    for (int i = 0; st == C4P_OK && i < share; i++)
        st = load_file(rt, rt->rank + i * rt->num_ranks, &ckpt->files[i], why, size);
    return st;
}

static c4p_status_t
take_manifest(c4p_rt_t *rt, c4p_pup_t *order, char *why, size_t size)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4pi_setfile_head_t head = {.generation = c4p_get_u64(order)};
    char path[C4PI_PATH_MAX], reason[240];
    size_t len;
    head.num_ranks = c4p_get_u32(order);
    const void *bytes = c4p_get_blob(order, &len);
    ckpt->manifest_bytes = c4pi_msg_or_die(rt, len);
    if (len)
        memcpy(c4pi_msg_payload(ckpt->manifest_bytes), bytes, len);
    c4p_status_t st = c4pi_manifest_parse(rt, &head, c4pi_msg_payload(ckpt->manifest_bytes), len,
                                          &ckpt->manifest, reason, sizeof reason);
    if (st != C4P_OK) {
        c4pi_ckpt_dir_path(ckpt->dir, "manifest", path, sizeof path);
        snprintf(why, size, "%s: %s", path, reason);
    }
    return st;
}

void
c4pi_restart_load(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    char why[C4PI_WHY_MAX] = "";
    size_t len;
    c4p_status_t st = (c4p_status_t)c4p_get_u32(order);
    const char *text = c4p_get_blob(order, &len);
    snprintf(why, sizeof why, "%.*s", (int)len, text ? text : "");
    const char *dir = c4p_get_blob(order, &len);
    snprintf(ckpt->dir, sizeof ckpt->dir, "%s", dir ? dir : "");
    ckpt->restarting = true;
    if (st == C4P_OK)
        st = take_manifest(rt, order, why, sizeof why);
    if (st == C4P_OK)
        st = load_share(rt, why, sizeof why);
    if (st != C4P_OK)
        c4pi_outcome_fail(rt, outcome, st, "%s", why);
}
