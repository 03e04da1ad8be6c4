/* SPDX-License-Identifier: Apache-2.0 */
/* setfile_test.c: the files of a checkpoint: what was written is read, damage is refused, and a
 * disk that fails leaves nothing. */
#include "svc/setfile.h"

#include "base/port_sim.h"
#include "support/prng.h"
#include "support/test.h"
#include "svc/setfile_format.h"

enum { BODIES = 23 };

static const c4pi_setfile_head_t head = {C4PI_SETFILE_ELEMENTS, 2, 5, 77};

typedef struct world {
    c4pi_simworld_t sim;
    c4pi_port_t *port;
    uint8_t text[4096];
} world_t;

static void
begin(world_t *w)
{
    prng_t prng = {5};
    c4pi_simworld_init(&w->sim, NULL);
    w->port = c4pi_port_sim_new(&w->sim, 0, 1);
    for (size_t i = 0; i < sizeof w->text; i++)
        w->text[i] = (uint8_t)prng_next(&prng);
}

static void
end(world_t *w)
{
    CHECK_EQ(0, w->sim.live_blocks);
    c4pi_simworld_fini(&w->sim);
}

/* Lengths 0, 1, 4, 9, ... */
static c4pi_body_t
body_at(world_t *w, uint64_t i)
{
    return (c4pi_body_t){.coll = 100 + i / 5,
                         .key = {{i, ~i}},
                         .sort = C4PI_BODY_ELEMENT,
                         .data = w->text + i,
                         .len = i * i};
}

static c4p_status_t
write_file(world_t *w, const char *path, c4pi_setfile_sum_t *sum, char *why, size_t size)
{
    c4pi_setfile_writer_t *writer;
    c4p_status_t st = c4pi_setfile_create(w->port, path, &head, &writer, why, size);
    for (uint64_t i = 0; st == C4P_OK && i < BODIES; i++) {
        const c4pi_body_t body = body_at(w, i);
        if ((st = c4pi_setfile_add(writer, &body)) != C4P_OK) {
            snprintf(why, size, "%s", writer->why);
            c4pi_setfile_abandon(writer);
        }
    }
    return st == C4P_OK ? c4pi_setfile_finish(writer, sum, why, size) : st;
}

static bool
is_what_was_written(world_t *w, const c4pi_setfile_t *file)
{
    bool same = file->count == BODIES && file->head.kind == head.kind &&
                file->head.rank == head.rank && file->head.num_ranks == head.num_ranks &&
                file->head.generation == head.generation;
    for (uint64_t i = 0; same && i < BODIES; i++) {
        c4pi_body_t want = body_at(w, i), got;
        c4pi_setfile_body(file, i, &got);
        same = got.coll == want.coll && c4p_key_eq(got.key, want.key) && got.sort == want.sort &&
               got.len == want.len && memcmp(got.data, want.data, (size_t)want.len) == 0;
    }
    return same;
}

static void
what_was_written_is_read(void)
{
    world_t w;
    c4pi_setfile_sum_t sum;
    c4pi_setfile_t file;
    char why[C4PI_WHY_MAX];
    begin(&w);
    CHECK_OK(write_file(&w, "a/b", &sum, why, sizeof why));
    CHECK_EQ(BODIES, sum.count);
    c4pi_simdisk_crash(&w.sim.disk, true); /* it is on the disk */
    CHECK_OK(c4pi_setfile_load(w.port, "a/b", &file, why, sizeof why));
    CHECK(is_what_was_written(&w, &file));
    CHECK_EQ(sum.len, file.len);
    CHECK_EQ(sum.crc, file.crc);
    c4pi_setfile_unload(&file);
    CHECK_STATUS(C4P_ERR_NO_INPUT, c4pi_setfile_load(w.port, "a/c", &file, why, sizeof why));
    CHECK_STR_HAS("a/c: No such file", why);
    end(&w);
}

static void
a_left_over_file_of_the_name_is_replaced(void)
{
    world_t w;
    c4pi_setfile_sum_t sum;
    c4pi_setfile_t file;
    char why[C4PI_WHY_MAX];
    begin(&w);
    int made;
    CHECK_EQ(0, w.port->ops->files->create(w.port, "f", &made));
    CHECK_EQ(0, w.port->ops->files->write(w.port, made, "left over", 9));
    CHECK_EQ(0, w.port->ops->files->close(w.port, made));
    CHECK_OK(write_file(&w, "f", &sum, why, sizeof why));
    CHECK_OK(c4pi_setfile_load(w.port, "f", &file, why, sizeof why));
    CHECK(is_what_was_written(&w, &file));
    c4pi_setfile_unload(&file);
    end(&w);
}

/* The checksum of the whole is that of the bytes again. */
static void
repair(uint8_t *data, size_t len)
{
    c4pi_crc_t tables;
    c4pi_crc_init(&tables);
    size_t at = len - FOOTER_LEN + AT_FILE_CRC;
    if (len >= FOOTER_LEN)
        put32(data + at, c4pi_crc_add(&tables, 0, data, at));
}

static size_t
mutate(prng_t *prng, uint8_t *data, size_t len)
{
    for (uint64_t n = 1 + prng_below(prng, 3); n > 0; n--) {
        size_t at = (size_t)prng_below(prng, len);
        switch (prng_below(prng, 5)) {
        case 0:
            data[at] ^= (uint8_t)(1u << prng_below(prng, 8));
            break;
        case 1:
            data[at] = (uint8_t)prng_next(prng);
            break;
        case 2: /* a number, perhaps a huge one */
            for (size_t i = at & ~(size_t)7; i < len && i < (at & ~(size_t)7) + 8; i++)
                data[i] = prng_below(prng, 2) ? 0xff : (uint8_t)prng_next(prng);
            break;
        case 3:
            memmove(data + at, data + at / 2, len - at);
            break;
        default:
            len = 1 + (size_t)prng_below(prng, len); /* cut off */
        }
    }
    return len;
}

/* In half of the cases the checksum of the whole fits. */
static void
damage_is_refused_or_harmless(void)
{
    world_t w;
    c4pi_setfile_sum_t sum;
    char why[C4PI_WHY_MAX];
    size_t len;
    prng_t prng = {1};
    int refused = 0, equal = 0;
    begin(&w);
    CHECK_OK(write_file(&w, "f", &sum, why, sizeof why));
    const uint8_t *good = c4pi_simdisk_bytes(&w.sim.disk, "f", &len);
    for (int i = 0; i < 4000; i++) {
        uint8_t *bad = malloc(len); /* of its exact length, so that a sanitizer sees its end */
        CHECK(bad != NULL);
        memcpy(bad, good, len);
        size_t bad_len = mutate(&prng, bad, len);
        if (i % 2)
            repair(bad, bad_len);
        bad = realloc(bad, bad_len);
        CHECK(bad != NULL);
        c4pi_setfile_t file;
        why[0] = '\0';
        if (c4pi_setfile_check(bad, bad_len, &file, why, sizeof why) == C4P_OK) {
            CHECK(is_what_was_written(&w, &file));
            equal++;
        } else {
            CHECK(why[0] != '\0');
            refused++;
        }
        free(bad);
    }
    CHECK(refused > 3900);
    CHECK_EQ(4000, refused + equal);
    end(&w);
}

/* Every byte of the file is looked at. */
static void
each_flipped_bit_is_found(void)
{
    world_t w;
    c4pi_setfile_sum_t sum;
    c4pi_setfile_t file;
    char why[C4PI_WHY_MAX];
    size_t len;
    begin(&w);
    CHECK_OK(write_file(&w, "f", &sum, why, sizeof why));
    uint8_t *data = c4pi_simdisk_bytes(&w.sim.disk, "f", &len);
    for (size_t at = 0; at < len; at++) {
        bool in_crc = at >= len - FOOTER_LEN + AT_FILE_CRC && at < len - FOOTER_LEN + AT_END;
        data[at] ^= (uint8_t)(1u << at % 8);
        if (!in_crc)
            repair(data, len);
        CHECK_STATUS(C4P_ERR_DATA, c4pi_setfile_check(data, len, &file, why, sizeof why));
        data[at] ^= (uint8_t)(1u << at % 8);
        repair(data, len);
    }
    CHECK_OK(c4pi_setfile_check(data, len, &file, why, sizeof why));
    end(&w);
}

static void
a_disk_that_fails_leaves_nothing(void)
{
    world_t w;
    c4pi_setfile_sum_t sum;
    char why[C4PI_WHY_MAX];
    uint64_t n = 1, failures = 0;
    for (bool failed = true; failed || n < 3; n++) { /* the first is the removal, which may fail */
        begin(&w);
        w.sim.disk.fail_op = n;
        failed = write_file(&w, "dir/f", &sum, why, sizeof why) != C4P_OK;
        failures += failed;
        if (failed) {
            CHECK_STR_HAS("dir/f: ", why);
            CHECK_STR_HAS("No space left", why);
            CHECK_EQ(0, w.sim.disk.now.count);
        }
        end(&w);
    }
    CHECK(failures >= 3); /* create, write, sync */
}

TEST_CASES(what_was_written_is_read, a_left_over_file_of_the_name_is_replaced,
           damage_is_refused_or_harmless, each_flipped_bit_is_found,
           a_disk_that_fails_leaves_nothing)
