/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/section.h"

#include <stdio.h>
#include <string.h>

#include "core/location.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/grow.h"
#include "svc/reduce.h"
#include "svc/section_state.h"

/* The numbers of a foreign type's entry methods, by the numbers of the section's type. */
typedef struct translation {
    struct translation *next;
    const c4pi_type_t *type;
    uint32_t count;
    c4p_entry_t entries[]; /* C4P_ENTRY_NONE: it has none of that name */
} translation_t;

enum { NO_ENTRY = UINT16_MAX };

/* In a part, after its head. */
typedef struct part_member {
    uint64_t ordinal;
    c4p_ref_t ref;
} part_member_t;

void
c4pi_section_die_nomem(c4p_rt_t *rt)
{
    c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a section");
}

void *
c4pi_section_need(c4p_rt_t *rt, size_t len)
{
    void *p = c4pi_calloc(rt->port, len ? len : 1);
    if (!p)
        c4pi_section_die_nomem(rt);
    return p;
}

/* ---- sets of references ----------------------------------------------------------------------- */

static uint64_t
hash_ref(c4p_ref_t ref)
{
    return c4pi_hash_u64(c4pi_hash_key(ref.key) ^ ref.coll);
}

static void
table_init(c4p_rt_t *rt, c4pi_ref_table_t *table, size_t n)
{
    uint64_t size = 4;
    while (size < 2 * (uint64_t)n)
        size *= 2;
    table->places = c4pi_section_need(rt, size * sizeof *table->places);
    table->mask = size - 1;
}

static void
table_free(c4p_rt_t *rt, c4pi_ref_table_t *table)
{
    if (table->places)
        c4pi_free(rt->port, table->places, (table->mask + 1) * sizeof *table->places);
    table->places = NULL;
}

static size_t
at_least_one(size_t len)
{
    return len ? len : 1;
}

static void
free_here(c4p_rt_t *rt, c4pi_section_t *section)
{
    if (!section->members)
        return;
    table_free(rt, &section->table);
    c4pi_free(rt->port, section->members, at_least_one(section->cap * sizeof *section->members));
    c4pi_free(rt->port, section->records, at_least_one(section->cap * sizeof *section->records));
}

uint32_t *
c4pi_ref_slot(const c4pi_ref_table_t *table, const c4p_ref_t *refs, c4p_ref_t ref)
{
    uint64_t at = hash_ref(ref) & table->mask;
    while (table->places[at] && !c4p_ref_eq(refs[table->places[at] - 1], ref))
        at = (at + 1) & table->mask;
    return &table->places[at];
}

/* ---- making one ------------------------------------------------------------------------------- */

/* Where a member is, as far as this rank knows; wherever its record stands, it is found. */
static int
whereabouts(c4p_rt_t *rt, c4p_ref_t ref)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, ref.coll);
    if (!coll || c4pi_elem_find(coll, ref.key))
        return rt->rank;
    const c4pi_loc_t *loc = c4pi_loc_find(coll, ref.key);
    return loc && !c4pi_version_none(loc->version) ? loc->rank : c4pi_home_or_die(coll, ref.key);
}

/* The members without repetitions, in order, with their ranks; returns how many. */
static size_t
distinct(c4p_rt_t *rt, const c4p_ref_t *members, size_t n, c4p_ref_t *refs_out, int *ranks_out,
         c4pi_ref_table_t *table_out)
{
    size_t count = 0;
    table_init(rt, table_out, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = c4pi_ref_slot(table_out, refs_out, members[i]);
        if (*slot)
            continue;
        refs_out[count] = members[i];
        ranks_out[count] = whereabouts(rt, members[i]);
        *slot = (uint32_t)++count;
    }
    return count;
}

/* The parts of all ranks that take part, this one first and the others by number. */
static void
put_parts(c4p_rt_t *rt, c4p_pup_t *p, const c4p_ref_t *refs, const int *ranks, size_t count)
{
    size_t ranks_len = ((size_t)rt->num_ranks + 1) * sizeof(uint64_t);
    uint64_t *first = c4pi_section_need(rt, ranks_len),
             *order = c4pi_section_need(rt, count * sizeof *order);
    for (size_t i = 0; i < count; i++)
        first[ranks[i] + 1]++;
    for (int r = 0; r < rt->num_ranks; r++)
        first[r + 1] += first[r];
    for (size_t i = 0; i < count; i++)
        order[first[ranks[i]]++] = i; /* now first[r] is the end of rank r, first[r - 1] its start
                                       */
    for (int i = 0; i < rt->num_ranks; i++) {
        int r = (rt->rank + i) % rt->num_ranks;
        uint64_t from = r ? first[r - 1] : 0, to = first[r];
        c4pi_part_head_t head = {(uint32_t)r, (uint32_t)(to - from)};
        if (i && !head.count)
            continue;
        c4p_put_bytes(p, &head, sizeof head);
        for (uint64_t at = from; at < to; at++) {
            part_member_t member = {order[at], refs[order[at]]};
            c4p_put_bytes(p, &member, sizeof member);
        }
    }
    c4pi_free(rt->port, order, at_least_one(count * sizeof *order));
    c4pi_free(rt->port, first, ranks_len);
}

/* ---- passing it on ---------------------------------------------------------------------------- */

/* Bytes of the first part at `at`. */
static size_t
part_bytes(const uint8_t *at)
{
    c4pi_part_head_t head;
    memcpy(&head, at, sizeof head);
    return sizeof head + head.count * sizeof(part_member_t);
}

void
c4pi_section_send(c4p_rt_t *rt, c4p_coll_t id, const c4pi_section_head_t *head, const void *parts,
                  size_t len, int child)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *head + len);
    c4pi_section_head_t own = *head;
    own.parent = (uint32_t)rt->rank;
    memcpy(c4pi_msg_payload(msg), &own, sizeof own);
    memcpy((uint8_t *)c4pi_msg_payload(msg) + sizeof own, parts, len);
    msg->env.kind = C4PI_SECTION_NEW;
    msg->env.coll = id;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, child, msg);
}

/* Cut what follows this rank's own part into as many sub-trees as a rank has children. */
static void
send_rest(c4p_rt_t *rt, c4p_coll_t id, const c4pi_section_head_t *head, const uint8_t *rest,
          size_t len, c4pi_tree_links_t *tree)
{
    uint64_t left = 0;
    for (size_t at = 0; at < len; at += part_bytes(rest + at))
        left++;
    for (int slots = C4PI_TREE_ARITY; left; slots--) {
        uint64_t share = (left + (uint64_t)slots - 1) / (uint64_t)slots;
        size_t bytes = 0;
        c4pi_part_head_t child;
        for (uint64_t i = 0; i < share; i++)
            bytes += part_bytes(rest + bytes);
        memcpy(&child, rest, sizeof child);
        tree->children[tree->count++] = (int)child.rank;
        c4pi_section_send(rt, id, head, rest, bytes, (int)child.rank);
        rest += bytes;
        left -= share;
    }
}

/* Room for this many members of this rank. */
static void
reserve(c4pi_coll_t *coll, uint32_t cap)
{
    c4pi_section_t *section = coll->section;
    c4p_rt_t *rt = coll->rt;
    c4p_ref_t *members = c4pi_section_need(rt, cap * sizeof *members);
    c4pi_record_at_t *records = c4pi_section_need(rt, cap * sizeof *records);
    c4pi_ref_table_t table;
    table_init(rt, &table, cap);
    for (uint32_t i = 0; i < section->count; i++) {
        members[i] = section->members[i];
        records[i] = section->records[i];
        *c4pi_ref_slot(&table, members, members[i]) = i + 1;
    }
    for (uint32_t i = 0; i < coll->count; i++)
        coll->vec[i]->object = members + ((c4p_ref_t *)coll->vec[i]->object - section->members);
    free_here(rt, section);
    section->members = members;
    section->records = records;
    section->table = table;
    section->cap = cap;
}

c4pi_record_at_t *
c4pi_section_find(const c4pi_section_t *section, c4p_ref_t member)
{
    uint32_t place = *c4pi_ref_slot(&section->table, section->members, member);
    return place ? &section->records[place - 1] : NULL;
}

c4pi_elem_t *
c4pi_section_add(c4pi_coll_t *coll, uint64_t ordinal, c4p_ref_t member, uint64_t bcast_next,
                 uint64_t redn_next)
{
    c4pi_section_t *section = coll->section;
    if (section->count == section->cap)
        reserve(coll, section->cap ? 2 * section->cap : 4);
    uint32_t *slot = c4pi_ref_slot(&section->table, section->members, member);
    if (!*slot) {
        section->members[section->count] = member;
        *slot = ++section->count;
    }
    c4pi_elem_t *record =
        c4pi_elem_add(coll, (c4p_key_t){{ordinal, 0}}, (c4pi_version_t){coll->first_nonce, 0});
    record->state = C4PI_ELEM_LIVE;
    record->object = &section->members[*slot - 1];
    record->bcast_next = bcast_next;
    record->redn_next = redn_next;
    section->records[*slot - 1].record = record;
    return record;
}

/* The records of this rank's part. */
static void
add_part(c4pi_coll_t *coll, const uint8_t *at)
{
    c4pi_part_head_t head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    reserve(coll, head.count);
    for (uint32_t i = 0; i < head.count; i++, at += sizeof(part_member_t)) {
        part_member_t member;
        memcpy(&member, at, sizeof member);
        (void)c4pi_section_add(coll, member.ordinal, member.ref, c4pi_bcast_first(coll),
                               c4pi_reduce_first(coll));
        c4pi_elem_t *elem = c4pi_elem_local(coll->rt, member.ref);
        if (elem)
            (void)c4pi_elem_membership(elem, coll->id, NULL);
    }
}

/* The parts of this rank's sub-tree have arrived: pass on, and make what is here. */
static c4pi_section_t *
settle(c4p_rt_t *rt, c4p_coll_t id, const c4pi_section_head_t *head, const uint8_t *parts,
       size_t len)
{
    c4pi_type_t *type = c4pi_registry_type(rt->registry, head->type);
    c4pi_coll_t *coll;
    char name[160];
    if (!type)
        c4pi_die(rt, C4P_ERR_MISMATCH,
                 "a section of a chare type came that this rank has not registered");
    c4pi_section_t *section = c4pi_section_need(rt, sizeof *section);
    size_t own = part_bytes(parts);
    section->num_members = head->num_members;
    section->tree.parent = (int)head->parent;
    send_rest(rt, id, head, parts + own, len - own, &section->tree);
    snprintf(name, sizeof name, "a section of %s", type->desc.name);
    section->name = c4pi_strdup(rt->port, name);
    c4pi_coll_t proto = {.id = id,
                         .kind = C4P_KIND_SECTION,
                         .type = type,
                         .ndims = 1,
                         .dense = true,
                         .dims = {(int64_t)head->num_members},
                         .tree = &section->tree,
                         .label = section->name,
                         .section = section};
    if (!section->name || c4pi_grow_make(rt, &proto, NULL, 0, &coll) != C4P_OK)
        c4pi_section_die_nomem(rt);
    c4pi_bcast_begin(coll, head->have);
    add_part(coll, parts);
    if (!coll->count && !section->tree.count)
        c4pi_reduce_begin_idle(coll);
    c4pi_section_give(coll);
    return section;
}

static void
create(c4p_rt_t *rt, c4p_coll_t id, const c4pi_type_t *type, const c4p_ref_t *members, size_t n)
{
    c4p_ref_t *refs = c4pi_section_need(rt, n * sizeof *refs);
    int *ranks = c4pi_section_need(rt, n * sizeof *ranks);
    c4pi_ref_table_t all;
    size_t count = distinct(rt, members, n, refs, ranks, &all);
    c4pi_section_head_t head = {.num_members = count,
                                .have = rt->opts.counter_base,
                                .type = type->id,
                                .parent = UINT32_MAX};
    c4p_pup_t p;
    c4p_msg_t *parts;
    c4pi_pup_pack_init(&p, &rt->msgs);
    put_parts(rt, &p, refs, ranks, count);
    if (c4pi_pup_pack_finish(&p, &parts) != C4P_OK)
        c4pi_section_die_nomem(rt);
    c4pi_section_t *section =
        settle(rt, id, &head, c4pi_msg_payload(parts), (size_t)parts->env.len);
    section->everyone = refs;
    section->ranks = ranks;
    section->asked = n;
    section->all = all;
    c4pi_msg_drop(parts);
}

c4p_coll_t
c4pi_section_create(c4p_rt_t *rt, c4pi_type_t *type, const c4p_ref_t *members, size_t n)
{
    c4p_coll_t id = c4pi_coll_id(rt->rank, rt->next_coll++);
    create(rt, id, type, members, n);
    return id;
}

void
c4pi_section_put(const c4pi_coll_t *coll, c4p_pup_t *p)
{
    const c4pi_section_t *section = coll->section;
    c4p_put_u32(p, coll->type->id);
    c4p_put_u64(p, section->num_members);
    for (uint64_t i = 0; i < section->num_members; i++) {
        c4p_put_u64(p, section->everyone[i].coll);
        c4p_put_u64(p, section->everyone[i].key.w[0]);
        c4p_put_u64(p, section->everyone[i].key.w[1]);
    }
}

c4p_status_t
c4pi_section_restore(c4p_rt_t *rt, c4p_coll_t id, c4p_pup_t *p)
{
    const c4pi_type_t *type = c4pi_registry_type(rt->registry, c4p_get_u32(p));
    uint64_t n = c4p_get_u64(p);
    if (!type || c4pi_pup_left(p) % 24 || c4pi_pup_left(p) / 24 != n || c4pi_coll_find(rt, id))
        return C4P_ERR_DATA;
    c4p_ref_t *members = c4pi_section_need(rt, n * sizeof *members);
    c4p_status_t st = C4P_OK;
    for (uint64_t i = 0; i < n; i++) {
        members[i].coll = c4p_get_u64(p);
        members[i].key.w[0] = c4p_get_u64(p);
        members[i].key.w[1] = c4p_get_u64(p);
        if (!c4pi_coll_find(rt, members[i].coll))
            st = C4P_ERR_DATA;
    }
    if (st == C4P_OK)
        create(rt, id, type, members, n);
    c4pi_free(rt->port, members, at_least_one(n * sizeof *members));
    return st;
}

static void
on_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_section_head_t head;
    const uint8_t *at = c4pi_msg_payload(msg);
    memcpy(&head, at, sizeof head);
    (void)settle(rt, msg->env.coll, &head, at + sizeof head, (size_t)msg->env.len - sizeof head);
    c4p_coll_t id = msg->env.coll;
    c4pi_msg_drop(msg);
    c4pi_claim_strangers(rt, id);
    c4pi_count_processed(rt);
}

void
c4pi_section_free(c4pi_coll_t *coll)
{
    c4pi_section_t *section = coll->section;
    c4p_rt_t *rt = coll->rt;
    if (!section)
        return;
    for (uint32_t i = 0; i < coll->count; i++)
        coll->vec[i]->object = NULL; /* not a chare's */
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&section->early)) != NULL;)
        c4pi_msg_drop(msg);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&section->returning)) != NULL;)
        c4pi_msg_drop(msg);
    for (translation_t *t = section->translations, *next; t; t = next) {
        next = t->next;
        c4pi_free(rt->port, t, sizeof *t + t->count * sizeof t->entries[0]);
    }
    free_here(rt, section);
    table_free(rt, &section->all);
    c4pi_free(rt->port, section->everyone, section->asked * sizeof *section->everyone);
    c4pi_free(rt->port, section->ranks, section->asked * sizeof *section->ranks);
    c4pi_free(rt->port, section->joined, section->cap_joined * sizeof *section->joined);
    c4pi_free(rt->port, section->name, strlen(section->name) + 1);
    c4pi_free(rt->port, section, sizeof *section);
    coll->section = NULL;
    coll->tree = NULL;
    coll->label = NULL;
}

/* ---- broadcasts ------------------------------------------------------------------------------- */

static translation_t *
translation_new(c4pi_coll_t *coll, const c4pi_type_t *type)
{
    const c4pi_type_t *ours = coll->type;
    translation_t *t =
        c4pi_section_need(coll->rt, sizeof *t + ours->num_entries * sizeof t->entries[0]);
    t->type = type;
    t->count = ours->num_entries;
    for (uint32_t i = 0; i < t->count; i++) {
        t->entries[i] = NO_ENTRY;
        for (uint32_t k = 0; k < type->num_entries && t->entries[i] == NO_ENTRY; k++)
            if (strcmp(ours->entries[i].name, type->entries[k].name) == 0)
                t->entries[i] = (c4p_entry_t)k;
    }
    t->next = coll->section->translations;
    return coll->section->translations = t;
}

/* The entry method of a member's type that has the name of the section's. */
static c4p_entry_t
translate(c4pi_coll_t *coll, const c4pi_type_t *type, c4p_entry_t entry)
{
    if (type == coll->type)
        return entry;
    translation_t *t = coll->section->translations;
    while (t && (t->type != type || entry >= t->count)) /* a table made before the entry was added
                                                         */
        t = t->next;
    if (!t)
        t = translation_new(coll, type);
    c4p_entry_t there = entry < t->count ? t->entries[entry] : NO_ENTRY;
    if (there == NO_ENTRY)
        c4pi_die(coll->rt, C4P_ERR_NOT_FOUND, "%s: its members of type %s have no entry method %s",
                 c4pi_coll_label(coll), type->desc.name,
                 entry < coll->type->num_entries ? coll->type->entries[entry].name : "?");
    return there;
}

/* What stands last in a call of a member by way of ordinary routing. */
typedef struct call_tail {
    c4p_coll_t section;
    uint64_t number; /* of the broadcast */
} call_tail_t;

/* Broadcast msg as a call of a member. */
static c4p_msg_t *
call_of(c4pi_coll_t *coll, c4p_ref_t member, const c4pi_type_t *type, c4p_msg_t *msg,
        uint64_t number, const c4p_reply_t *reply)
{
    c4p_rt_t *rt = coll->rt;
    call_tail_t tail = {coll->id, number};
    c4p_msg_t *bytes = c4pi_msg_as_bytes(rt, c4pi_msg_keep(msg));
    size_t len = (size_t)bytes->env.len;
    c4p_msg_t *call = c4pi_msg_or_die(rt, len + sizeof tail);
    call->env = bytes->env;
    call->env.len = len + sizeof tail;
    c4pi_msg_copy_payload(c4pi_msg_payload(call), bytes);
    memcpy((uint8_t *)c4pi_msg_payload(call) + len, &tail, sizeof tail);
    c4pi_msg_drop(bytes);
    call->env.kind = C4PI_SECTION_CALL;
    call->env.flags &= C4PI_FLAG_RESULT | C4PI_FLAG_EMPTY;
    call->env.entry = type ? translate(coll, type, msg->env.entry) : msg->env.entry;
    call->env.coll = member.coll;
    call->env.key = member.key;
    call->env.reference = reply->kind ? c4pi_bcast_hear(rt, reply) : 0;
    call->env.source = (uint32_t)rt->rank & 0xffffff;
    call->env.hops = 0;
    call->env.hint_nonce = call->env.hint_epoch = 0;
    return call;
}

/* May a member run this broadcast now? Then it counts as heard. Each runs them in order. But who
 * knows what another one of its index has heard, or was called to and lost? One that may not be the
 * first runs them as they come. */
static bool
may_hear(c4pi_elem_t *elem, c4p_coll_t section, uint64_t number)
{
    c4pi_membership_t *membership = c4pi_elem_membership(elem, section, NULL);
    if (number > membership->heard && !elem->extra->reborn)
        return false;
    membership->heard += number == membership->heard;
    return true;
}

static bool
call_may_run(c4pi_elem_t *elem, c4p_msg_t *call)
{
    call_tail_t tail;
    memcpy(&tail, (uint8_t *)c4pi_msg_payload(call) + call->env.len - sizeof tail, sizeof tail);
    return may_hear(elem, tail.section, tail.number);
}

static void
run_call(c4pi_elem_t *elem, c4p_msg_t *call)
{
    c4p_msg_trim(call, (size_t)call->env.len - sizeof(call_tail_t));
    c4pi_run_call(elem, call);
}

/* The next of the broadcasts that came too early, if it may run now. */
static c4p_msg_t *
next_ahead(c4pi_elem_t *elem)
{
    c4pi_fifo_t *ahead = &elem->extra->ahead;
    for (uint64_t n = ahead->count; n > 0; n--) {
        c4p_msg_t *call = c4pi_fifo_pop(ahead);
        if (call_may_run(elem, call))
            return call;
        c4pi_fifo_push(ahead, call);
    }
    return NULL;
}

/* An element has heard something: it may be the turn of what came too early. It may be gone, too.
 */
static void
hear_ahead(c4pi_coll_t *coll, c4p_key_t key)
{
    c4pi_elem_t *elem;
    c4p_msg_t *call;
    while ((elem = c4pi_elem_find(coll, key)) != NULL && elem->extra && elem->extra->ahead.count &&
           (call = next_ahead(elem)) != NULL) {
        c4pi_count_created(coll->rt);
        run_call(elem, call);
        c4pi_msg_drop(call);
        c4pi_count_processed(coll->rt);
    }
}

static void
run_section_call(c4p_rt_t *rt, c4p_msg_t *call)
{
    c4pi_elem_t *elem = call->where;
    if (!c4pi_turn_comes(rt, call))
        return;
    c4pi_coll_t *coll = elem->coll;
    c4p_key_t key = elem->key;
    if (call_may_run(elem, call)) {
        run_call(elem, call);
        c4pi_msg_drop(call);
    } else {
        call->where = NULL;
        c4pi_fifo_push(&elem->extra->ahead, call);
    }
    c4pi_elem_release(elem);
    hear_ahead(coll, key);
    c4pi_count_processed(rt);
}

static void
run_member(c4pi_elem_t *record, uint64_t number, c4p_msg_t *msg, const c4p_reply_t *reply)
{
    c4pi_coll_t *coll = record->coll;
    c4p_ref_t member = *(const c4p_ref_t *)record->object;
    c4pi_coll_t *theirs = c4pi_coll_find(coll->rt, member.coll);
    c4pi_elem_t *elem = theirs ? c4pi_elem_find(theirs, member.key) : NULL;
    if (!elem || elem->state != C4PI_ELEM_LIVE) {
        const c4pi_type_t *type = theirs ? theirs->type : NULL;
        c4pi_route_new(coll->rt, call_of(coll, member, type, msg, number, reply));
        return;
    }
    if (!may_hear(elem, coll->id, number)) {
        c4p_msg_t *call = call_of(coll, member, theirs->type, msg, number, reply);
        c4pi_fifo_push(&elem->extra->ahead, call);
        return;
    }
    c4p_entry_t entry = translate(coll, theirs->type, msg->env.entry);
    c4pi_run_entry(elem, c4pi_type_entry(theirs->type, entry), msg, reply);
}

/* Another record comes after this one, whose broadcasts may have overtaken these. */
static void
run_old(c4pi_elem_t *record, uint64_t number, c4p_msg_t *msg, const c4p_reply_t *reply)
{
    c4pi_coll_t *coll = record->coll;
    const c4p_ref_t member = *(const c4p_ref_t *)record->object;
    const c4p_key_t key = record->key;
    const bool last = record->bcast_next == record->extra->record_end;
    if (last)
        record->state = C4PI_ELEM_NEW; /* it runs no other */
    run_member(record, number, msg, reply);
    if (c4pi_elem_local(coll->rt, member))
        hear_ahead(c4pi_coll_find(coll->rt, member.coll), member.key);
    if (last)
        c4pi_section_drop(c4pi_elem_find(coll, key));
}

void
c4pi_section_run(c4pi_elem_t *record, uint64_t number, c4p_msg_t *msg, const c4p_reply_t *reply)
{
    (record->extra ? run_old : run_member)(record, number, msg, reply);
}

void
c4pi_section_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_SECTION_NEW] = on_new;
    c4pi_section_redn_init(rt);
    c4pi_section_follow_init(rt);
    rt->run_kind[C4PI_SECTION_CALL] = run_section_call;
}
