/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/section.h"

#include <stdio.h>
#include <string.h>

#include "core/dispatch.h"
#include "core/location.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/future.h"
#include "svc/grow.h"
#include "svc/reduce.h"

/* A set of references: places in an array, found by hash. */
typedef struct ref_table {
    uint32_t *places; /* 1 + place in refs; 0: empty */
    uint64_t mask;    /* number of places less one: a power of two less one */
} ref_table_t;

/* The numbers of a foreign type's entry methods, by the numbers of the section's type. */
typedef struct translation {
    struct translation *next;
    const c4pi_type_t *type;
    uint32_t count;
    c4p_entry_t entries[]; /* C4P_ENTRY_NONE: it has none of that name */
} translation_t;

enum { NO_ENTRY = UINT16_MAX };

typedef struct c4pi_section {
    c4pi_tree_links_t tree;
    uint64_t num_members; /* of all ranks */
    uint32_t count;       /* duties of this rank */
    c4p_ref_t *members;
    uint64_t *ordinals; /* of the section's members, ascending */
    ref_table_t table;
    c4p_ref_t *everyone; /* creator: all members, with room for `asked`, */
    int *ranks;          /* and where their records are */
    size_t asked;
    ref_table_t all;
    translation_t *translations;
    c4pi_fifo_t early; /* contributions that overtook others of their member, which moved */
    char *name;        /* for reports */
} c4pi_section_t;

/* A part of a section as it travels: for each rank of a sub-tree, beginning with its root, a head
 * and its members. */
typedef struct part_head {
    uint32_t rank, count;
} part_head_t;

typedef struct part_member {
    uint64_t ordinal;
    c4p_ref_t ref;
} part_member_t;

static C4P_NORETURN void
die_nomem(c4p_rt_t *rt)
{
    c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a section");
}

static void *
need(c4p_rt_t *rt, size_t len)
{
    void *p = c4pi_calloc(rt->port, len ? len : 1);
    if (!p)
        die_nomem(rt);
    return p;
}

/* ---- sets of references ----------------------------------------------------------------------- */

static uint64_t
hash_ref(c4p_ref_t ref)
{
    return c4pi_hash_u64(c4pi_hash_key(ref.key) ^ ref.coll);
}

static void
table_init(c4p_rt_t *rt, ref_table_t *table, size_t n)
{
    uint64_t size = 4;
    while (size < 2 * (uint64_t)n)
        size *= 2;
    table->places = need(rt, size * sizeof *table->places);
    table->mask = size - 1;
}

static void
table_free(c4p_rt_t *rt, ref_table_t *table)
{
    if (table->places)
        c4pi_free(rt->port, table->places, (table->mask + 1) * sizeof *table->places);
    table->places = NULL;
}

/* The slot of a reference, or the empty one where it belongs. */
static uint32_t *
table_slot(const ref_table_t *table, const c4p_ref_t *refs, c4p_ref_t ref)
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
         ref_table_t *table_out)
{
    size_t count = 0;
    table_init(rt, table_out, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = table_slot(table_out, refs_out, members[i]);
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
    uint64_t *first = need(rt, ranks_len), *order = need(rt, count * sizeof *order);
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
        part_head_t head = {(uint32_t)r, (uint32_t)(to - from)};
        if (i && !head.count)
            continue;
        c4p_put_bytes(p, &head, sizeof head);
        for (uint64_t at = from; at < to; at++) {
            part_member_t member = {order[at], refs[order[at]]};
            c4p_put_bytes(p, &member, sizeof member);
        }
    }
    c4pi_free(rt->port, order, count ? count * sizeof *order : 1);
    c4pi_free(rt->port, first, ranks_len);
}

/* ---- contributions of members whose records are not here, or not yet -------------------------- */

/* A contribution as it travels, before its data. */
typedef struct token {
    c4p_ref_t self;
    uint64_t number; /* of this member's contributions to this section */
    c4p_reduce_t how;
    c4p_target_t target;
} token_t;

/* A member that has contributed on this rank without its record: how its contributions get there in
 * order. */
typedef struct away {
    struct away *next; /* of the same section */
    c4p_coll_t section;
    c4p_ref_t self;
    int rank; /* of its record; -1: the creator has been asked */
    c4pi_fifo_t tokens;
} away_t;

static away_t *
away_find(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self)
{
    away_t *away = c4pi_map_get(&rt->aways, section);
    while (away && !c4p_ref_eq(away->self, self))
        away = away->next;
    return away;
}

/* Also asks the section's creator. */
static away_t *
away_new(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self)
{
    away_t *away = need(rt, sizeof *away);
    *away = (away_t){
        .next = c4pi_map_get(&rt->aways, section), .section = section, .self = self, .rank = -1};
    if (c4pi_map_put(&rt->aways, section, away) != C4P_OK)
        die_nomem(rt);
    c4p_msg_t *ask = c4pi_msg_or_die(rt, 0);
    ask->env.kind = C4PI_SECTION_ASK;
    ask->env.coll = section;
    ask->env.key = self.key;
    ask->env.reference = self.coll;
    ask->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, c4pi_coll_root(rt, section), ask);
    return away_find(rt, section, self);
}

static void
away_drop(c4p_rt_t *rt, away_t *away)
{
    away_t *first = c4pi_map_remove(&rt->aways, away->section), **at = &first;
    while (*at != away)
        at = &(*at)->next;
    *at = away->next;
    if (first && c4pi_map_put(&rt->aways, away->section, first) != C4P_OK)
        die_nomem(rt);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&away->tokens)) != NULL;)
        c4pi_msg_drop(msg);
    c4pi_free(rt->port, away, sizeof *away);
}

/* The record that stands for a member; NULL if there is none on this rank. */
static c4pi_elem_t *
record_of(const c4pi_coll_t *coll, c4p_ref_t member)
{
    const c4pi_section_t *section = coll->section;
    uint32_t place = *table_slot(&section->table, section->members, member);
    return place ? coll->vec[place - 1] : NULL;
}

/* How many contributions the record has given for its member. */
static uint64_t
given_by(const c4pi_elem_t *record)
{
    return record->redn_next - c4pi_reduce_first(record->coll);
}

/* A contribution as a message: head, data, what describes the data. */
static c4p_msg_t *
token_new(c4p_rt_t *rt, const token_t *token, const void *data, size_t len)
{
    const size_t meta_len = (size_t)token->how.meta_len;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *token + len + meta_len);
    uint8_t *at = c4pi_msg_payload(msg);
    memcpy(at, token, sizeof *token);
    if (len)
        memcpy(at + sizeof *token, data, len);
    if (meta_len)
        memcpy(at + sizeof *token + len, token->how.meta, meta_len);
    msg->env.kind = C4PI_SECTION_TOKEN;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    return msg;
}

/* If it is the next one of its member: contribute, and true. */
static bool
contribute_next(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    token_t token;
    const uint8_t *at = c4pi_msg_payload(msg);
    memcpy(&token, at, sizeof token);
    c4pi_elem_t *record = record_of(coll, token.self);
    if (!record)
        c4pi_die(coll->rt, C4P_ERR_INTERNAL, "a contribution to %s came to the wrong rank",
                 c4pi_coll_label(coll));
    if (token.number > given_by(record)) /* less: one inserted again in the place of the member */
        return false;
    const size_t len = (size_t)(msg->env.len - sizeof token - token.how.meta_len);
    token.how.meta = at + sizeof token + len; /* the pointer that travelled is the sender's */
    c4pi_reduce_contribute(record, &token.how, at + sizeof token, len, &token.target);
    return true;
}

/* A record has contributed: so may others that came too early. */
static void
contribute_early(c4pi_coll_t *coll)
{
    c4pi_fifo_t *early = &coll->section->early;
    bool again = true;
    while (again) {
        c4pi_fifo_t waiting = *early;
        *early = (c4pi_fifo_t){0};
        again = false;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&waiting)) != NULL;) {
            if (contribute_next(coll, msg)) {
                again = true;
                c4pi_msg_drop(msg);
            } else {
                c4pi_fifo_push(early, msg);
            }
        }
    }
}

/* Takes over one owner. */
static void
contribute_token(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    if (!contribute_next(coll, msg)) {
        c4pi_fifo_push(&coll->section->early, msg);
        return;
    }
    c4pi_msg_drop(msg);
    if (coll->section->early.head)
        contribute_early(coll);
}

/* The section is known here now, with the records of these members. */
static void
give_what_waited(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    for (away_t *away = c4pi_map_get(&rt->aways, coll->id), *next; away; away = next) {
        next = away->next;
        if (!record_of(coll, away->self))
            continue;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&away->tokens)) != NULL;)
            contribute_token(coll, msg);
        away_drop(rt, away);
    }
}

/* ---- passing it on ---------------------------------------------------------------------------- */

/* What stands before the parts. */
typedef struct section_head {
    uint64_t num_members;
    uint32_t type;
    uint32_t parent; /* of the first part's rank */
} section_head_t;

/* Bytes of the first part at `at`. */
static size_t
part_bytes(const uint8_t *at)
{
    part_head_t head;
    memcpy(&head, at, sizeof head);
    return sizeof head + head.count * sizeof(part_member_t);
}

static void
send_child(c4p_rt_t *rt, c4p_coll_t id, const section_head_t *head, const uint8_t *parts,
           size_t len, int child)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *head + len);
    section_head_t own = *head;
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
send_rest(c4p_rt_t *rt, c4p_coll_t id, const section_head_t *head, const uint8_t *rest, size_t len,
          c4pi_tree_links_t *tree)
{
    uint64_t left = 0;
    for (size_t at = 0; at < len; at += part_bytes(rest + at))
        left++;
    for (int slots = C4PI_TREE_ARITY; left; slots--) {
        uint64_t share = (left + (uint64_t)slots - 1) / (uint64_t)slots;
        size_t bytes = 0;
        part_head_t child;
        for (uint64_t i = 0; i < share; i++)
            bytes += part_bytes(rest + bytes);
        memcpy(&child, rest, sizeof child);
        tree->children[tree->count++] = (int)child.rank;
        send_child(rt, id, head, rest, bytes, (int)child.rank);
        rest += bytes;
        left -= share;
    }
}

static void
read_own_part(c4p_rt_t *rt, c4pi_section_t *section, const uint8_t *at)
{
    part_head_t head;
    memcpy(&head, at, sizeof head);
    section->count = head.count;
    section->members = need(rt, head.count * sizeof *section->members);
    section->ordinals = need(rt, head.count * sizeof *section->ordinals);
    table_init(rt, &section->table, head.count);
    at += sizeof head;
    for (uint32_t i = 0; i < head.count; i++, at += sizeof(part_member_t)) {
        part_member_t member;
        memcpy(&member, at, sizeof member);
        section->members[i] = member.ref;
        section->ordinals[i] = member.ordinal;
        *table_slot(&section->table, section->members, member.ref) = i + 1;
    }
}

/* The parts of this rank's sub-tree have arrived: pass on, and make what is here. */
static c4pi_section_t *
settle(c4p_rt_t *rt, c4p_coll_t id, const section_head_t *head, const uint8_t *parts, size_t len)
{
    c4pi_type_t *type = c4pi_registry_type(rt->registry, head->type);
    c4pi_coll_t *coll;
    char name[160];
    if (!type)
        c4pi_die(rt, C4P_ERR_MISMATCH,
                 "a section of a chare type came that this rank has not registered");
    c4pi_section_t *section = need(rt, sizeof *section);
    size_t own = part_bytes(parts);
    section->num_members = head->num_members;
    section->tree.parent = (int)head->parent;
    read_own_part(rt, section, parts);
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
        die_nomem(rt);
    give_what_waited(coll);
    return section;
}

static void
create(c4p_rt_t *rt, c4p_coll_t id, const c4pi_type_t *type, const c4p_ref_t *members, size_t n)
{
    c4p_ref_t *refs = need(rt, n * sizeof *refs);
    int *ranks = need(rt, n * sizeof *ranks);
    ref_table_t all;
    size_t count = distinct(rt, members, n, refs, ranks, &all);
    section_head_t head = {.num_members = count, .type = type->id, .parent = UINT32_MAX};
    c4p_pup_t p;
    c4p_msg_t *parts;
    c4pi_pup_pack_init(&p, &rt->msgs);
    put_parts(rt, &p, refs, ranks, count);
    if (c4pi_pup_pack_finish(&p, &parts) != C4P_OK)
        die_nomem(rt);
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
    c4p_ref_t *members = need(rt, n * sizeof *members);
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
    c4pi_free(rt->port, members, n ? n * sizeof *members : 1);
    return st;
}

static void
on_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    section_head_t head;
    const uint8_t *at = c4pi_msg_payload(msg);
    memcpy(&head, at, sizeof head);
    (void)settle(rt, msg->env.coll, &head, at + sizeof head, (size_t)msg->env.len - sizeof head);
    c4p_coll_t id = msg->env.coll;
    c4pi_msg_drop(msg);
    c4pi_claim_strangers(rt, id);
    c4pi_count_processed(rt);
}

void
c4pi_section_add_members(c4pi_coll_t *coll)
{
    c4pi_section_t *section = coll->section;
    for (uint32_t i = 0; i < section->count; i++) {
        c4p_key_t key = {{section->ordinals[i], 0}};
        c4pi_elem_t *record = c4pi_elem_add(coll, key, (c4pi_version_t){coll->first_nonce, 0});
        record->state = C4PI_ELEM_LIVE;
        record->object = &section->members[i];
        record->bcast_next = c4pi_bcast_first(coll);
        record->redn_next = c4pi_reduce_first(coll);
        c4pi_coll_t *theirs = c4pi_coll_find(coll->rt, section->members[i].coll);
        c4pi_elem_t *elem = theirs ? c4pi_elem_find(theirs, section->members[i].key) : NULL;
        if (elem)
            (void)c4pi_elem_membership(elem, coll->id, NULL);
    }
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
    for (translation_t *t = section->translations, *next; t; t = next) {
        next = t->next;
        c4pi_free(rt->port, t, sizeof *t + t->count * sizeof t->entries[0]);
    }
    table_free(rt, &section->table);
    table_free(rt, &section->all);
    c4pi_free(rt->port, section->everyone, section->asked * sizeof *section->everyone);
    c4pi_free(rt->port, section->ranks, section->asked * sizeof *section->ranks);
    c4pi_free(rt->port, section->members,
              section->count ? section->count * sizeof *section->members : 1);
    c4pi_free(rt->port, section->ordinals,
              section->count ? section->count * sizeof *section->ordinals : 1);
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
    translation_t *t = need(coll->rt, sizeof *t + ours->num_entries * sizeof t->entries[0]);
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

void
c4pi_section_run(c4pi_elem_t *record, uint64_t number, c4p_msg_t *msg, const c4p_reply_t *reply)
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
    /* what came too early comes after something that is still on its way: not after this */
}

/* ---- reductions ------------------------------------------------------------------------------- */

void
c4pi_section_contribute(c4pi_elem_t *elem, c4p_coll_t section, const c4p_reduce_t *how,
                        const void *data, size_t len, const c4p_target_t *target)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4p_ref_t self = c4pi_elem_ref(elem);
    c4pi_coll_t *coll = c4pi_coll_find(rt, section);
    c4pi_elem_t *record = coll ? record_of(coll, self) : NULL;
    uint64_t number = c4pi_elem_membership(elem, section, NULL)->given++;
    if (record && number <= given_by(record)) {
        c4pi_reduce_contribute(record, how, data, len, target);
        if (coll->section->early.head)
            contribute_early(coll);
        return;
    }
    const token_t token = {self, number, *how, *target};
    c4p_msg_t *msg = token_new(rt, &token, data, len);
    msg->env.coll = section;
    if (record) { /* an earlier one is on its way here */
        c4pi_fifo_push(&coll->section->early, msg);
        return;
    }
    away_t *away = away_find(rt, section, self);
    if (!away)
        away = away_new(rt, section, self);
    if (away->rank < 0)
        c4pi_fifo_push(&away->tokens, msg);
    else
        c4pi_send_to(rt, away->rank, msg);
}

bool
c4pi_section_excludes(c4pi_coll_t *coll, c4p_ref_t self)
{
    const c4pi_section_t *section = coll->section;
    return section->everyone && !*table_slot(&section->all, section->everyone, self);
}

static void
on_token(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    contribute_token(coll, msg);
    c4pi_count_processed(rt);
}

/* At the creator: where is the record of this one? */
static void
on_ask(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4p_ref_t self = {msg->env.reference, msg->env.key};
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll || !coll->section || c4pi_section_excludes(coll, self)) {
        c4pi_coll_t *theirs = c4pi_coll_find(rt, self.coll);
        char who[160] = "an element";
        if (theirs)
            c4pi_ref_text(theirs, self.key, who, sizeof who);
        c4pi_die(rt, C4P_ERR_USER, "%s on rank %d contributes to %s, of which it is no member", who,
                 (int)msg->env.source, coll ? c4pi_coll_label(coll) : "a section");
    }
    c4pi_section_t *section = coll->section;
    int asker = (int)msg->env.source;
    msg->env.kind = C4PI_SECTION_TOLD;
    msg->env.entry = 0;
    msg->env.tag =
        (uint32_t)section->ranks[*table_slot(&section->all, section->everyone, self) - 1];
    c4pi_msg_keep(msg);
    c4pi_send_to(rt, asker, msg);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* What waited goes there, or waits on for the section itself to arrive here. */
static void
on_told(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4p_ref_t self = {msg->env.reference, msg->env.key};
    away_t *away = away_find(rt, msg->env.coll, self);
    int rank = (int)msg->env.tag;
    c4pi_msg_drop(msg);
    if (away && rank != rt->rank) {
        c4pi_fifo_t tokens = away->tokens;
        away->tokens = (c4pi_fifo_t){0};
        away->rank = rank;
        for (c4p_msg_t *token; (token = c4pi_fifo_pop(&tokens)) != NULL;)
            c4pi_send_to(rt, rank, token);
    }
    c4pi_count_processed(rt);
}

void
c4pi_section_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_SECTION_NEW] = on_new;
    rt->on_kind[C4PI_SECTION_TOKEN] = on_token;
    rt->on_kind[C4PI_SECTION_ASK] = on_ask;
    rt->on_kind[C4PI_SECTION_TOLD] = on_told;
    rt->run_kind[C4PI_SECTION_CALL] = run_section_call;
}

void
c4pi_section_fini(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *first;
    while (at = 0, c4pi_map_next(&rt->aways, &at, &id, &first))
        away_drop(rt, first); /* the others of the section stay in the map */
    c4pi_map_fini(&rt->aways);
}
