/* SPDX-License-Identifier: Apache-2.0 */
/* comm_sim.c: see comm_sim.h.
 *
 *   send -> packet at the end of a link -> (step: deliver) -> the destination's inbox -> poll ->
 * message of the destination's own memory
 *
 * What can happen next is a set of actors: links that carry something, and ranks that are ready to
 * run. Each set is a heap by age, so that place 0 is the oldest, which is the boring choice, and
 * every other place is one of the others. */
#include "comm/comm_sim.h"

#include <string.h>

#include "base/map.h"

static const size_t NOWHERE = SIZE_MAX;
enum { MOST_CLOGGED = 8 };

typedef struct actor {
    uint64_t key;     /* smaller is older */
    size_t place;     /* in its heap, or NOWHERE */
    int64_t priority; /* PCT; 0: not drawn yet */
    int rank;         /* that runs, or that receives */
    bool is_link;
} actor_t;

typedef struct actors {
    actor_t **items;
    size_t count, cap;
} actors_t;

typedef struct packet {
    struct packet *next;
    uint64_t number; /* in the order sent, or when it arrives */
    uint64_t depth;  /* of the chain that ends with it */
    int source;
    c4p_msg_t *held;   /* a large message stays the sender's until delivered */
    uint64_t checksum; /* of bytes */
    size_t len;
    size_t block_len;
    uint8_t bytes[];
} packet_t;

typedef struct packets {
    packet_t *head, *tail;
    uint64_t count;
} packets_t;

typedef struct link {
    actor_t actor; /* first member */
    int source;
    bool clogged;
    packets_t packets;
} link_t;

typedef struct sim_comm sim_comm_t;

typedef struct sim_rank {
    actor_t ready;   /* first member; key: since when, as a number */
    actor_t sleeper; /* key: when it wakes */
    c4pi_port_t *port;
    sim_comm_t *comm; /* NULL: none yet, or freed */
    bool finished;
    uint64_t free_ns; /* when its last turn ended */
    uint64_t depth;   /* of the longest chain that has reached it */
    int idle_ticks;
    packets_t inbox;
} sim_rank_t;

struct sim_comm {
    c4pi_comm_t base;
    c4pi_simnet_t *net;
    uint64_t held;    /* messages of ours on links */
    packets_t landed; /* delivered, their message not yet dropped */
};

struct c4pi_simnet {
    c4pi_simnet_opts_t opts;
    c4pi_simworld_t world;
    c4pi_simworld_t own; /* the harness's memory, apart from the ranks' */
    c4pi_port_t *own_port;
    sim_rank_t *ranks;
    c4pi_map_t links; /* source * num_ranks + destination */
    actors_t busy_links, ready, sleepers;
    uint64_t next_number; /* of packets and of readiness, unless timed */
    uint64_t depth_base;  /* where chains begin: above all older ones */
    uint64_t hash;
    uint64_t num_delivered_tried;
    c4pi_simnet_stats_t stats;
    /* schedulers */
    uint64_t change_at[16]; /* event numbers; 0: never */
    int num_changes;
    int frozen; /* rank, or -1 */
    uint64_t frozen_until;
    actor_t *burst;
    link_t *clogged[MOST_CLOGGED];
    uint32_t num_clogged;
    bool opening; /* links are being opened, not clogged */
};

/* ---- actors ---------------------------------------------------------------------------------------- */

static void *
own_alloc(c4pi_simnet_t *net, size_t len)
{
    void *p = c4pi_alloc(net->own_port, len);
    if (!p)
        c4pi_simworld_die(&net->world, -1, c4p_exit_status(C4P_ERR_NOMEM));
    return p;
}

/* What comes after all that is there; if timed, at this time. */
static uint64_t
next_key(c4pi_simnet_t *net, uint64_t at_ns)
{
    return net->opts.mode == C4PI_SIM_TIMED ? at_ns : net->next_number++;
}

static void
actor_put(actors_t *set, size_t place, actor_t *actor)
{
    set->items[place] = actor;
    actor->place = place;
}

/* Move the actor at `place` up or down to where its key belongs. */
static void
actors_settle(actors_t *set, size_t place)
{
    actor_t *actor = set->items[place];
    while (place > 0 && set->items[(place - 1) / 2]->key > actor->key) {
        actor_put(set, place, set->items[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < set->count && set->items[child + 1]->key < set->items[child]->key)
            child++;
        if (child >= set->count || set->items[child]->key >= actor->key)
            break;
        actor_put(set, place, set->items[child]);
        place = child;
    }
    actor_put(set, place, actor);
}

static void
actors_add(c4pi_simnet_t *net, actors_t *set, actor_t *actor)
{
    if (set->count == set->cap) {
        size_t cap = set->cap ? 2 * set->cap : 64;
        actor_t **items = own_alloc(net, cap * sizeof *items);
        if (set->count)
            memcpy(items, set->items, set->count * sizeof *items);
        c4pi_free(net->own_port, set->items, set->cap * sizeof *items);
        set->items = items;
        set->cap = cap;
    }
    actor_put(set, set->count++, actor);
    actors_settle(set, actor->place);
}

static void
actors_remove(actors_t *set, actor_t *actor)
{
    size_t place = actor->place;
    if (place == NOWHERE)
        return;
    actor->place = NOWHERE;
    actor_t *last = set->items[--set->count];
    if (last != actor) {
        actor_put(set, place, last);
        actors_settle(set, place);
    }
}

/* ---- packets --------------------------------------------------------------------------------------- */

static void
packets_push(packets_t *list, packet_t *packet)
{
    packet->next = NULL;
    if (list->tail)
        list->tail->next = packet;
    else
        list->head = packet;
    list->tail = packet;
    list->count++;
}

static packet_t *
packets_pop(packets_t *list)
{
    packet_t *packet = list->head;
    if (packet) {
        list->head = packet->next;
        if (!list->head)
            list->tail = NULL;
        list->count--;
    }
    return packet;
}

static uint64_t
checksum_of(const uint8_t *bytes, size_t len)
{
    uint64_t sum = len;
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        sum = c4pi_hash_u64(sum ^ word) + 0x9e3779b97f4a7c15u;
    }
    for (; at < len; at++)
        sum = c4pi_hash_u64(sum ^ bytes[at]);
    return sum;
}

static packet_t *
packet_alloc(c4pi_simnet_t *net, size_t len)
{
    size_t block_len = sizeof(packet_t) + len;
    packet_t *packet = own_alloc(net, block_len);
    *packet = (packet_t){.len = len, .block_len = block_len};
    return packet;
}

static void
packet_free(c4pi_simnet_t *net, packet_t *packet)
{
    c4pi_free(net->own_port, packet, packet->block_len);
}

static packet_t *
packet_of(c4pi_simnet_t *net, const c4p_msg_t *msg)
{
    packet_t *packet = packet_alloc(net, sizeof msg->env + (size_t)msg->env.len);
    memcpy(packet->bytes, &msg->env, sizeof msg->env);
    c4pi_msg_copy_payload(packet->bytes + sizeof msg->env, msg);
    packet->checksum = checksum_of(packet->bytes, packet->len);
    return packet;
}

/* ---- what is wrong --------------------------------------------------------------------------------- */

static void
broken(c4pi_simnet_t *net, int rank, const char *what)
{
    net->stats.broken++;
    c4pi_log(net->ranks[rank].port, C4P_LOG_ERROR, "simulated network: %s", what);
}

/* Has somebody written to a message while it was being sent? */
static void
check_unchanged(c4pi_simnet_t *net, const packet_t *packet)
{
    packet_t *now = packet_of(net, packet->held);
    if (now->len != packet->len || now->checksum != packet->checksum)
        broken(net, packet->source, "a message was changed while it was being sent");
    packet_free(net, now);
}

static bool
matters(const packet_t *packet)
{
    c4pi_kind_t kind = (c4pi_kind_t)packet->bytes[offsetof(c4pi_env_t, kind)];
    return kind == C4PI_BATCH || c4pi_kind_counted(kind);
}

/* ---- trace ----------------------------------------------------------------------------------------- */

void
c4pi_simnet_note(c4pi_simnet_t *net, uint64_t value)
{
    net->hash = c4pi_hash_u64(net->hash ^ value) + 0x632be59bd9b4e019u;
}

uint64_t
c4pi_simnet_trace_hash(const c4pi_simnet_t *net)
{
    return net->hash;
}

uint32_t
c4pi_simnet_choose(c4pi_simnet_t *net, uint32_t n)
{
    return c4pi_tape_choose(&net->world.tape, n);
}

/* ---- the back end ---------------------------------------------------------------------------------- */

static link_t *
link_of(c4pi_simnet_t *net, int source, int dest)
{
    uint64_t key = (uint64_t)source * (uint64_t)net->opts.num_ranks + (uint64_t)dest;
    link_t *link = c4pi_map_get(&net->links, key);
    if (link)
        return link;
    link = own_alloc(net, sizeof *link);
    *link = (link_t){.actor = {.place = NOWHERE, .rank = dest, .is_link = true}, .source = source};
    if (c4pi_map_put(&net->links, key, link) != C4P_OK)
        c4pi_simworld_die(&net->world, source, c4p_exit_status(C4P_ERR_NOMEM));
    return link;
}

static void
link_push(c4pi_simnet_t *net, link_t *link, packet_t *packet)
{
    packet->source = link->source;
    packet->number = next_key(net, net->world.now_ns + net->opts.latency_ns);
    packet->depth =
        1 + (net->ranks[link->source].depth > net->depth_base ? net->ranks[link->source].depth
                                                              : net->depth_base);
    if (packet->depth - net->depth_base > net->stats.depth)
        net->stats.depth = packet->depth - net->depth_base;
    packets_push(&link->packets, packet);
    if (link->packets.count == 1) {
        link->actor.key = packet->number;
        actors_add(net, &net->busy_links, &link->actor);
    }
    net->stats.sent++;
    if (++net->stats.in_flight > net->stats.max_in_flight)
        net->stats.max_in_flight = net->stats.in_flight;
}

static c4p_status_t
sim_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    sim_comm_t *c = (sim_comm_t *)comm;
    c4pi_simnet_t *net = c->net;

    if (dest < 0 || dest >= comm->num_ranks || dest == comm->rank || msg->object ||
        net->ranks[comm->rank].finished) {
        broken(net, comm->rank,
               "a message to oneself, outside the job, of an object, or after finish");
        c4pi_msg_drop(msg);
        return C4P_OK;
    }
    if (c4pi_msg_own(&msg) != C4P_OK) {
        c4pi_log(comm->port, C4P_LOG_ERROR, "out of memory: sending a message");
        return C4P_ERR_NOMEM;
    }
    packet_t *packet = packet_of(net, msg);
    if (packet->len > comm->small_bytes) {
        packet->held = msg;
        c->held++;
    } else {
        c4pi_msg_drop(msg);
    }
    link_push(net, link_of(net, comm->rank, dest), packet);
    return C4P_OK;
}

/* Drop messages that have arrived elsewhere. */
static void
complete_sends(sim_comm_t *c)
{
    packet_t *packet;
    while ((packet = packets_pop(&c->landed)) != NULL) {
        c4pi_msg_drop(packet->held);
        packet_free(c->net, packet);
    }
}

static c4p_status_t
sim_poll(c4pi_comm_t *comm, int max, int *did_out)
{
    sim_comm_t *c = (sim_comm_t *)comm;
    sim_rank_t *rank = &c->net->ranks[comm->rank];
    packets_t *inbox = &rank->inbox;
    int did = 0;

    complete_sends(c);
    while (did < max && inbox->head) {
        c4p_msg_t *msg = c4pi_msg_alloc(comm->msgs, inbox->head->len - sizeof(c4pi_env_t));
        if (!msg) {
            c4pi_log(comm->port, C4P_LOG_ERROR, "out of memory: receiving a message of %zu bytes",
                     inbox->head->len);
            return C4P_ERR_NOMEM;
        }
        packet_t *packet = packets_pop(inbox);
        c->net->stats.in_inboxes--;
        memcpy(&msg->env, packet->bytes, packet->len);
        bool whole = msg->env.len == packet->len - sizeof(c4pi_env_t);
        msg->where = (void *)(uintptr_t)packet->source;
        rank->depth = packet->depth > rank->depth ? packet->depth : rank->depth;
        packet_free(c->net, packet);
        if (!whole) {
            c4pi_log(comm->port, C4P_LOG_ERROR,
                     "a message from rank %d is damaged: its length is not the one received",
                     (int)(uintptr_t)msg->where);
            c4pi_msg_drop(msg);
            return C4P_ERR_DATA;
        }
        comm->deliver(comm->deliver_ctx, msg);
        did++;
    }
    *did_out = did;
    return C4P_OK;
}

static uint64_t
sim_sends_pending(c4pi_comm_t *comm)
{
    sim_comm_t *c = (sim_comm_t *)comm;
    return c->held + c->landed.count;
}

static c4p_status_t
sim_finish(c4pi_comm_t *comm)
{
    c4pi_simnet_t *net = ((sim_comm_t *)comm)->net;
    int did;
    c4p_status_t st = sim_poll(comm, INT32_MAX, &did);
    net->ranks[comm->rank].finished = true;
    return st;
}

static void
sim_abort(c4pi_comm_t *comm, int exit_status)
{
    c4pi_simworld_die(&((sim_comm_t *)comm)->net->world, comm->rank, exit_status);
}

/* Packets on links keep their bytes, but no message of a rank that goes. */
static void
let_go_of_messages(sim_comm_t *c)
{
    size_t at = 0;
    uint64_t key;
    void *value;

    complete_sends(c);
    while (c->held && c4pi_map_next(&c->net->links, &at, &key, &value)) {
        link_t *link = value;
        if (link->source != c->base.rank)
            continue;
        for (packet_t *packet = link->packets.head; packet; packet = packet->next) {
            if (packet->held) {
                c4pi_msg_drop(packet->held);
                packet->held = NULL;
                c->held--;
            }
        }
    }
}

static void
empty_inbox(c4pi_simnet_t *net, sim_rank_t *rank)
{
    packet_t *packet;
    while ((packet = packets_pop(&rank->inbox)) != NULL) {
        net->stats.in_inboxes--;
        packet_free(net, packet);
    }
}

static void
sim_free(c4pi_comm_t *comm)
{
    sim_comm_t *c = (sim_comm_t *)comm;
    c4pi_simnet_t *net = c->net;
    sim_rank_t *rank = &net->ranks[comm->rank];

    let_go_of_messages(c);
    empty_inbox(net, rank);
    actors_remove(&net->ready, &rank->ready);
    actors_remove(&net->sleepers, &rank->sleeper);
    rank->comm = NULL;
    net->stats.ranks--;
    c4pi_free(comm->port, c, sizeof *c);
}

static const c4pi_comm_ops_t sim_ops = {
    .send = sim_send,
    .poll = sim_poll,
    .sends_pending = sim_sends_pending,
    .finish = sim_finish,
    .abort = sim_abort,
    .free_comm = sim_free,
};

/* ---- events ---------------------------------------------------------------------------------------- */

static size_t
num_enabled(const c4pi_simnet_t *net)
{
    return net->busy_links.count + net->ready.count;
}

static void
wake(c4pi_simnet_t *net, sim_rank_t *rank)
{
    if (rank->sleeper.place == NOWHERE)
        return;
    const uint64_t now_ns = net->world.now_ns;
    actors_remove(&net->sleepers, &rank->sleeper);
    rank->ready.key = next_key(net, now_ns > rank->free_ns ? now_ns : rank->free_ns);
    actors_add(net, &net->ready, &rank->ready);
}

/* Ranks whose time has come. */
static void
wake_due(c4pi_simnet_t *net)
{
    while (net->sleepers.count && net->sleepers.items[0]->key <= net->world.now_ns)
        wake(net, &net->ranks[net->sleepers.items[0]->rank]);
}

static void
advance_clock(c4pi_simnet_t *net)
{
    uint64_t to = net->sleepers.items[0]->key;
    if (to > net->world.now_ns) {
        net->stats.withheld_ns += num_enabled(net) ? to - net->world.now_ns : 0;
        net->world.now_ns = to;
    }
    wake_due(net);
    c4pi_simnet_note(net, net->world.now_ns);
}

/* Put the packet into the inbox of a rank, which wakes. */
static void
inbox_push(c4pi_simnet_t *net, sim_rank_t *rank, packet_t *packet)
{
    packets_push(&rank->inbox, packet);
    net->stats.in_inboxes++;
    rank->idle_ticks = 0;
    wake(net, rank);
}

/* The ordered faults; returns false if the packet is lost. */
static bool
inject_faults(c4pi_simnet_t *net, sim_rank_t *to, packet_t *packet)
{
    uint64_t n = ++net->num_delivered_tried;
    if (n == net->opts.corrupt_message)
        packet->bytes[c4pi_simnet_choose(net, sizeof(c4pi_env_t))] ^= 0x80;
    if (n == net->opts.repeat_message) {
        packet_t *again = packet_alloc(net, packet->len);
        again->source = packet->source;
        memcpy(again->bytes, packet->bytes, packet->len);
        inbox_push(net, to, again);
    }
    return n != net->opts.drop_message;
}

static void
deliver_head(c4pi_simnet_t *net, link_t *link)
{
    packet_t *packet = packets_pop(&link->packets);
    sim_rank_t *from = &net->ranks[link->source], *to = &net->ranks[link->actor.rank];

    actors_remove(&net->busy_links, &link->actor);
    if (link->packets.head) {
        link->actor.key = link->packets.head->number;
        actors_add(net, &net->busy_links, &link->actor);
    }
    net->stats.in_flight--;
    net->stats.delivered++;
    c4pi_simnet_note(net,
                     packet->checksum ^ (uint64_t)link->source << 32 ^ (uint64_t)link->actor.rank);
    if (packet->held) { /* the sender learns later; the bytes go on alone */
        packet_t *landed = packet_alloc(net, 0);
        check_unchanged(net, packet);
        landed->held = packet->held;
        packet->held = NULL;
        from->comm->held--;
        packets_push(&from->comm->landed, landed);
    }
    if (!to->comm || to->finished) {
        if (matters(packet))
            broken(net, link->actor.rank, "a message arrives after its receiver has finished");
        packet_free(net, packet);
    } else if (inject_faults(net, to, packet)) {
        inbox_push(net, to, packet);
    } else {
        packet_free(net, packet);
    }
    if (from->comm && from->comm->landed.head)
        wake(net, from);
}

/* ---- choosing -------------------------------------------------------------------------------------- */

static actor_t *
enabled_at(const c4pi_simnet_t *net, size_t i)
{
    return i < net->busy_links.count ? net->busy_links.items[i]
                                     : net->ready.items[i - net->busy_links.count];
}

/* Any of them; NULL: let time pass. */
static actor_t *
pick_any(c4pi_simnet_t *net)
{
    size_t n = num_enabled(net);
    size_t i = c4pi_simnet_choose(net, (uint32_t)(n + (net->sleepers.count > 0)));
    return i < n ? enabled_at(net, i) : NULL;
}

static bool
before(const actor_t *a, const actor_t *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->is_link != b->is_link)
        return a->is_link;
    return a->key < b->key;
}

static actor_t *
pick_by_priority(c4pi_simnet_t *net)
{
    actor_t *best = NULL;
    for (size_t i = 0; i < num_enabled(net); i++) {
        actor_t *actor = enabled_at(net, i);
        if (!actor->priority)
            actor->priority = 100 + (int64_t)c4pi_simnet_choose(net, 65536);
        if (!best || before(actor, best))
            best = actor;
    }
    for (int i = 0; i < net->num_changes; i++)
        if (net->change_at[i] == net->stats.events)
            best->priority = i + 1; /* below all that were drawn; this one goes on for one event
                                       more */
    return best;
}

static bool
is_frozen(const c4pi_simnet_t *net, const actor_t *actor)
{
    return actor->rank == net->frozen;
}

static actor_t *
pick_around_frozen(c4pi_simnet_t *net)
{
    size_t n = num_enabled(net);
    if (net->frozen < 0 && c4pi_simnet_choose(net, 256) >= 252) {
        net->frozen = (int)c4pi_simnet_choose(net, (uint32_t)net->opts.num_ranks);
        net->frozen_until = net->stats.events + 32 * (1 + (uint64_t)c4pi_simnet_choose(net, 32));
    }
    if (net->frozen >= 0 && net->stats.events >= net->frozen_until)
        net->frozen = -1;
    actor_t *actor = pick_any(net);
    if (!actor || !is_frozen(net, actor))
        return actor;
    for (size_t i = 0; i < n; i++)
        if (!is_frozen(net, enabled_at(net, i)))
            return enabled_at(net, i);
    net->frozen = -1;
    return actor;
}

static actor_t *
pick_in_bursts(c4pi_simnet_t *net)
{
    if (net->burst && net->burst->place != NOWHERE && c4pi_simnet_choose(net, 8) >= 2)
        return net->burst;
    net->burst = pick_any(net);
    return net->burst;
}

static void
open_link(c4pi_simnet_t *net, uint32_t i)
{
    net->clogged[i]->clogged = false;
    net->clogged[i] = net->clogged[--net->num_clogged];
}

static void
clog_or_open(c4pi_simnet_t *net)
{
    if (net->opening) {
        open_link(net, c4pi_simnet_choose(net, net->num_clogged));
        net->opening = net->num_clogged > 0;
    } else if (net->busy_links.count) {
        uint32_t i = c4pi_simnet_choose(net, (uint32_t)net->busy_links.count);
        link_t *link = (link_t *)(void *)net->busy_links.items[i];
        if (!link->clogged) {
            link->clogged = true;
            net->clogged[net->num_clogged++] = link;
        }
        net->opening = net->num_clogged == MOST_CLOGGED || c4pi_simnet_choose(net, 4) == 3;
    }
    net->opening &= net->num_clogged > 0;
}

static bool
is_clogged(const actor_t *actor)
{
    return actor->is_link && ((const link_t *)(const void *)actor)->clogged;
}

static actor_t *
pick_around_clogged(c4pi_simnet_t *net)
{
    size_t n = num_enabled(net);
    if (c4pi_simnet_choose(net, 32) >= 30)
        clog_or_open(net);
    actor_t *actor = pick_any(net);
    if (!actor || !is_clogged(actor))
        return actor;
    for (size_t i = 0; i < n; i++)
        if (!is_clogged(enabled_at(net, i)))
            return enabled_at(net, i);
    while (net->num_clogged) /* nothing else can happen */
        open_link(net, 0);
    net->opening = false;
    return actor;
}

static actor_t *
pick(c4pi_simnet_t *net)
{
    switch (net->opts.mode) {
    case C4PI_SIM_PCT:
        return pick_by_priority(net);
    case C4PI_SIM_STARVE:
        return pick_around_frozen(net);
    case C4PI_SIM_BURST:
        return pick_in_bursts(net);
    case C4PI_SIM_SWIZZLE:
        return pick_around_clogged(net);
    case C4PI_SIM_RANDOM:
    case C4PI_SIM_TIMED:
        break;
    }
    return pick_any(net);
}

/* What is due first; the clock is put there, also back from where another rank's is. NULL: a rank
 * that sleeps. */
static actor_t *
pick_due(c4pi_simnet_t *net)
{
    const actors_t *sets[] = {&net->busy_links, &net->ready, &net->sleepers};
    actor_t *first = NULL;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (sets[i]->count && (!first || sets[i]->items[0]->key < first->key))
            first = sets[i]->items[0];
    if (!first)
        return NULL;
    net->world.now_ns = first->key;
    if (net->sleepers.count && first == net->sleepers.items[0])
        return NULL;
    net->world.now_ns += first->is_link ? 0 : net->opts.event_ns;
    return first;
}

/* NULL: let time pass. */
static actor_t *
next_event(c4pi_simnet_t *net)
{
    if (net->opts.mode == C4PI_SIM_TIMED)
        return pick_due(net);
    net->world.now_ns += net->opts.event_ns;
    wake_due(net);
    return num_enabled(net) ? pick(net) : NULL;
}

int
c4pi_simnet_step(c4pi_simnet_t *net)
{
    if (net->stats.ranks == 0)
        return C4PI_SIM_END;
    net->stats.events++;
    actor_t *actor = next_event(net);
    if (!actor && net->sleepers.count == 0)
        return C4PI_SIM_END; /* the driver has not reported a rank back */
    if (!actor) {
        advance_clock(net);
        return C4PI_SIM_TIME;
    }
    if (actor->is_link) {
        deliver_head(net, (link_t *)(void *)actor);
        return C4PI_SIM_DELIVERED;
    }
    actors_remove(&net->ready, actor);
    c4pi_simnet_note(net, (uint64_t)actor->rank);
    return actor->rank;
}

void
c4pi_simnet_ran(c4pi_simnet_t *net, int rank_number, bool busy, uint64_t wake_ns)
{
    enum { MOST_TICKS = 6 };
    sim_rank_t *rank = &net->ranks[rank_number];

    if (!rank->comm || rank->ready.place != NOWHERE || rank->sleeper.place != NOWHERE)
        return;
    rank->free_ns = net->world.now_ns;
    if (busy || rank->inbox.head || rank->comm->landed.head) {
        rank->idle_ticks = 0;
        rank->ready.key = next_key(net, rank->free_ns);
        actors_add(net, &net->ready, &rank->ready);
        return;
    }
    uint64_t at = net->world.now_ns + (net->opts.tick_ns << rank->idle_ticks);
    rank->sleeper.key = wake_ns && wake_ns < at ? wake_ns : at;
    if (rank->idle_ticks < MOST_TICKS)
        rank->idle_ticks++;
    actors_add(net, &net->sleepers, &rank->sleeper);
}

bool
c4pi_simnet_call(c4pi_simnet_t *net, void (*fn)(void *ctx), void *ctx)
{
    return c4pi_simworld_run(&net->world, fn, ctx);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void
set_defaults(c4pi_simnet_opts_t *opts)
{
    if (opts->pct_depth < 1)
        opts->pct_depth = 3;
    if (opts->pct_depth > 16)
        opts->pct_depth = 16;
    if (!opts->pct_events)
        opts->pct_events = 2000;
    if (!opts->tick_ns)
        opts->tick_ns = 1000000;
    if (!opts->event_ns)
        opts->event_ns = 200;
    if (!opts->latency_ns)
        opts->latency_ns = 1000;
    if (!opts->small_bytes)
        opts->small_bytes = 4032;
}

static void
set_up_tape(c4pi_simnet_t *net)
{
    if (net->opts.bytes)
        c4pi_tape_from_bytes(&net->world.tape, net->opts.bytes, net->opts.num_bytes);
    else
        c4pi_tape_from_seed(&net->world.tape, net->opts.seed);
    if (net->opts.mode == C4PI_SIM_PCT)
        for (; net->num_changes < net->opts.pct_depth - 1; net->num_changes++)
            net->change_at[net->num_changes] = c4pi_simnet_choose(net, net->opts.pct_events);
}

c4pi_simnet_t *
c4pi_simnet_new(const c4pi_simnet_opts_t *opts)
{
    c4pi_simnet_t *net = c4pi_sim_memory(sizeof *net);
    net->opts = *opts;
    set_defaults(&net->opts);
    c4pi_simworld_init(&net->own, NULL);
    c4pi_simworld_init(&net->world, &opts->world);
    net->own_port = c4pi_port_sim_new(&net->own, -1, opts->num_ranks);
    c4pi_map_init(&net->links, net->own_port);
    net->ranks = own_alloc(net, (size_t)opts->num_ranks * sizeof *net->ranks);
    net->frozen = -1;
    set_up_tape(net);
    for (int i = 0; i < opts->num_ranks; i++)
        net->ranks[i] = (sim_rank_t){.port = c4pi_port_sim_new(&net->world, i, opts->num_ranks),
                                     .ready = {.place = NOWHERE, .rank = i},
                                     .sleeper = {.place = NOWHERE, .rank = i}};
    return net;
}

void
c4pi_simnet_free(c4pi_simnet_t *net)
{
    if (!net)
        return;
    c4pi_simworld_fini(&net->world);
    c4pi_simworld_fini(&net->own);
    c4pi_sim_memory_free(net);
}

c4p_status_t
c4pi_simnet_comm_new(c4pi_simnet_t *net, int rank_number, c4pi_msgs_t *msgs, c4pi_comm_t **comm_out)
{
    sim_rank_t *rank = &net->ranks[rank_number];
    sim_comm_t *c = c4pi_calloc(rank->port, sizeof *c);
    if (!c)
        return C4P_ERR_NOMEM;
    c->base = (c4pi_comm_t){.ops = &sim_ops,
                            .rank = rank_number,
                            .num_ranks = net->opts.num_ranks,
                            .host_rank = rank_number,
                            .host_ranks = net->opts.num_ranks,
                            .small_bytes = net->opts.small_bytes,
                            .port = rank->port,
                            .msgs = msgs};
    c4pi_hosts_init(&c->base.hosts, net->opts.num_ranks, 1, net->opts.num_ranks);
    c->net = net;
    rank->comm = c;
    rank->ready.key = next_key(net, net->world.now_ns);
    actors_add(net, &net->ready, &rank->ready);
    net->stats.ranks++;
    *comm_out = &c->base;
    return C4P_OK;
}

c4pi_simworld_t *
c4pi_simnet_world(c4pi_simnet_t *net)
{
    return &net->world;
}

c4pi_port_t *
c4pi_simnet_port(c4pi_simnet_t *net, int rank)
{
    return net->ranks[rank].port;
}

void
c4pi_simnet_stats(const c4pi_simnet_t *net, c4pi_simnet_stats_t *stats_out)
{
    *stats_out = net->stats;
    stats_out->sleeping = (int)net->sleepers.count;
}

void
c4pi_simnet_depth_from_here(c4pi_simnet_t *net)
{
    net->depth_base += net->stats.depth;
    net->stats.depth = 0;
}

bool
c4pi_simnet_quiet(const c4pi_simnet_t *net)
{
    return net->stats.in_flight == 0 && net->stats.in_inboxes == 0 &&
           net->sleepers.count == (size_t)net->stats.ranks;
}
