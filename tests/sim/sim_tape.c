/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_tape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TAPE = 8 << 20, PER_LINE = 40 };

bool
sim_tape_write(const sim_tape_t *tape, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "cannot write %s\n", path);
        return false;
    }
    fprintf(file, "c4sim-tape 1 scenario=%s mode=%s ranks=%d fail_alloc=%" PRIu64 "\n",
            tape->scenario, sim_mode_name(tape->mode), tape->ranks, tape->fail_alloc);
    size_t len = tape->len;
    while (len && !tape->bytes[len - 1])
        len--; /* after its end a tape reads as zeroes */
    for (size_t i = 0; i < len; i++)
        fprintf(file, "%02x%s", tape->bytes[i],
                i % PER_LINE == PER_LINE - 1 || i + 1 == len ? "\n" : "");
    return fclose(file) == 0;
}

static const char *
read_bytes(FILE *file, sim_tape_t *tape)
{
    unsigned byte;
    size_t cap = 0;
    while (fscanf(file, "%2x", &byte) == 1) {
        if (tape->len == cap) {
            cap = cap ? 2 * cap : 1024;
            uint8_t *grown = cap <= MAX_TAPE ? realloc(tape->bytes, cap) : NULL;
            if (!grown)
                return "the tape is too long";
            tape->bytes = grown;
        }
        tape->bytes[tape->len++] = (uint8_t)byte;
    }
    return feof(file) ? NULL : "it has something else than hexadecimal bytes";
}

const char *
sim_tape_read(const char *path, sim_tape_t *tape)
{
    char mode[16];
    FILE *file = fopen(path, "r");
    *tape = (sim_tape_t){0};
    if (!file)
        return "it cannot be read";
    const char *wrong = NULL;
    if (fscanf(file, "c4sim-tape 1 scenario=%31s mode=%15s ranks=%d fail_alloc=%" SCNu64 "\n",
               tape->scenario, mode, &tape->ranks, &tape->fail_alloc) != 4 ||
        sim_mode_find(mode) < 0 || tape->ranks < 1)
        wrong = "its first line is not that of a tape";
    if (!wrong) {
        tape->mode = (c4pi_sim_mode_t)sim_mode_find(mode);
        tape->bytes = calloc(1, 1); /* an empty tape is a tape */
        wrong = read_bytes(file, tape);
    }
    fclose(file);
    if (wrong)
        sim_tape_fini(tape);
    return wrong;
}

void
sim_tape_fini(sim_tape_t *tape)
{
    free(tape->bytes);
    *tape = (sim_tape_t){0};
}

/* ---- shrinking --------------------------------------------------------------------------------- */

typedef struct shrinker {
    sim_config_t config;
    const char *what; /* fails */
    char property[16];
    uint64_t runs;
} shrinker_t;

/* Does this tape break the same property? If so `tape` becomes what was consumed of it. */
static bool
still_fails(shrinker_t *s, sim_tape_t *tape, const uint8_t *bytes, size_t len)
{
    sim_outcome_t outcome;
    s->config.tape = bytes;
    s->config.tape_len = len;
    s->runs++;
    sim_run(&s->config, &outcome);
    bool fails =
        outcome.failed && (!s->property[0] ||
                           (outcome.what == s->what && strcmp(outcome.property, s->property) == 0));
    if (fails) {
        size_t used = outcome.tape_len < len ? outcome.tape_len : len;
        s->what = outcome.what;
        memcpy(s->property, outcome.property, sizeof s->property);
        if (tape->bytes != bytes)
            memcpy(tape->bytes, bytes, used);
        tape->len = used;
    }
    sim_outcome_fini(&outcome);
    return fails;
}

/* Cut out chunks of this size. Returns whether something went. */
static bool
cut(shrinker_t *s, sim_tape_t *tape, uint8_t *trial, size_t chunk)
{
    bool any = false;
    for (size_t at = 0; at < tape->len;) {
        size_t n = chunk < tape->len - at ? chunk : tape->len - at;
        memcpy(trial, tape->bytes, at);
        memcpy(trial + at, tape->bytes + at + n, tape->len - at - n);
        if (still_fails(s, tape, trial, tape->len - n))
            any = true;
        else
            at += chunk;
    }
    return any;
}

/* Set chunks of this size to zero. */
static bool
zero(shrinker_t *s, sim_tape_t *tape, uint8_t *trial, size_t chunk)
{
    bool any = false;
    for (size_t at = 0; at < tape->len; at += chunk) {
        size_t n = chunk < tape->len - at ? chunk : tape->len - at;
        bool boring = true;
        for (size_t i = 0; i < n; i++)
            boring &= tape->bytes[at + i] == 0;
        if (boring)
            continue;
        memcpy(trial, tape->bytes, tape->len);
        memset(trial + at, 0, n);
        any |= still_fails(s, tape, trial, tape->len);
    }
    return any;
}

bool
sim_tape_shrink(sim_tape_t *tape, const sim_config_t *config)
{
    enum { MOST_RUNS = 20000 };
    shrinker_t s = {.config = *config};
    if (!still_fails(&s, tape, tape->bytes, tape->len))
        return false;
    uint8_t *trial = malloc(tape->len + 1);
    if (!trial)
        return true;
    for (bool any = true; any && s.runs < MOST_RUNS;) {
        any = false;
        for (size_t chunk = tape->len / 2 + 1; chunk && s.runs < MOST_RUNS; chunk /= 2) {
            any |= cut(&s, tape, trial, chunk);
            any |= zero(&s, tape, trial, chunk);
        }
    }
    free(trial);
    return true;
}
