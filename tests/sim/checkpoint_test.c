/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_test.c: a job that writes checkpoints while its elements move dies before each
 * operation on the disk in turn, or the operation fails; what is left is a whole checkpoint, not
 * older than the last one that was reported, and a job on another number of ranks goes on from it.
 * Every run has its own schedule. P11 of the protocols. */
#include "sim/sim_driver.h"
#include "support/test.h"
#include "support/prng.h"
#include "svc/checkpoint.h"
#include "svc/setfile_format.h"

enum { ELEMENTS = 13, WRITERS = 3, READERS = 2, ROUNDS = 3 };

typedef struct cell {
    uint64_t value;
} cell_t;

typedef struct world {
    sim_job_t *job;
    c4p_type_t type;
    c4p_entry_t inc;
    c4p_coll_t coll;
    int round;
    bool writing, checked;
} world_t;

/* From one job to the next. */
static struct {
    c4pi_simdisk_t disk;
    uint64_t crash_op, fail_op;
    uint64_t ops;        /* that the writers tried */
    int written;         /* rounds whose checkpoint was reported as written */
    int refused;         /* or as failed */
    uint64_t seen;       /* the value that the readers found; 0: no checkpoint */
    c4p_status_t result; /* what they came to, */
    uint64_t peak_bytes; /* and the most memory that it took */
    const char *key;
} hand;

static bool lies; /* what is read was falsified */

/* ---- chares ----------------------------------------------------------------------------------- */

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    world_t *w = ctx;
    (void)rt, (void)self, (void)args;
    *object_out = sim_memory(w->job, sizeof(cell_t));
    return C4P_OK;
}

static c4p_status_t
pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    (void)rt, (void)ctx;
    c4p_put_u64(p, ((cell_t *)object)->value);
    return C4P_OK;
}

static c4p_status_t
unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    c4p_status_t st = construct(rt, self, NULL, ctx, object_out);
    ((cell_t *)*object_out)->value = c4p_get_u64(p);
    return st;
}

static void
inc(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    (void)msg;
    ((cell_t *)object)->value++;
    if (sim_chance(w->job, 64))
        sim_ok(
            w->job, rt,
            c4p_migrate(rt, c4p_self(rt), (int)sim_choose(w->job, (uint32_t)w->job->ranks), NULL),
            "c4p_migrate");
}

static void
add(sim_job_t *job, c4p_rt_t *rt)
{
    world_t *w = job->world;
    if (!w) {
        w = job->world = sim_memory(job, sizeof *w);
        w->job = job;
    }
    c4p_type_desc_t type = {.struct_size = sizeof type,
                            .name = "Cell",
                            .construct = construct,
                            .pack = pack,
                            .unpack = unpack,
                            .ctx = w};
    sim_ok(job, rt, c4p_type_add(rt, &type, &w->type), "c4p_type_add");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "inc", inc, w, &w->inc), "c4p_entry_add");
}

static void
give_key(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = c4pi_ckpt_need(rt);
    ckpt->key_len = hand.key ? strlen(hand.key) : 0;
    if (hand.key)
        memcpy(ckpt->key, hand.key, ckpt->key_len);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void
came(c4p_rt_t *rt, c4p_future_t id, c4p_msg_t *msg, bool is_error, bool is_last, void *ctx);

static c4p_future_t
future(world_t *w, c4p_rt_t *rt)
{
    c4p_future_t id = 0;
    sim_ok(w->job, rt, c4p_future_new(rt, 1, came, w, &id), "c4p_future_new");
    return id;
}

static void
came(c4p_rt_t *rt, c4p_future_t id, c4p_msg_t *msg, bool is_error, bool is_last, void *ctx)
{
    world_t *w = ctx;
    c4p_checkpoint_result_t result;
    (void)id, (void)is_error, (void)is_last;
    if (w->writing) {
        SIM_CHECK(w->job, "P11", c4p_checkpoint_result(msg, &result) == C4P_OK, "no result");
        SIM_CHECK(w->job, "P11", result.status == C4P_OK || hand.fail_op, "refused: %s",
                  result.why);
        hand.refused += result.status != C4P_OK;
        if (result.status == C4P_OK)
            hand.written = w->round;
        w->writing = false;
    } else if (w->round > 0) {
        const c4p_target_t done = {.kind = C4P_TARGET_FUTURE, .number = future(w, rt)};
        w->writing = true;
        sim_ok(w->job, rt, c4p_checkpoint(rt, "d", (c4p_ref_t){0}, &done), "c4p_checkpoint");
        return;
    }
    if (w->round++ == ROUNDS) {
        sim_ok(w->job, rt, c4p_exit(rt, 0), "c4p_exit");
        return;
    }
    c4p_msg_t *none;
    sim_ok(w->job, rt, c4p_msg_new(rt, 0, &none), "c4p_msg_new");
    sim_ok(w->job, rt, c4p_bcast(rt, w->coll, w->inc, none, C4P_BCAST_DONE, future(w, rt)),
           "c4p_bcast");
}

static void
begin_writing(sim_job_t *job)
{
    world_t *w = job->world;
    c4pi_simdisk_t *disk = &c4pi_simnet_world(job->net)->disk;
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    give_key(job->rts[0]);
    disk->crash_op = hand.crash_op;
    disk->fail_op = hand.fail_op;
    job->expect_status = hand.crash_op ? 137 : 0;
    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = ELEMENTS;
    opts.created = future(w, job->rts[0]);
    sim_ok(job, job->rts[0], c4p_array_new(job->rts[0], w->type, &opts, NULL, &w->coll), "array");
}

static void
keep_disk(sim_job_t *job)
{
    c4pi_simdisk_t *disk = &c4pi_simnet_world(job->net)->disk;
    hand.ops = disk->ops;
    hand.disk = *disk;
    *disk = (c4pi_simdisk_t){0};
}

static const sim_scenario_t writers = {.name = "checkpoint",
                                       .what = "write checkpoints",
                                       .min_ranks = WRITERS,
                                       .max_ranks = WRITERS,
                                       .add = add,
                                       .begin = begin_writing,
                                       .end = keep_disk,
                                       .aborted = keep_disk};

/* ---- reading ---------------------------------------------------------------------------------- */

static void
begin_reading(sim_job_t *job)
{
    c4pi_simnet_world(job->net)->disk = hand.disk;
    hand.disk = (c4pi_simdisk_t){0};
    hand.seen = 0;
    give_key(job->rts[0]);
    for (int rank = job->ranks - 1; rank >= 0; rank--)
        c4pi_restart_begin(job->rts[rank], "d");
}

/* All elements are there, once, and as old as each other. */
static void
check_elements(sim_job_t *job)
{
    uint64_t count = 0;
    for (int rank = 0; rank < job->ranks; rank++) {
        size_t at = 0;
        uint64_t id;
        void *value;
        while (c4pi_map_next(&job->rts[rank]->colls, &at, &id, &value)) {
            const c4pi_coll_t *coll = value;
            for (uint32_t i = 0; i < coll->count; i++, count++) {
                uint64_t got = ((cell_t *)coll->vec[i]->object)->value;
                SIM_CHECK(job, "P11", lies || !hand.seen || hand.seen == got,
                          "elements of different ages: %d and %d", (int)hand.seen, (int)got);
                hand.seen = lies ? 1 : got;
            }
        }
    }
    SIM_CHECK(job, "P11", lies || count == ELEMENTS, "%d elements", (int)count);
}

static void
turn_reading(sim_job_t *job, c4p_rt_t *rt)
{
    world_t *w = job->world;
    (void)rt;
    for (int rank = 0; rank < job->ranks; rank++)
        if (!job->rts[rank]->ckpt || !job->rts[rank]->ckpt->over ||
            job->rts[rank]->ckpt->result != C4P_OK)
            return;
    if (w->checked)
        return;
    w->checked = true;
    check_elements(job);
    sim_ok(job, job->rts[0], c4p_exit(job->rts[0], 0), "c4p_exit");
}

static void
end_reading(sim_job_t *job)
{
    const world_t *w = job->world;
    c4p_status_t st = hand.result = job->rts[0]->ckpt->result;
    hand.peak_bytes = c4pi_simnet_world(job->net)->peak_bytes;
    SIM_CHECK(job, "P11", w->checked || lies || st == C4P_ERR_NO_INPUT, "the restart ended with %s",
              c4p_status_name(st));
}

static const sim_scenario_t readers = {.name = "restart",
                                       .what = "go on from a checkpoint",
                                       .min_ranks = READERS,
                                       .max_ranks = READERS,
                                       .add = add,
                                       .begin = begin_reading,
                                       .turn = turn_reading,
                                       .end = end_reading};

/* ---- cases ------------------------------------------------------------------------------------ */

static void
play(const sim_scenario_t *scenario, uint64_t seed)
{
    sim_config_t config = {.scenario = scenario, .seed = seed, .mode = -1};
    sim_outcome_t outcome;
    sim_run(&config, &outcome);
    if (outcome.failed)
        fprintf(stderr, "seed %d, crash %d, failure %d: %s: %s\n%s", (int)seed, (int)hand.crash_op,
                (int)hand.fail_op, outcome.property, outcome.text, outcome.log ? outcome.log : "");
    bool failed = outcome.failed;
    sim_outcome_fini(&outcome);
    CHECK(!failed);
}

/* A writer's life, then what a reader finds. */
static void
write_and_read(uint64_t seed, uint64_t crash_op, uint64_t fail_op, bool newer)
{
    hand.crash_op = crash_op;
    hand.fail_op = fail_op;
    hand.written = hand.refused = 0;
    play(&writers, seed);
    c4pi_simdisk_crash(&hand.disk, newer);
    play(&readers, seed + 1);
    CHECK(hand.seen >= (uint64_t)hand.written);
    CHECK(hand.seen <= ROUNDS);
}

static void
a_crash_before_any_operation_leaves_a_whole_checkpoint(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        write_and_read(seed, 0, 0, true);
        CHECK_EQ(ROUNDS, hand.seen);
        uint64_t ops = hand.ops;
        CHECK(ops > ROUNDS * 10);
        uint64_t found[ROUNDS + 1] = {0};
        for (uint64_t n = 1; n <= ops; n++) {
            write_and_read(seed, n, 0, false);
            found[hand.seen]++;
            write_and_read(seed, n, 0, true);
            found[hand.seen]++;
        }
        for (int i = 0; i < ROUNDS; i++) /* crashes before each, and between */
            CHECK(found[i] > 5);
    }
}

static void
an_operation_that_fails_costs_at_most_one_checkpoint(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        write_and_read(seed, 0, 0, true);
        uint64_t ops = hand.ops, refused = 0;
        for (uint64_t n = 1; n <= ops; n++) {
            write_and_read(seed, 0, n, true);
            CHECK(hand.refused <= 1);
            CHECK(hand.seen == (uint64_t)hand.written);
            CHECK(hand.written + (hand.refused > 0) >= ROUNDS);
            refused += (uint64_t)hand.refused;
        }
        CHECK(refused > 15);
    }
}

/* The checksums are those of the bytes again. */
static void
repair(uint8_t *data, size_t len)
{
    c4pi_crc_t tables;
    c4pi_crc_init(&tables);
    uint8_t *index = data + get64(data + len - FOOTER_LEN + AT_INDEX);
    uint64_t count = get64(data + len - FOOTER_LEN + AT_COUNT);
    for (uint8_t *entry = index; entry < index + count * ENTRY_LEN; entry += ENTRY_LEN) {
        uint32_t crc = c4pi_crc_add(&tables, 0, entry, AT_BODY_CRC);
        const uint8_t *body = data + get64(entry + AT_PLACE);
        put32(entry + AT_BODY_CRC, c4pi_crc_add(&tables, crc, body, (size_t)get64(entry + AT_LEN)));
    }
    put32(data + AT_HEAD_CRC, c4pi_crc_add(&tables, 0, data, AT_HEAD_CRC));
    size_t file_crc = len - FOOTER_LEN + AT_FILE_CRC;
    put32(data + file_crc, c4pi_crc_add(&tables, 0, data, file_crc));
}

static void
change(prng_t *prng, uint8_t *data, size_t from, size_t to)
{
    for (uint64_t n = 1 + prng_below(prng, 3); n > 0; n--) {
        size_t at = from + (size_t)prng_below(prng, to - from);
        data[at] = prng_below(prng, 3) ? (uint8_t)prng_next(prng) : 0xff;
    }
}

/* Change the manifest's text; often its last part, which has the numbers. */
static void
falsify_manifest(prng_t *prng)
{
    size_t len;
    uint8_t *data = c4pi_simdisk_bytes(&hand.disk, "d/manifest", &len);
    CHECK(data != NULL);
    size_t end =
        HEAD_LEN + (size_t)get64(data + get64(data + len - FOOTER_LEN + AT_INDEX) + AT_LEN);
    change(prng, data, prng_below(prng, 2) && end > HEAD_LEN + 300 ? end - 300 : HEAD_LEN, end);
    repair(data, len);
}

/* Change what a file of elements says, and let the manifest agree. */
static void
falsify_elements(prng_t *prng)
{
    char path[40];
    size_t len, manifest_len;
    uint8_t old[C4PI_SHA256_LEN], *at;
    uint8_t *data, *manifest = c4pi_simdisk_bytes(&hand.disk, "d/manifest", &manifest_len);
    do { /* some rank has elements */
        snprintf(path, sizeof path, "d/set%d.rank%d", ROUNDS, (int)prng_below(prng, WRITERS));
        data = c4pi_simdisk_bytes(&hand.disk, path, &len);
    } while (data && !get64(data + len - FOOTER_LEN + AT_COUNT));
    CHECK(data != NULL && manifest != NULL);
    const c4pi_setfile_t file = {.data = data, .len = len};
    c4pi_setfile_sha(&file, len, old);
    size_t index = (size_t)get64(data + len - FOOTER_LEN + AT_INDEX);
    bool in_index = prng_below(prng, 2);
    size_t entry =
        index + (size_t)prng_below(prng, (len - FOOTER_LEN - index) / ENTRY_LEN) * ENTRY_LEN;
    change(prng, data, in_index ? entry : HEAD_LEN, in_index ? entry + AT_PLACE : index);
    repair(data, len);
    for (at = manifest; memcmp(at, old, sizeof old) != 0;)
        CHECK(++at + sizeof old <= manifest + manifest_len);
    put32(at - 4, get32(data + len - FOOTER_LEN + AT_FILE_CRC));
    c4pi_setfile_sha(&file, len, at);
    repair(manifest, manifest_len);
}

static bool
read_what_lies(uint64_t seed)
{
    sim_config_t config = {.scenario = &readers, .seed = seed, .mode = -1};
    sim_outcome_t outcome;
    lies = true;
    sim_run(&config, &outcome);
    lies = false;
    bool good = !outcome.failed || outcome.exit_status == 65;
    if (!good)
        fprintf(stderr, "%d: %s: %s\n%s", (int)seed, outcome.property, outcome.text,
                outcome.log ? outcome.log : "");
    sim_outcome_fini(&outcome);
    c4pi_simdisk_fini(&hand.disk);
    return good;
}

static void
files_that_lie_are_refused_or_read(void (*falsify)(prng_t *prng), int *refused, int *read)
{
    prng_t prng = {11};
    for (uint64_t i = 0; i < 500; i++) {
        hand.crash_op = hand.fail_op = 0;
        hand.written = 0;
        play(&writers, i);
        falsify(&prng);
        CHECK(read_what_lies(i));
        *(hand.seen ? read : refused) += 1;
    }
}

static void
a_manifest_that_lies_is_refused_or_read(void)
{
    int refused = 0, read = 0;
    files_that_lie_are_refused_or_read(falsify_manifest, &refused, &read);
    CHECK(refused > 200);
    CHECK(read > 5);
}

/* A small file says that there were so many ranks as can be: no memory is taken for them. */
static void
ranks_without_files_are_refused(void)
{
    size_t len;
    hand.crash_op = hand.fail_op = 0;
    play(&writers, 1);
    uint8_t *data = c4pi_simdisk_bytes(&hand.disk, "d/manifest", &len);
    CHECK(data != NULL);
    put32(data + AT_RANKS, C4P_MAX_RANKS);
    repair(data, len);
    CHECK(read_what_lies(1));
    CHECK_STATUS(C4P_ERR_DATA, hand.result);
    CHECK(hand.peak_bytes < C4P_MAX_RANKS); /* less than a byte for each */
}

static void
elements_that_lie_are_refused_or_read(void)
{
    int refused = 0, read = 0;
    files_that_lie_are_refused_or_read(falsify_elements, &refused, &read);
    CHECK(refused > 100);
    CHECK(read > 5);
}

/* Nobody who lacks the key can change anything, whatever checksums he mends. */
static void
a_sealed_checkpoint_that_was_changed_is_refused(void)
{
    prng_t prng = {12};
    for (uint64_t i = 0; i < 200; i++) {
        hand.crash_op = hand.fail_op = 0;
        hand.key = "sixteen bytes or more";
        play(&writers, i);
        void (*falsify)(prng_t * prng) = i % 2 ? falsify_manifest : falsify_elements;
        uint8_t before[C4PI_SHA256_LEN], after[C4PI_SHA256_LEN];
        c4pi_setfile_t manifest = {0};
        manifest.data = c4pi_simdisk_bytes(&hand.disk, "d/manifest", &manifest.len);
        c4pi_setfile_sha(&manifest, manifest.len, before);
        falsify(&prng);
        c4pi_setfile_sha(&manifest, manifest.len, after);
        CHECK(read_what_lies(i));
        CHECK_EQ(c4pi_sha256_same(before, after), hand.seen != 0); /* it may be as it was */
    }
    hand.key = NULL;
}

static void
key_and_seal_must_fit(void)
{
    static const char *const keys[] = {NULL, "sixteen bytes or more", "another key of the user"};
    for (int with = 0; with < 3; with++)
        for (int read = 0; read < 3; read++) {
            hand.crash_op = hand.fail_op = 0;
            hand.key = keys[with];
            play(&writers, 1);
            hand.key = keys[read];
            CHECK(read_what_lies(2));
            CHECK_EQ(with == read, hand.seen != 0);
        }
    hand.key = NULL;
}

TEST_CASES(a_crash_before_any_operation_leaves_a_whole_checkpoint,
           an_operation_that_fails_costs_at_most_one_checkpoint,
           a_manifest_that_lies_is_refused_or_read, ranks_without_files_are_refused,
           elements_that_lie_are_refused_or_read, a_sealed_checkpoint_that_was_changed_is_refused,
           key_and_seal_must_fit)
