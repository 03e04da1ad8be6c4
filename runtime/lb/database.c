/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/database.h"

#include <stdlib.h>
#include <string.h>

#include "comm/hosts.h"
#include "core/load.h"
#include "lb/need.h"
#include "lb/speed.h"
#include "svc/migrate.h"

/* ---- on each rank ----------------------------------------------------------------------------- */

/* As they travel: items, then members of sections, then rows of who called whom. */
typedef struct stats_head {
    double background, measured, speed;
    uint64_t items, members, rows;
} stats_head_t;

typedef struct stats_item {
    c4p_ref_t ref;
    double load;
    uint64_t given, packed_bytes, messages, bytes;
} stats_item_t;

bool
c4pi_database_movable(const c4pi_elem_t *elem)
{
    return elem->flags & C4PI_ELEM_SYNC && c4pi_may_move(elem);
}

static double
seconds(const c4pi_work_t *work, uint64_t points)
{
    return work->given ? work->given_s : (double)work->ns * 1e-9 / (double)points;
}

static void
put_coll(c4pi_coll_t *coll, uint64_t points, c4p_pup_t *p, stats_head_t *head)
{
    for (uint32_t i = 0; i < coll->count; i++) {
        c4pi_elem_t *elem = coll->vec[i];
        c4pi_work_t work = c4pi_load_take(elem);
        if (!c4pi_database_movable(elem)) {
            head->background += seconds(&work, points);
            continue;
        }
        stats_item_t item = {c4pi_elem_ref(elem),       seconds(&work, points), work.given,
                             elem->extra->packed_bytes, work.messages,          work.bytes};
        c4p_put_bytes(p, &item, sizeof item);
        head->measured += (double)work.ns * 1e-9 / (double)points;
        head->items++;
    }
}

/* Whose records are here: so each member of a section is told of once. */
static uint64_t
put_members(const c4pi_coll_t *section, c4p_pup_t *p)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const c4p_ref_t *member = section->vec[i]->object;
        c4pi_edge_member_t row = {section->id, *member};
        c4p_put_bytes(p, &row, sizeof row);
    }
    return section->count;
}

c4p_msg_t *
c4pi_database_pack(c4p_rt_t *rt, uint64_t points, double speed)
{
    stats_head_t head = {.speed = speed};
    size_t at = 0;
    uint64_t id;
    void *coll;
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_bytes(&p, &head, sizeof head); /* its place */
    while (c4pi_map_next(&rt->colls, &at, &id, &coll))
        if (((c4pi_coll_t *)coll)->kind != C4P_KIND_SECTION)
            put_coll(coll, points, &p, &head);
    at = 0;
    while (rt->talk && c4pi_map_next(&rt->colls, &at, &id, &coll))
        if (((c4pi_coll_t *)coll)->kind == C4P_KIND_SECTION)
            head.members += put_members(coll, &p);
    head.rows = c4pi_talk_take(rt, &p);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
    memcpy(c4pi_msg_payload(msg), &head, sizeof head);
    return msg;
}

/* ---- on rank 0 -------------------------------------------------------------------------------- */

void
c4pi_database_add(c4p_rt_t *rt, c4pi_database_t *db, int rank, const uint8_t *at)
{
    stats_head_t head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    if (!db->background) {
        db->background = c4pi_need(rt, (size_t)rt->num_ranks, sizeof *db->background);
        db->measured = c4pi_need(rt, (size_t)rt->num_ranks, sizeof *db->measured);
        db->speed = c4pi_need(rt, (size_t)rt->num_ranks, sizeof *db->speed);
    }
    db->background[rank] = head.background;
    db->measured[rank] = head.measured;
    db->speed[rank] = head.speed;
    db->objects =
        c4pi_need_more(rt, db->objects, db->num, (size_t)head.items, &db->cap, sizeof *db->objects);
    for (uint64_t i = 0; i < head.items; i++, at += sizeof(stats_item_t)) {
        stats_item_t item;
        memcpy(&item, at, sizeof item);
        db->objects[db->num++] = (c4pi_object_t){
            item.ref, item.load, item.given, item.packed_bytes, item.messages, item.bytes, rank,
        };
    }
    c4pi_edges_add_members(rt, &db->edges, at, (size_t)head.members);
    at += head.members * sizeof(c4pi_edge_member_t);
    c4pi_edges_add_rows(rt, &db->edges, at, (size_t)head.rows);
}

static int
by_ref(const void *one, const void *other)
{
    const c4pi_object_t *a = one, *b = other;
    return c4pi_ref_before(b->ref, a->ref) - c4pi_ref_before(a->ref, b->ref);
}

static size_t
find_object(const void *ctx, c4p_ref_t ref)
{
    const c4pi_database_t *db = ctx;
    size_t low = 0, high = db->num;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c4pi_ref_before(db->objects[middle].ref, ref))
            low = middle + 1;
        else
            high = middle;
    }
    return low < db->num && !c4pi_ref_before(ref, db->objects[low].ref) ? low : SIZE_MAX;
}

static int
most_dims(c4p_rt_t *rt, const c4pi_database_t *db)
{
    int most = 0;
    for (size_t i = 0; i < db->num; i++) {
        const c4pi_coll_t *coll = c4pi_coll_find(rt, db->objects[i].ref.coll);
        if (coll && coll->ndims > most)
            most = coll->ndims;
    }
    return most;
}

static void
put_coords(c4p_rt_t *rt, c4p_ref_t ref, double *to)
{
    const c4pi_coll_t *coll = c4pi_coll_find(rt, ref.coll);
    c4p_index_t index;
    if (!coll)
        return;
    c4p_index_unpack(ref.key, coll->ndims, &index);
    for (int d = 0; d < coll->ndims; d++)
        to[d] = (double)index.at[d];
}

static void
new_arrays(c4p_rt_t *rt, c4pi_database_t *db)
{
    size_t n = db->num;
    db->num_coords = most_dims(rt, db);
    db->node = c4pi_need(rt, (size_t)rt->num_ranks, sizeof *db->node);
    db->refs = c4pi_need(rt, n, sizeof *db->refs);
    db->rank = c4pi_need(rt, n, sizeof *db->rank);
    db->plan = c4pi_need(rt, n, sizeof *db->plan);
    db->load = c4pi_need(rt, n, sizeof *db->load);
    db->packed_bytes = c4pi_need(rt, n, sizeof *db->packed_bytes);
    db->messages = c4pi_need(rt, n, sizeof *db->messages);
    db->bytes = c4pi_need(rt, n, sizeof *db->bytes);
    db->coords = c4pi_need(rt, n * (size_t)db->num_coords, sizeof *db->coords);
}

static void
fill_arrays(c4p_rt_t *rt, c4pi_database_t *db)
{
    for (int r = 0; r < rt->num_ranks; r++)
        db->node[r] = c4pi_hosts_of(&c4pi_flow_comm(rt->flow)->hosts, r);
    for (size_t i = 0; i < db->num; i++) {
        const c4pi_object_t *object = &db->objects[i];
        db->refs[i] = object->ref;
        db->rank[i] = db->plan[i] = object->rank;
        db->load[i] = object->load;
        db->packed_bytes[i] = object->packed_bytes;
        db->messages[i] = object->messages;
        db->bytes[i] = object->bytes;
        put_coords(rt, object->ref, db->coords + i * (size_t)db->num_coords);
    }
}

/* What the program gave is taken as it is. */
static void
predict(c4p_rt_t *rt, c4pi_database_t *db)
{
    c4pi_history_add(rt, &db->history, &db->predictor, db->refs, db->load, db->num);
    for (size_t i = 0; i < db->num; i++)
        if (db->objects[i].given)
            db->load[i] = db->objects[i].load;
}

/* Ranks differ: from seconds where it was measured to seconds of a rank of speed 1. */
static void
times_to_work(c4p_rt_t *rt, c4pi_database_t *db)
{
    for (int r = 0; r < rt->num_ranks; r++) {
        db->background[r] *= db->speed[r];
        db->measured[r] *= db->speed[r];
    }
    for (size_t i = 0; i < db->num; i++)
        if (!db->objects[i].given)
            db->objects[i].load *= db->speed[db->objects[i].rank];
}

void
c4pi_database_view(c4p_rt_t *rt, c4pi_database_t *db, c4p_lb_view_t *view)
{
    const bool alike = c4pi_speeds_alike(db->speed, rt->num_ranks);
    if (db->num)
        qsort(db->objects, db->num, sizeof *db->objects, by_ref);
    if (!alike)
        times_to_work(rt, db);
    new_arrays(rt, db);
    fill_arrays(rt, db);
    predict(rt, db);
    if (rt->talk)
        c4pi_edges_build(rt, &db->edges, db->num, find_object, db);
    *view = (c4p_lb_view_t){.struct_size = sizeof *view,
                            .num_ranks = rt->num_ranks,
                            .num_nodes = c4pi_flow_comm(rt->flow)->hosts.num_hosts,
                            .node = db->node,
                            .speed = alike ? NULL : db->speed,
                            .background = db->background,
                            .num_objects = db->num,
                            .load = db->load,
                            .rank = db->rank,
                            .bytes = db->packed_bytes,
                            .num_coords = db->num_coords,
                            .coords = db->num_coords ? db->coords : NULL,
                            .edge_first = db->edges.first,
                            .edge_to = db->edges.to,
                            .edge_bytes = db->edges.bytes,
                            .messages = db->messages,
                            .bytes_sent = db->bytes};
}

double
c4pi_database_unit_s(const c4pi_database_t *db, const c4p_lb_view_t *view)
{
    double seconds = 0, loads = 0;
    bool given = false;
    for (int r = 0; r < view->num_ranks; r++)
        seconds += db->measured[r];
    for (size_t i = 0; i < view->num_objects; i++) {
        given |= db->objects[i].given;
        loads += view->load[i];
    }
    return given && loads > 0 ? seconds / loads : 1;
}

void
c4pi_database_clear(c4p_rt_t *rt, c4pi_database_t *db)
{
    size_t n = db->num, p = (size_t)rt->num_ranks;
    c4pi_need_free(rt, db->background, p, sizeof *db->background);
    c4pi_need_free(rt, db->measured, p, sizeof *db->measured);
    c4pi_need_free(rt, db->speed, p, sizeof *db->speed);
    c4pi_need_free(rt, db->node, p, sizeof *db->node);
    c4pi_need_free(rt, db->refs, n, sizeof *db->refs);
    c4pi_need_free(rt, db->rank, n, sizeof *db->rank);
    c4pi_need_free(rt, db->plan, n, sizeof *db->plan);
    c4pi_need_free(rt, db->load, n, sizeof *db->load);
    c4pi_need_free(rt, db->packed_bytes, n, sizeof *db->packed_bytes);
    c4pi_need_free(rt, db->messages, n, sizeof *db->messages);
    c4pi_need_free(rt, db->bytes, n, sizeof *db->bytes);
    c4pi_need_free(rt, db->coords, n * (size_t)db->num_coords, sizeof *db->coords);
    c4pi_free(rt->port, db->objects, db->cap * sizeof *db->objects);
    c4pi_edges_clear(rt, &db->edges);
    *db = (c4pi_database_t){.predictor = db->predictor, .history = db->history};
}
