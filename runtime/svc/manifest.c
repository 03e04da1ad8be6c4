/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.c: the bytes of a manifest: what they say of the job, and what must hold of them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "svc/checkpoint.h"
#include "svc/grow.h"
#include "svc/reduce.h"

/* ---- writing ---------------------------------------------------------------------------------- */

void
c4pi_manifest_put_coll(const c4pi_coll_t *coll, c4p_pup_t *p)
{
    c4p_put_u64(p, coll->id);
    c4p_put_u8(p, (uint8_t)coll->kind);
    c4p_put_u8(p, coll->dense);
    c4p_put_u8(p, coll->at_sync);
    c4p_put_u8(p, c4pi_reduce_is_open(coll));
    c4p_put_u8(p, c4pi_grow_dynamic(coll));
    c4p_put_u8(p, (uint8_t)coll->ndims);
    c4p_put_u32(p, coll->type->id);
    for (int d = 0; d < C4P_MAX_DIMS; d++)
        c4p_put_u64(p, (uint64_t)coll->dims[d]);
    c4p_put_u32(p, coll->map);
    c4p_put_u64(p, coll->map_arg);
    c4p_put_u32(p, coll->tag);
    c4p_put_u32(p, (uint32_t)coll->chare_rank);
}

/* What must be the same when the job goes on. */
static void
put_tables(c4p_rt_t *rt, c4p_pup_t *p)
{
    c4p_pup_t list;
    c4p_msg_t *lines = NULL;
    c4pi_pup_pack_init(&list, &rt->msgs);
    c4pi_registry_list(rt->registry, &list);
    if (c4pi_pup_pack_finish(&list, &lines) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    c4p_put_blob(p, c4pi_msg_payload(lines), (size_t)lines->env.len);
    c4pi_msg_drop(lines);
}

static c4p_status_t
put_language(c4p_rt_t *rt, c4p_pup_t *p)
{
    const c4p_checkpoint_hooks_t *hooks = &rt->ckpt->hooks;
    c4p_msg_t *msg = NULL;
    c4p_pup_t own;
    c4pi_pup_pack_init(&own, &rt->msgs);
    c4p_status_t st = hooks->pack ? hooks->pack(rt, &own, hooks->ctx) : C4P_OK;
    if (st == C4P_OK)
        st = c4pi_pup_pack_finish(&own, &msg);
    if (st == C4P_OK)
        c4p_put_blob(p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    else
        c4p_pup_fail(p, own.why[0] ? own.why : c4p_strerror(st), NULL);
    if (msg)
        c4pi_msg_drop(msg);
    c4pi_pup_fini(&own);
    return st;
}

c4p_status_t
c4pi_manifest_put(c4p_rt_t *rt, const c4pi_outcome_t *outcome, c4p_pup_t *p)
{
    put_tables(rt, p);
    c4p_put_u32(p, (uint32_t)rt->num_creators);
    c4p_put_u64(p, outcome->max[0]);
    c4p_put_u64(p, outcome->max[1]);
    c4p_status_t st = put_language(rt, p);
    if (outcome->parts.at)
        c4p_put_bytes(p, c4pi_msg_payload(outcome->parts.out), outcome->parts.at);
    return st == C4P_OK ? c4p_pup_status(p) : st;
}

/* ---- reading ---------------------------------------------------------------------------------- */

typedef struct parse {
    c4p_rt_t *rt;
    c4p_pup_t p;
    c4pi_manifest_t *m;
    char *why;
    size_t size;
    c4p_status_t status;
} parse_t;

static bool refuse(parse_t *parse, c4p_status_t status, const char *fmt, ...) C4P_PRINTF(3, 4);

static bool
refuse(parse_t *parse, c4p_status_t status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(parse->why, parse->size, fmt, args);
    va_end(args);
    parse->status = status;
    return false;
}

static size_t
line_len(const char *at, const char *end)
{
    const char *eol = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return (size_t)((eol ? eol : end) - at);
}

/* The tables must be those of now: the numbers in them are all over the state. */
static bool
parse_tables(parse_t *parse)
{
    c4p_rt_t *rt = parse->rt;
    size_t len;
    const char *a = c4p_get_blob(&parse->p, &len), *a_end = a ? a + len : NULL;
    c4p_pup_t list;
    c4p_msg_t *lines = NULL;
    bool same = true;
    if (!a)
        return refuse(parse, C4P_ERR_DATA, "it makes no sense");
    c4pi_pup_pack_init(&list, &rt->msgs);
    c4pi_registry_list(rt->registry, &list);
    if (c4pi_pup_pack_finish(&list, &lines) != C4P_OK)
        return refuse(parse, C4P_ERR_NOMEM, "no memory to read it");
    const char *b = c4pi_msg_payload(lines), *b_end = b + lines->env.len;
    while (same && (a < a_end || b < b_end)) {
        size_t na = line_len(a, a_end), nb = line_len(b, b_end);
        if (na != nb || memcmp(a, b, na) != 0)
            same =
                refuse(parse, C4P_ERR_MISMATCH,
                       "it was written by another program, or by another version of it: it has "
                       "'%.*s' where this one has '%.*s'",
                       na ? (int)na : 7, na ? a : "nothing", nb ? (int)nb : 7, nb ? b : "nothing");
        a += na + (a + na < a_end);
        b += nb + (b + nb < b_end);
    }
    c4pi_msg_drop(lines);
    return same;
}

static bool
dims_fit(const c4pi_coll_desc_t *desc)
{
    uint64_t n = 1;
    int64_t max = c4p_index_max(desc->ndims);
    for (int d = 0; desc->dense && d < desc->ndims; d++)
        if (desc->dims[d] < 0 || desc->dims[d] - 1 > max ||
            __builtin_mul_overflow(n, (uint64_t)desc->dims[d], &n))
            return false;
    return true;
}

static bool
desc_is_sound(const parse_t *parse, const c4pi_coll_desc_t *desc)
{
    const c4pi_registry_t *registry = parse->rt->registry;
    return desc->id && (uint32_t)c4pi_coll_creator(desc->id) < parse->m->num_creators &&
           desc->kind >= C4P_KIND_GROUP && desc->kind <= C4P_KIND_CHARE && desc->ndims >= 1 &&
           desc->ndims <= C4P_MAX_DIMS && (desc->kind == C4P_KIND_ARRAY || desc->ndims == 1) &&
           dims_fit(desc) && c4pi_registry_type(registry, desc->type) &&
           (!desc->map || c4pi_registry_named(registry, C4PI_MAPS, desc->map)) &&
           !c4pi_map_get(&parse->m->by_id, desc->id);
}

static c4pi_coll_desc_t *
next_desc(parse_t *parse)
{
    c4pi_manifest_t *m = parse->m;
    c4pi_coll_desc_t *colls =
        c4pi_make_room(parse->rt->port, m->colls, m->num_colls, 1, &m->cap_colls, sizeof *colls);
    if (!colls)
        return NULL;
    m->colls = colls;
    return &m->colls[m->num_colls++];
}

static bool
parse_coll(parse_t *parse)
{
    c4p_pup_t *p = &parse->p;
    c4pi_coll_desc_t *desc = next_desc(parse);
    if (!desc)
        return refuse(parse, C4P_ERR_NOMEM, "no memory to read it");
    *desc = (c4pi_coll_desc_t){.id = c4p_get_u64(p)};
    desc->kind = (c4p_coll_kind_t)c4p_get_u8(p);
    desc->dense = c4p_get_u8(p);
    desc->at_sync = c4p_get_u8(p);
    desc->known = c4p_get_u8(p);
    desc->dynamic = c4p_get_u8(p);
    desc->ndims = c4p_get_u8(p);
    desc->type = c4p_get_u32(p);
    for (int d = 0; d < C4P_MAX_DIMS; d++)
        desc->dims[d] = (int64_t)c4p_get_u64(p);
    desc->map = c4p_get_u32(p);
    desc->map_arg = c4p_get_u64(p);
    desc->tag = c4p_get_u32(p);
    desc->chare_rank = (int)(c4p_get_u32(p) & INT32_MAX);
    if (c4p_pup_status(p) != C4P_OK || !desc_is_sound(parse, desc))
        return refuse(parse, C4P_ERR_DATA, "its collection %llu makes no sense",
                      (unsigned long long)parse->m->num_colls);
    if (c4pi_map_put(&parse->m->by_id, desc->id, (void *)(uintptr_t)parse->m->num_colls) != C4P_OK)
        return refuse(parse, C4P_ERR_NOMEM, "no memory to read it");
    return true;
}

/* What a rank has written: its file, and the collections that have their root there. */
static bool
parse_part(parse_t *parse, bool *seen)
{
    c4p_pup_t *p = &parse->p;
    uint32_t rank = c4p_get_u32(p);
    c4pi_setfile_sum_t sum = {.len = c4p_get_u64(p)};
    sum.count = c4p_get_u64(p);
    sum.crc = c4p_get_u32(p);
    c4p_get_bytes(p, sum.sha, sizeof sum.sha);
    uint32_t count = c4p_get_u32(p);
    if (c4p_pup_status(p) != C4P_OK || rank >= (uint32_t)parse->m->num_ranks || seen[rank])
        return refuse(parse, C4P_ERR_DATA, "its list of files makes no sense");
    seen[rank] = true;
    parse->m->files[rank] = sum;
    while (count-- > 0)
        if (!parse_coll(parse))
            return false;
    return true;
}

static bool
parse_parts(parse_t *parse)
{
    c4pi_port_t *port = parse->rt->port;
    size_t n = (size_t)parse->m->num_ranks;
    bool good = true, *seen = c4pi_calloc(port, n * sizeof *seen);
    if (!seen)
        return refuse(parse, C4P_ERR_NOMEM, "no memory to read it");
    for (size_t i = 0; good && i < n; i++)
        good = parse_part(parse, seen);
    c4pi_free(port, seen, n * sizeof *seen);
    if (good && c4pi_pup_left(&parse->p))
        good = refuse(parse, C4P_ERR_DATA, "it has %zu bytes too many", c4pi_pup_left(&parse->p));
    return good;
}

static bool
parse_numbers(parse_t *parse)
{
    c4pi_manifest_t *m = parse->m;
    c4p_pup_t *p = &parse->p;
    m->num_creators = c4p_get_u32(p);
    m->next_coll = c4p_get_u64(p);
    m->next_future = c4p_get_u64(p);
    m->language = c4p_get_blob(p, &m->language_len);
    if (c4p_pup_status(p) != C4P_OK || m->num_creators < (uint32_t)m->num_ranks ||
        m->num_creators > C4P_MAX_RANKS || m->next_coll > UINT64_C(1) << 40)
        return refuse(parse, C4P_ERR_DATA, "its numbers make no sense");
    return true;
}

c4p_status_t
c4pi_manifest_parse(c4p_rt_t *rt, const c4pi_setfile_head_t *head, const void *data, size_t len,
                    c4pi_manifest_t *manifest, char *why, size_t size)
{
    parse_t parse = {.rt = rt, .m = manifest, .why = why, .size = size};
    *manifest =
        (c4pi_manifest_t){.generation = head->generation, .num_ranks = (int)head->num_ranks};
    c4pi_map_init(&manifest->by_id, rt->port);
    c4pi_pup_unpack_init(&parse.p, data, len);
    if (head->num_ranks > len) /* each has its part */
        (void)refuse(&parse, C4P_ERR_DATA, "its number of ranks makes no sense");
    else if (!(manifest->files = c4pi_calloc(rt->port, head->num_ranks * sizeof *manifest->files)))
        (void)refuse(&parse, C4P_ERR_NOMEM, "no memory to read it");
    else if (parse_tables(&parse) && parse_numbers(&parse))
        (void)parse_parts(&parse);
    c4pi_pup_fini(&parse.p);
    if (parse.status != C4P_OK)
        c4pi_manifest_fini(rt, manifest);
    return parse.status;
}

void
c4pi_manifest_fini(c4p_rt_t *rt, c4pi_manifest_t *m)
{
    if (m->files)
        c4pi_free(rt->port, m->files, (size_t)m->num_ranks * sizeof *m->files);
    c4pi_free(rt->port, m->colls, m->cap_colls * sizeof *m->colls);
    if (m->by_id.port)
        c4pi_map_fini(&m->by_id);
    *m = (c4pi_manifest_t){0};
}

const c4pi_coll_desc_t *
c4pi_manifest_find(const c4pi_manifest_t *m, c4p_coll_t id)
{
    uintptr_t place = (uintptr_t)c4pi_map_get(&m->by_id, id);
    return place ? &m->colls[place - 1] : NULL;
}
