/* SPDX-License-Identifier: Apache-2.0 */
/* nbody.c: particles in cells that are chares, which follow the load from rank to rank. Each step
 * has two rounds of messages between neighbours: particles that leave a cell, then everybody's
 * places. All sums have a fixed order, so the result is the same bits wherever the cells are. */
#include <c4p/c4p.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "space.h"

/* What cells hear from their neighbours, in turn. */
typedef enum news { PLACES, LEAVERS, NUM_NEWS, NOTHING = NUM_NEWS } news_t;

/* What a cell says of itself at the end of a period; its particles follow if they are wanted. */
typedef struct part {
    int32_t rank, n;
    int64_t pairs; /* looked at in this period */
    double momentum[2], kinetic, potential;
} part_t;

/* Sums over all parts, in the order of the cells. */
typedef struct totals {
    double momentum[2], energy, scale; /* scale: what the momentum could be */
    int64_t pairs, busiest;            /* of the rank that looked at most */
} totals_t;

/* One per rank. */
typedef struct sim {
    options_t options;
    law_t law;
    double mass;
    particle_t *initial;
    c4p_type_t cell;
    c4p_typed_t places, leavers;
    c4p_entry_t go_on;
    c4p_handler_t report;
    /* Of rank 0: */
    FILE *output;
    int step; /* of the last report; -1: none */
    double began_s, report_s;
    totals_t first;
} sim_t;

/* From one neighbour. A neighbour may be one round ahead, not two: so one of each kind is enough.
 */
typedef struct letter {
    bool here;
    int n;
    size_t room;
    void *data; /* PLACES: x[n], y[n]; LEAVERS: particle_t[n] */
} letter_t;

typedef struct cell {
    sim_t *sim;
    c4p_ref_t self;
    int at[2];
    int step;         /* -1: not begun */
    news_t waits_for; /* NOTHING: between periods */
    int n, room;
    particle_t *own;         /* [room] */
    double *x, *y, *ax, *ay; /* [room] of own */
    letter_t letters[NUM_NEWS][SIDES];
    int64_t pairs;
} cell_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

static void
need(c4p_rt_t *rt, const void *memory)
{
    if (!memory)
        check(rt, C4P_ERR_NOMEM);
}

/* ---- the type: made, freed, packed ------------------------------------------------------------ */

static void
cell_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    cell_t *cell = object;
    (void)rt, (void)ctx;
    for (int news = 0; news < NUM_NEWS; news++)
        for (int side = 0; side < SIDES; side++)
            free(cell->letters[news][side].data);
    free(cell->own);
    free(cell->x);
    free(cell);
}

/* Room for n particles. */
static bool
cell_grow(cell_t *cell, int n)
{
    if (n <= cell->room && cell->own)
        return true;
    const size_t room = (size_t)n + (size_t)n / 4 + 8;
    particle_t *own = realloc(cell->own, room * sizeof *own);
    double *x = malloc(4 * room * sizeof *x);
    if (own)
        cell->own = own;
    if (!own || !x) {
        free(x);
        return false;
    }
    free(cell->x);
    cell->x = x;
    cell->y = x + room;
    cell->ax = x + 2 * room;
    cell->ay = x + 3 * room;
    cell->room = (int)room;
    return true;
}

static cell_t *
cell_new(sim_t *sim, c4p_ref_t self, int n)
{
    cell_t *cell = calloc(1, sizeof *cell);
    c4p_index_t index;

    if (!cell)
        return NULL;
    c4p_index_unpack(self.key, 2, &index);
    cell->sim = sim;
    cell->self = self;
    cell->at[0] = (int)index.at[0];
    cell->at[1] = (int)index.at[1];
    cell->step = -1;
    cell->waits_for = NOTHING;
    if (cell_grow(cell, n))
        return cell;
    cell_destroy(NULL, cell, NULL);
    return NULL;
}

/* Which cell a coordinate is in; of the particles' own, or one beyond the wall. */
static double
cell_of(const sim_t *sim, double x)
{
    return floor(x * sim->options.cells);
}

static c4p_status_t
cell_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    sim_t *sim = ctx;
    cell_t *cell = cell_new(sim, self, 0);

    (void)args;
    for (int i = 0; cell && i < sim->options.particles; i++) {
        const particle_t *p = &sim->initial[i];
        if (cell_of(sim, p->x) != cell->at[0] || cell_of(sim, p->y) != cell->at[1])
            continue;
        if (!cell_grow(cell, cell->n + 1)) {
            cell_destroy(rt, cell, ctx);
            return C4P_ERR_NOMEM;
        }
        cell->own[cell->n++] = *p;
    }
    *object_out = cell;
    return cell ? C4P_OK : C4P_ERR_NOMEM;
}

/* x and y as the loops and the neighbours want them. */
static void
copy_places(cell_t *cell)
{
    for (int i = 0; i < cell->n; i++) {
        cell->x[i] = cell->own[i].x;
        cell->y[i] = cell->own[i].y;
    }
}

static size_t
letter_bytes(news_t news, int n)
{
    return (size_t)n * (news == PLACES ? 2 * sizeof(double) : sizeof(particle_t));
}

/* A cell may be moved at any time, so everything goes along, also what came from neighbours. */
static c4p_status_t
cell_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    const cell_t *cell = object;
    (void)rt, (void)ctx;
    c4p_put_u32(p, (uint32_t)cell->n);
    c4p_put_bytes(p, cell->own, (size_t)cell->n * sizeof *cell->own);
    c4p_put_bytes(p, cell->ax, (size_t)cell->n * sizeof *cell->ax); /* of the next step */
    c4p_put_bytes(p, cell->ay, (size_t)cell->n * sizeof *cell->ay);
    c4p_put_u32(p, (uint32_t)cell->step);
    c4p_put_u8(p, (uint8_t)cell->waits_for);
    c4p_put_u64(p, (uint64_t)cell->pairs);
    for (int news = 0; news < NUM_NEWS; news++) {
        for (int side = 0; side < SIDES; side++) {
            const letter_t *letter = &cell->letters[news][side];
            c4p_put_u8(p, letter->here);
            if (letter->here)
                c4p_put_blob(p, letter->data, letter_bytes((news_t)news, letter->n));
        }
    }
    return c4p_pup_status(p);
}

static bool
letter_set(letter_t *letter, news_t news, int n)
{
    const size_t bytes = letter_bytes(news, n);
    if (bytes > letter->room || !letter->data) {
        free(letter->data);
        letter->room = bytes + bytes / 4 + 64;
        letter->data = malloc(letter->room);
    }
    letter->here = true;
    letter->n = n;
    return letter->data != NULL;
}

static bool
letters_unpack(cell_t *cell, c4p_pup_t *p)
{
    for (int news = 0; news < NUM_NEWS; news++) {
        for (int side = 0; side < SIDES; side++) {
            size_t len;
            if (!c4p_get_u8(p))
                continue;
            const void *data = c4p_get_blob(p, &len);
            letter_t *letter = &cell->letters[news][side];
            if (!letter_set(letter, (news_t)news, (int)(len / letter_bytes((news_t)news, 1))))
                return false;
            if (len)
                memcpy(letter->data, data, len);
        }
    }
    return true;
}

static c4p_status_t
cell_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    const int n = (int)c4p_get_u32(p);
    cell_t *cell = cell_new(ctx, self, n);

    if (!cell)
        return C4P_ERR_NOMEM;
    cell->n = n;
    c4p_get_bytes(p, cell->own, (size_t)n * sizeof *cell->own);
    c4p_get_bytes(p, cell->ax, (size_t)n * sizeof *cell->ax);
    c4p_get_bytes(p, cell->ay, (size_t)n * sizeof *cell->ay);
    copy_places(cell);
    cell->step = (int)c4p_get_u32(p);
    cell->waits_for = (news_t)c4p_get_u8(p);
    cell->pairs = (int64_t)c4p_get_u64(p);
    const bool whole = letters_unpack(cell, p);
    const c4p_status_t st = whole ? c4p_pup_status(p) : C4P_ERR_NOMEM;
    if (st == C4P_OK)
        *object_out = cell;
    else
        cell_destroy(rt, cell, ctx);
    return st;
}

/* ---- between cells ---------------------------------------------------------------------------- */

/* The neighbour on a side of a cell; *shift_out: where the square that it is in lies. */
static c4p_ref_t
neighbour(c4p_rt_t *rt, const cell_t *cell, int side, double shift_out[2])
{
    const int cells = cell->sim->options.cells;
    c4p_index_t index = {.ndims = 2};
    c4p_ref_t ref = {.coll = cell->self.coll};
    int offset[2];

    side_offset(side, &offset[0], &offset[1]);
    for (int d = 0; d < 2; d++) {
        const int at = cell->at[d] + offset[d];
        shift_out[d] = at < 0 ? -1 : at >= cells ? 1 : 0;
        index.at[d] = (at + cells) % cells;
    }
    check(rt, c4p_index_pack(&index, &ref.key));
    return ref;
}

static void
send_places(c4p_rt_t *rt, cell_t *cell)
{
    double shift[2];

    copy_places(cell);
    for (int side = 0; side < SIDES; side++)
        check(rt, c4p_send_typed(rt, neighbour(rt, cell, side, shift), cell->sim->places,
                                 SIDES - 1 - side, cell->n, cell->x, cell->y));
    cell->waits_for = PLACES;
}

/* On which side of its cell a particle is now; SIDES: still inside. */
static int
side_of(c4p_rt_t *rt, const cell_t *cell, const particle_t *p)
{
    const double dx = cell_of(cell->sim, p->x) - cell->at[0];
    const double dy = cell_of(cell->sim, p->y) - cell->at[1];

    if (!(fabs(dx) <= 1 && fabs(dy) <= 1)) {
        char text[160];
        snprintf(
            text, sizeof text,
            "particle %lld passed a whole cell in step %d: take a smaller --dt or fewer --cells",
            (long long)p->id, cell->step);
        c4p_abort(rt, 1, text);
    }
    const int at = (int)(3 * (dx + 1) + dy + 1);
    return at < 4 ? at : at == 4 ? SIDES : at - 1;
}

/* Who has left goes to the neighbours, who stays is closed up. */
static void
send_leavers(c4p_rt_t *rt, cell_t *cell)
{
    particle_t *leaving = malloc(((size_t)cell->n + 1) * sizeof *leaving);
    unsigned char *sides = malloc((size_t)cell->n + 1);
    double shift[2];
    int stay = 0;

    need(rt, leaving);
    need(rt, sides);
    for (int i = 0; i < cell->n; i++)
        sides[i] = (unsigned char)side_of(rt, cell, &cell->own[i]);
    for (int side = 0; side < SIDES; side++) {
        const c4p_ref_t to = neighbour(rt, cell, side, shift);
        int n = 0;
        for (int i = 0; i < cell->n; i++) {
            if (sides[i] != side)
                continue;
            leaving[n] = cell->own[i];
            leaving[n].x -= shift[0];
            leaving[n++].y -= shift[1];
        }
        check(rt, c4p_send_typed(rt, to, cell->sim->leavers, SIDES - 1 - side, n, leaving));
    }
    for (int i = 0; i < cell->n; i++)
        if (sides[i] == SIDES)
            cell->own[stay++] = cell->own[i];
    cell->n = stay;
    cell->waits_for = LEAVERS;
    free(leaving);
    free(sides);
}

/* In the order of the sides, whichever came first: so the order of all sums stays fixed. */
static void
take_leavers(c4p_rt_t *rt, cell_t *cell)
{
    for (int side = 0; side < SIDES; side++) {
        const letter_t *letter = &cell->letters[LEAVERS][side];
        if (!cell_grow(cell, cell->n + letter->n))
            check(rt, C4P_ERR_NOMEM);
        if (letter->n)
            memcpy(cell->own + cell->n, letter->data, (size_t)letter->n * sizeof *cell->own);
        cell->n += letter->n;
    }
}

/* ---- a step ----------------------------------------------------------------------------------- */

static places_t
letter_places(const letter_t *letter)
{
    const double *x = letter->data;
    return (places_t){letter->n, x, x + letter->n};
}

static void
accelerate(c4p_rt_t *rt, cell_t *cell)
{
    const sim_t *sim = cell->sim;
    const places_t own = {cell->n, cell->x, cell->y};
    double shift[2];

    memset(cell->ax, 0, (size_t)cell->n * sizeof *cell->ax);
    memset(cell->ay, 0, (size_t)cell->n * sizeof *cell->ay);
    attract(&sim->law, sim->mass, own, own, 0, 0, cell->ax, cell->ay);
    cell->pairs += (int64_t)cell->n * cell->n;
    for (int side = 0; side < SIDES; side++) {
        const places_t others = letter_places(&cell->letters[PLACES][side]);
        neighbour(rt, cell, side, shift);
        attract(&sim->law, sim->mass, own, others, shift[0], shift[1], cell->ax, cell->ay);
        cell->pairs += (int64_t)cell->n * others.n;
    }
}

/* Half a step's change of the velocities. */
static void
kick(cell_t *cell)
{
    const double half = 0.5 * cell->sim->options.dt;
    for (int i = 0; i < cell->n; i++) {
        cell->own[i].vx += half * cell->ax[i];
        cell->own[i].vy += half * cell->ay[i];
    }
}

static void
drift(cell_t *cell)
{
    const double dt = cell->sim->options.dt;
    for (int i = 0; i < cell->n; i++) {
        cell->own[i].x += dt * cell->own[i].vx;
        cell->own[i].y += dt * cell->own[i].vy;
    }
}

static part_t
part_of(c4p_rt_t *rt, const cell_t *cell)
{
    const sim_t *sim = cell->sim;
    const places_t own = {cell->n, cell->x, cell->y};
    part_t part = {.rank = c4p_rank(rt), .n = cell->n, .pairs = cell->pairs};
    double shift[2];

    for (int i = 0; i < cell->n; i++) {
        const particle_t *p = &cell->own[i];
        part.momentum[0] += sim->mass * p->vx;
        part.momentum[1] += sim->mass * p->vy;
        part.kinetic += 0.5 * sim->mass * (p->vx * p->vx + p->vy * p->vy);
    }
    part.potential = potential(&sim->law, sim->mass, own, own, 0, 0);
    for (int side = 0; side < SIDES; side++) {
        neighbour(rt, cell, side, shift);
        part.potential +=
            potential(&sim->law, sim->mass, own, letter_places(&cell->letters[PLACES][side]),
                      shift[0], shift[1]);
    }
    return part;
}

/* Tell rank 0, which gets the parts of all cells at once, in the order of their indices. */
static void
send_report(c4p_rt_t *rt, cell_t *cell)
{
    const sim_t *sim = cell->sim;
    const c4p_reduce_t how = {.op = C4P_OP_GATHER};
    const c4p_target_t rank_0 = {.kind = C4P_TARGET_HANDLER, .number = sim->report};
    const part_t part = part_of(rt, cell);
    const size_t more = sim->options.output ? (size_t)cell->n * sizeof *cell->own : 0;
    char *all = malloc(sizeof part + more);

    need(rt, all);
    memcpy(all, &part, sizeof part);
    if (more)
        memcpy(all + sizeof part, cell->own, more);
    check(rt, c4p_contribute(rt, cell->self, &how, all, sizeof part + more, &rank_0, NULL));
    free(all);
}

static void
begin_step(c4p_rt_t *rt, cell_t *cell)
{
    cell->step++;
    kick(cell);
    drift(cell);
    send_leavers(rt, cell);
}

/* Tell rank 0; then the load is balanced, unless it is all over. */
static void
end_period(c4p_rt_t *rt, cell_t *cell)
{
    const options_t *options = &cell->sim->options;

    cell->waits_for = NOTHING;
    send_report(rt, cell);
    if (options->counted)
        check(rt, c4p_lb_set_load(rt, cell->self, (double)cell->pairs * 1e-9));
    cell->pairs = 0;
    if (cell->step < options->steps)
        check(rt, c4p_sync(rt, cell->self, cell->sim->go_on)); /* wherever it is then */
}

/* Everybody's places are here. */
static void
end_step(c4p_rt_t *rt, cell_t *cell)
{
    const options_t *options = &cell->sim->options;

    accelerate(rt, cell);
    if (cell->step > 0)
        kick(cell);
    if (cell->step % options->period == 0 || cell->step == options->steps)
        end_period(rt, cell);
    else
        begin_step(rt, cell);
}

static bool
all_here(cell_t *cell, news_t news)
{
    for (int side = 0; side < SIDES; side++)
        if (!cell->letters[news][side].here)
            return false;
    return true;
}

static void
forget(cell_t *cell, news_t news)
{
    for (int side = 0; side < SIDES; side++)
        cell->letters[news][side].here = false;
}

/* As far as can be gone now. */
static void
advance(c4p_rt_t *rt, cell_t *cell)
{
    while (cell->waits_for != NOTHING && all_here(cell, cell->waits_for)) {
        const news_t news = cell->waits_for;
        if (news == LEAVERS) {
            take_leavers(rt, cell);
            send_places(rt, cell);
        } else {
            end_step(rt, cell);
        }
        forget(cell, news);
    }
}

/* ---- entry methods ---------------------------------------------------------------------------- */

/* Begin; and what c4p_sync() calls when all cells are where they should be. */
static void
go_on(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    (void)msg, (void)ctx;
    if (cell->step < 0) {
        cell->step = 0;
        send_places(rt, cell);
    } else {
        begin_step(rt, cell);
    }
    advance(rt, cell);
}

/* "int side, int n, double x[n], double y[n]" */
static void
places(c4p_rt_t *rt, void *object, int side, int n, const double *x, const double *y)
{
    cell_t *cell = object;
    letter_t *letter = &cell->letters[PLACES][side];
    double *to;

    if (!letter_set(letter, PLACES, n))
        check(rt, C4P_ERR_NOMEM);
    to = letter->data;
    memcpy(to, x, (size_t)n * sizeof *x); /* they are lent */
    memcpy(to + n, y, (size_t)n * sizeof *y);
    advance(rt, cell);
}

/* "int side, int n, {int64_t id, double x, double y, double vx, double vy} who[n]" */
static void
leavers(c4p_rt_t *rt, void *object, int side, int n, const particle_t *who)
{
    cell_t *cell = object;
    letter_t *letter = &cell->letters[LEAVERS][side];

    if (!letter_set(letter, LEAVERS, n))
        check(rt, C4P_ERR_NOMEM);
    memcpy(letter->data, who, (size_t)n * sizeof *who);
    advance(rt, cell);
}

/* ---- rank 0 ----------------------------------------------------------------------------------- */

static totals_t
add_up(c4p_rt_t *rt, c4p_msg_t *msg)
{
    totals_t totals = {.pairs = 0};
    int64_t *of_rank = calloc((size_t)c4p_num_ranks(rt), sizeof *of_rank);
    c4p_gathered_t from;
    double kinetic = 0, bound = 0;
    part_t part;

    need(rt, of_rank);
    for (size_t at = 0; c4p_gathered_next(msg, &at, &from);) {
        memcpy(&part, from.data, sizeof part);
        totals.momentum[0] += part.momentum[0];
        totals.momentum[1] += part.momentum[1];
        kinetic += part.kinetic;
        bound += part.potential;
        totals.pairs += part.pairs;
        of_rank[part.rank] += part.pairs;
        if (of_rank[part.rank] > totals.busiest)
            totals.busiest = of_rank[part.rank];
    }
    totals.energy = kinetic + bound;
    totals.scale = sqrt(2 * kinetic); /* all masses together are 1 */
    free(of_rank);
    return totals;
}

/* A line of JSON: each cell's rank and load, and all particles, in all digits. */
static void
write_report(const sim_t *sim, c4p_msg_t *msg, double step_s, const totals_t *totals)
{
    FILE *out = sim->output;
    c4p_gathered_t from;
    const char *comma = "";
    part_t part;

    fprintf(out, "{\"step\": %d, \"step_s\": %.6g, \"energy\": %.17g, \"momentum\": [%.17g, %.17g]",
            sim->step, step_s, totals->energy, totals->momentum[0], totals->momentum[1]);
    fputs(", \"cells\": [", out);
    for (size_t at = 0; c4p_gathered_next(msg, &at, &from); comma = ", ") {
        memcpy(&part, from.data, sizeof part);
        fprintf(out, "%s[%d, %lld]", comma, part.rank, (long long)part.pairs);
    }
    fputs("], \"particles\": [", out);
    comma = "";
    for (size_t at = 0; c4p_gathered_next(msg, &at, &from);) {
        memcpy(&part, from.data, sizeof part);
        for (int i = 0; i < part.n; i++, comma = ", ") {
            particle_t p;
            memcpy(&p, (const char *)from.data + sizeof part + (size_t)i * sizeof p, sizeof p);
            fprintf(out, "%s[%lld, %.17g, %.17g, %.17g, %.17g]", comma, (long long)p.id, p.x, p.y,
                    p.vx, p.vy);
        }
    }
    fputs("]}\n", out);
}

static void
finish(c4p_rt_t *rt, sim_t *sim)
{
    int exit_code = 0;

    printf("%d steps of %d particles in %d x %d cells on %d ranks, %s: %.3f s\n",
           sim->options.steps, sim->options.particles, sim->options.cells, sim->options.cells,
           c4p_num_ranks(rt), sim->options.strategy, c4p_time_s(rt) - sim->began_s);
    if (sim->output && (ferror(sim->output) | fclose(sim->output)) != 0) {
        fprintf(stderr, "nbody_c: %s could not be written\n", sim->options.output);
        exit_code = 1;
    }
    sim->output = NULL;
    check(rt, c4p_exit(rt, exit_code));
}

/* The end of a period: a handler, since the result of a reduction need not go to a chare. */
static void
report(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    sim_t *sim = ctx;
    const options_t *options = &sim->options;
    const totals_t now = add_up(rt, msg);
    const int former = sim->step;
    double step_s = 0;

    sim->step = former < 0 ? 0 : former + options->period;
    if (sim->step > options->steps)
        sim->step = options->steps;
    if (former < 0) {
        sim->first = now;
        sim->began_s = c4p_time_s(rt);
    } else {
        step_s = (c4p_time_s(rt) - sim->report_s) / (sim->step - former);
    }
    printf(
        "step %6d: %8.3f ms per step, max/avg of pairs %.2f, energy drift %+.1e, "
        "momentum drift %.1e\n",
        sim->step, 1e3 * step_s,
        now.pairs ? (double)now.busiest * c4p_num_ranks(rt) / (double)now.pairs : 1.0,
        now.energy / sim->first.energy - 1,
        hypot(now.momentum[0] - sim->first.momentum[0], now.momentum[1] - sim->first.momentum[1]) /
            sim->first.scale);
    fflush(stdout);
    if (sim->output)
        write_report(sim, msg, step_s, &now);
    sim->report_s = c4p_time_s(rt);
    if (sim->step == options->steps)
        finish(rt, sim);
}

/* The loads of a round are processor time, as the runtime has measured it, or pairs (--counted). */
static void
on_round(c4p_rt_t *rt, const c4p_lb_round_t *round, void *ctx)
{
    const c4p_lb_worth_t *worth = &round->worth;
    const double mean = worth->mean > 0 ? worth->mean : 1;
    (void)rt, (void)ctx;
    printf("    %s: max/avg of loads %.2f, moved %zu of %zu cells in %.1f ms", round->strategy,
           worth->max_before / mean, worth->moved, round->num_objects, 1e3 * round->seconds);
    if (worth->moved)
        printf(", should be %.2f now", worth->max_after / mean);
    putchar('\n');
}

/* ---- the program ------------------------------------------------------------------------------ */

static void
register_all(c4p_rt_t *rt, sim_t *sim)
{
    const c4p_type_desc_t cell = {.struct_size = sizeof cell,
                                  .name = "Cell",
                                  .construct = cell_construct,
                                  .destroy = cell_destroy,
                                  .pack = cell_pack,
                                  .unpack = cell_unpack,
                                  .ctx = sim};
    check(rt, c4p_type_add(rt, &cell, &sim->cell));
    check(rt, c4p_entry_add(rt, sim->cell, "go_on", go_on, NULL, &sim->go_on));
    check(rt,
          c4p_entry_add_typed(rt, sim->cell, "places", "int side, int n, double x[n], double y[n]",
                              (c4p_any_fn_t)places, &sim->places));
    check(rt, c4p_entry_add_typed(rt, sim->cell, "leavers",
                                  "int side, int n, {int64_t id, double x, double y, double vx, "
                                  "double vy} who[n]",
                                  (c4p_any_fn_t)leavers, &sim->leavers));
    check(rt, c4p_handler_add(rt, "report", report, sim, &sim->report));
}

/* Rank 0 makes the cells, and tells them to begin. */
static void
begin(c4p_rt_t *rt, sim_t *sim)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_coll_t cells;
    c4p_msg_t *msg;

    if (sim->options.output && !(sim->output = fopen(sim->options.output, "w"))) {
        perror(sim->options.output);
        c4p_abort(rt, 2, "the output cannot be written");
    }
    opts.ndims = 2;
    opts.dense = true;
    opts.dims[0] = opts.dims[1] = sim->options.cells;
    opts.at_sync = true;
    check(rt, c4p_array_new(rt, sim->cell, &opts, NULL, &cells));
    check(rt, c4p_msg_new(rt, 0, &msg));
    check(rt, c4p_bcast(rt, cells, sim->go_on, msg, C4P_BCAST_NO_REPLY, 0));
}

/* Register, begin, and run to the end. */
static c4p_status_t
simulate(c4p_rt_t *rt, sim_t *sim, int *exit_code_out)
{
    sim->law = (law_t){.strength = 0.02, .soft = 0.01, .reach = sim->options.reach};
    sim->mass = 1.0 / sim->options.particles;
    sim->step = -1;
    sim->initial = initial_particles(sim->options.particles);
    need(rt, sim->initial);
    register_all(rt, sim);
    check(rt, c4p_start(rt));
    check(rt, c4p_lb_use(rt, sim->options.strategy));
    check(rt, c4p_lb_on_round(rt, on_round, NULL));
    if (c4p_rank(rt) == 0)
        begin(rt, sim);
    return c4p_run(rt, exit_code_out);
}

int
main(int argc, char **argv)
{
    c4p_rt_t *rt;
    int exit_code = 0;
    sim_t sim = {.step = -1};

    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    const bool speaks = c4p_rank(rt) == 0;
    const options_answer_t answer = options_read(argc, argv, speaks ? stderr : NULL, &sim.options);
    if (answer == OPTIONS_RUN)
        st = simulate(rt, &sim, &exit_code);
    else if (answer == OPTIONS_HELP && speaks)
        options_help(stdout);
    c4p_free(rt);
    free(sim.initial);
    return answer == OPTIONS_WRONG ? 2 : st == C4P_OK ? exit_code : c4p_exit_status(st);
}
