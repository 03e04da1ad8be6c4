#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulator's scenarios bite: each mutant is one deliberate mistake in the runtime,
built in a copy of the sources, and must make its tape of tests/sim/corpus fail, or some scenario within a
number of seeds.

Not part of the test suite, since it builds the library once per mutant (up to half an hour):

    python3 tests/sim/mutants.py            all of them
    python3 tests/sim/mutants.py --only hold --seeds 5000
    python3 tests/sim/mutants.py --corpus tests/sim/corpus   keep a short failing tape of each

Exit status: 0 if all were killed, 1 if one survived, 2 if one does not apply any more (the sources
have changed: adapt it here).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# (name, file under runtime/, text, replacement[, scenarios to try first[, at least so many seeds]])
MUTANTS = [
    # ---- location
    (
        "hold",
        "core/route.c",
        "        if (c4pi_version_newer(hint, loc->version) || loc->rank == rt->rank)",
        "        if (loc->rank == rt->rank)",
    ),
    (
        "equal-is-newer",
        "core/collection.h",
        "    return (int32_t)(a.epoch - b.epoch) > 0;",
        "    return (int32_t)(a.epoch - b.epoch) >= 0;",
    ),
    (
        "no-wrap-epoch",
        "core/collection.h",
        "    if (a.nonce != b.nonce)\n        return (int32_t)(a.nonce - b.nonce) > 0;",
        "    if (a.nonce != b.nonce)\n        return a.nonce > b.nonce;",
    ),
    (
        "pointer-before-ack",
        "svc/migrate.c",
        "    c4pi_loc_set(loc, why);",
        "    if (why & C4PI_LOC_HOME)\n        c4pi_loc_set(loc, why);\n    else\n        c4pi_loc_drop(loc);",
    ),
    (
        "home-takes-any-update",
        "core/route.c",
        "!(loc->flags & C4PI_LOC_HOME) || !c4pi_version_newer(version, loc->version))",
        "!(loc->flags & C4PI_LOC_HOME))",
    ),
    (
        "cache-takes-anything",
        "core/location.c",
        "    if (loc && !c4pi_version_newer(version, loc->version))\n        return NULL;",
        "",
    ),
    (
        "hint-not-set",
        "core/route.c",
        "    set_hint(msg, hint);\n    if ((int)msg->env.source",
        "    if ((int)msg->env.source",
    ),
    (
        "reroute-what-is-newer",
        "core/route.c",
        "                reroute_older(loc);",
        "                c4pi_reroute_held(loc);",
    ),
    (
        "one-nonce-for-all",
        "svc/grow.c",
        "    body->nonce = coll->next_nonce++;",
        "    body->nonce = coll->first_nonce;",
    ),
    ("nonce-zero", "core/collection.c", "    coll->next_nonce += coll->next_nonce == 0;", ""),
    (
        "dying-forgotten",
        "svc/migrate.c",
        "    bool dying = elem->flags & C4PI_ELEM_DYING;",
        "    bool dying = false;",
    ),
    ("held-not-released", "svc/migrate.c", "    c4pi_release_held(coll, key);\n", ""),
    (
        "suspended-moves",
        "core/dispatch.h",
        "return (elem->flags & C4PI_ELEM_RUNNING) || elem->suspended || elem->state == C4PI_ELEM_NEW;",
        "return (elem->flags & C4PI_ELEM_RUNNING) || elem->state == C4PI_ELEM_NEW;",
    ),
    (
        "forward-what-is-newer",
        "core/route.c",
        "    if (loc && c4pi_version_newer(loc->version, hint)) {",
        "    if (loc && loc->rank >= 0 && loc->rank != rt->rank) {",
    ),
    (
        "pointer-never-freed",
        "core/route.c",
        "        c4pi_loc_clear(loc, C4PI_LOC_POINTER);",
        "        (void)loc;",
    ),
    (
        "home-entry-never-freed",
        "core/route.c",
        "    c4pi_loc_clear(loc, C4PI_LOC_HOME | C4PI_LOC_DYING);",
        "    c4pi_loc_clear(loc, C4PI_LOC_DYING);",
    ),
    (
        "cache-not-bounded",
        "core/location.c",
        "    while (rt->num_loc_caches > rt->opts.loc_cache)",
        "    while (false)",
    ),
    (
        "cache-entry-lost",
        "core/location.c",
        "    c4pi_list_push(&rt->loc_caches, &loc->lru);\n    rt->num_loc_caches++;",
        "",
    ),
    (
        "home-learns-no-place",
        "core/route.c",
        "    loc->rank = rank;\n    c4pi_reroute_held",
        "    c4pi_reroute_held",
    ),
    # ---- insertion, deletion, creation
    (
        "insert-before-death",
        "svc/grow.c",
        "(elem->flags & (C4PI_ELEM_DYING | C4PI_ELEM_DOOMED))",
        "false",
    ),
    (
        "destroy-overtakes-insert",
        "svc/grow.c",
        "        msg->env.entry = AT_ROOT;\n        if (newborn)",
        "        msg->env.entry = AT_ROOT;\n        if (false)",
    ),
    (
        "call-overtakes-insert",
        "api/send.c",
        "    return c4pi_newborn_find(coll, key) ? C4P_ERR_BUSY : C4P_OK;",
        "    return C4P_OK;",
    ),
    (
        "stranger-overtakes-insert",
        "core/route.c",
        "        if (!wait_in_line(rt, msg))",
        "        (void)wait_in_line;",
    ),
    (
        "destroy-before-collection",
        "svc/grow.c",
        "    msg->env.entry = AT_INSERTER;\n    msg->env.source = (uint32_t)rt->rank & 0xffffff;\n"
        "    c4pi_send_to(rt, rt->rank, msg);\n}\n\nvoid\nc4pi_grow_destroy_now",
        "    msg->env.entry = AT_INSERTER;\n    msg->env.source = (uint32_t)rt->rank & 0xffffff;\n"
        "    if (!c4pi_coll_find(rt, ref.coll))\n        msg->env.entry = AT_ROOT;\n"
        "    c4pi_send_to(rt, msg->env.entry ? c4pi_coll_creator(ref.coll) : rt->rank, msg);\n}\n\n"
        "void\nc4pi_grow_destroy_now",
    ),
    (
        "constructor-skipped",
        "svc/grow.c",
        "        if (coll->removals != (uint32_t)at->w[1])",
        "        if (false)",
    ),
    (
        "done-too-early",
        "svc/grow.c",
        "    if (sum == grow->received_before)",
        "    if (sum >= grow->received_before)",
    ),
    # ---- broadcast
    (
        "no-floor-since",
        "svc/bcast_wave.c",
        "    if (b->floor_since < min)\n        min = b->floor_since;",
        "",
    ),
    (
        "departures-not-covered",
        "svc/bcast_wave.c",
        "        if (b->departures[i].floor < min)\n            min = b->departures[i].floor;",
        "",
    ),
    ("no-catch-up", "svc/migrate.c", "    c4pi_bcast_catch_up(elem);\n", ""),
    (
        "pass-not-repeated",
        "svc/bcast.c",
        "        if (coll->removals != (uint32_t)item->env.key.w[1]) {",
        "        if (false) {",
    ),
    (
        "catch-up-cut-short",
        "svc/bcast.c",
        "           !catch_up(coll, elem, item->env.reference))\n        ; ",
        "           !catch_up(coll, elem, item->env.reference))\n        break; ",
    ),
    (
        "number-not-carried",
        "svc/migrate.c",
        "    elem->bcast_next = c4p_get_u64(p);",
        "    elem->bcast_next = (c4p_get_u64(p), c4pi_bcast_first(elem->coll));",
    ),
    (
        "first-number-at-home",
        "svc/grow.c",
        "    elem->bcast_next = body->bcast_next;\n    elem->redn_next = body->redn_next;",
        "    elem->bcast_next = c4pi_bcast_first(coll);\n    elem->redn_next = body->redn_next;",
    ),
    (
        "await-judged-early",
        "svc/bcast_await.c",
        "await->number == C4PI_REPLY_CREATION || !c4pi_grow_dynamic(coll);",
        "true;",
    ),
    (
        "await-forgets-insertions",
        "svc/bcast.c",
        "        if (b->departures[i].version.epoch == 0 && b->departures[i].floor <= number)",
        "        if (false && b->departures[i].floor <= number)",
    ),
    (
        "await-freed-uncounted",
        "svc/bcast_wave.c",
        "    release(coll, body.min, keep < body.min ? keep : body.min);",
        "    (void)keep;\n    release(coll, body.min, body.min);",
    ),
    (
        "wave-does-not-wait",
        "svc/bcast_wave.c",
        "    return c4pi_bcast_local_min(coll) <= b->wave_query;",
        "    return false;",
    ),
    # ---- reduction
    ("births-as-declared", "svc/reduce.c", " || round->inserted != round->births ||", " ||"),
    ("new-tokens-ignored", "svc/reduce.c", "round->n_new != round->births ||", ""),
    (
        "births-not-carried",
        "svc/migrate.c",
        "    elem->births = c4p_get_u32(p);",
        "    (void)c4p_get_u32(p);",
    ),
    ("death-without-token", "svc/grow.c", "    c4pi_reduce_death(elem);\n", ""),
    (
        "never-flushed",
        "svc/wave.c",
        "        worked = c4pi_reduce_flush(rt);",
        "        worked = false;",
    ),
    # ---- quiescence, stall, exit
    (
        "one-wave",
        "svc/wave.c",
        "    bool equal = w->have_previous && ",
        "    bool equal = true || ",
    ),
    (
        "waves-need-not-be-equal",
        "svc/wave.c",
        "                 sum->created == w->previous.created && sum->processed == w->previous.processed;",
        "                 true;",
    ),
    (
        "parked-not-counted",
        "core/route.c",
        "        rt->num_strangers--;\n        c4pi_count_created(rt);",
        "        rt->num_strangers--;",
    ),
    (
        "local-not-counted",
        "core/route.c",
        "c4pi_enqueue_new(c4p_rt_t *rt, c4p_msg_t *msg)\n{\n    c4pi_count_created(rt);",
        "c4pi_enqueue_new(c4p_rt_t *rt, c4p_msg_t *msg)\n{",
    ),
    (
        "stall-ignores-timers",
        "svc/wave.c",
        "    if (sum->waiters && !sum->timers && ",
        "    if (sum->waiters && ",
    ),
    (
        "runs-after-exit",
        "core/pump.c",
        "if (rt->phase < C4PI_PHASE_EXITING) c4pi_dispatch(rt, msg); else",
        "if (rt->phase < C4PI_PHASE_ENDED) c4pi_dispatch(rt, msg); else",
    ),
    (
        "no-drain",
        "svc/wave.c",
        "    bool balanced = sum->created == sum->processed;",
        "    bool balanced = sum->created == sum->processed || sum->what == WAVE_DRAIN;\n"
        "    equal |= sum->what == WAVE_DRAIN;",
    ),
    (
        "gate-lets-through",
        "core/pump.c",
        "    if (!rt->gate_closed || rt->phase >= C4PI_PHASE_EXITING) {",
        "    {",
    ),
    # ---- sections
    (
        "section-number-unchecked",
        "svc/section.c",
        "    if (number > membership->heard && !elem->extra->reborn)\n        return false;",
        "",
        "choir",
    ),
    (
        "section-inserted-hears-first",
        "svc/section.c",
        "&& !elem->extra->reborn)",
        "&& !(elem->flags & C4PI_ELEM_INSERTED))",
        "choir",
    ),
    ("section-reborn-waits", "svc/grow.c", "    body->reborn = coll->some_died;\n", "", "choir"),
    (
        "section-ahead-lost-at-departure",
        "svc/migrate.c",
        "        c4pi_count_created(rt);\n        c4pi_route(rt, early);",
        "        c4pi_msg_drop(early);",
        "choir",
    ),
    (
        "section-contributions-as-they-come",
        "svc/section_redn.c",
        "    if (!record || token.number > given_by(record))",
        "    if (!record)",
        "choir",
    ),
    (
        "section-own-contribution-overtakes",
        "svc/section_redn.c",
        "    if (record && number <= given_by(record)) {",
        "    if (record) {",
        "choir",
    ),
    (
        "section-early-contributions-stay",
        "svc/section_redn.c",
        "    c4pi_msg_drop(msg);\n    if (coll->section->early.head)\n        contribute_early(coll);",
        "    c4pi_msg_drop(msg);",
        "choir",
    ),
    (
        "section-memberships-not-carried",
        "svc/migrate.c",
        "        *c4pi_elem_membership(elem, membership.section, NULL) = membership;",
        "",
        "choir",
    ),
    (
        "section-ahead-not-run",
        "svc/section.c",
        "    c4pi_elem_release(elem);\n    hear_ahead(coll, key);",
        "    c4pi_elem_release(elem);\n    (void)coll, (void)key, (void)hear_ahead;",
        "choir",
    ),
    # ---- records that follow their members
    (
        "follow-begins-where-its-rank-is",
        "svc/section_follow.c",
        "from = moving.bcast_next > had ? moving.bcast_next : had;",
        "from = had;",
        "choir",
    ),
    (
        "follow-old-one-goes-on",
        "svc/section_follow.c",
        "    record->state = C4PI_ELEM_NEW;\n    *at",
        "    *at",
        "choir",
    ),
    (
        "follow-old-one-ends-at-once",
        "svc/section_follow.c",
        "    if (record->bcast_next == end) {",
        "    if (end) {",
        "choir",
    ),
    (
        "follow-contributions-not-sent-on",
        "svc/section_redn.c",
        "    send_on(coll);\n",
        "    (void)send_on;\n",
        "choir",
    ),
    (
        "follow-adopted-owes-all",
        "svc/bcast.c",
        "        C4PI_CONTAINER(link, c4pi_await_t, link)->children |= 1u << bit;",
        "        (void)bit;",
        "choir",
    ),
    (
        "follow-comes-back-at-once",
        "svc/section_follow.c",
        "    if (c4pi_elem_find(coll, msg->env.key)) {",
        "    if (false) {",
        "choir",
    ),
    (
        "follow-ahead-waits-for-ever",
        "svc/section.c",
        "    if (c4pi_elem_local(coll->rt, member))\n        hear_ahead(",
        "    if (false)\n        hear_ahead(",
        "choir",
    ),
    (
        "follow-joins-again",
        "svc/section_follow.c",
        "    if (!in_tree(coll, rank)) {",
        "    (void)in_tree;\n    if (true) {",
        "choir",
    ),
    (
        "follow-gone-is-waited-for",
        "svc/section_follow.c",
        "    c4pi_bcast_gone(coll);\n",
        "",
        "choir",
    ),
    # ---- synchronization points
    (
        "sync-all-ready",
        "svc/sync.c",
        "    if (settled && sync->confirming && sync->last_left == sync->sum_left) {",
        "    if (true) {",
        "sync",
    ),
    (
        "sync-one-wave",
        "svc/sync.c",
        "    if (settled && sync->confirming && sync->last_left == sync->sum_left) {",
        "    if (settled) {",
        "sync",
    ),
    (
        "sync-newborns-not-counted",
        "svc/sync.c",
        "    rt->sync->left += count;",
        "    (void)rt, (void)count;",
        "sync",
    ),
    (
        "sync-departures-not-counted",
        "svc/sync.c",
        "    sync->left += moves;",
        "    sync->left += 0 * moves;",
        "sync",
    ),
    ("sync-goes-on-twice", "svc/sync.c", "    elem->extra->sync_waits = false;\n", "", "sync"),
    (
        "sync-waiting-not-carried",
        "svc/sync.c",
        "    extra->sync_waits = c4p_get_u8(p);",
        "    (void)c4p_get_u8(p);",
        "sync",
    ),
    (
        "sync-point-not-carried",
        "svc/sync.c",
        "    extra->sync_step = c4p_get_u64(p);",
        "    extra->sync_step = (c4p_get_u64(p), elem->coll->rt->sync->step);",
        "sync",
    ),
    (
        "sync-arrives-too-late",
        "svc/sync.c",
        "    catch_up(elem); /* a",
        "    sync->waiting += waits_for(elem, sync->step); /* a",
        "sync",
    ),
    (
        "sync-newcomers-go-on",
        "svc/sync.c",
        " && (int64_t)(extra->sync_since - sync->passed_wave) < 0)",
        ")",
        "sync",
    ),
    (
        "sync-newcomers-left-behind",
        "svc/sync.c",
        "        extra->sync_step = sync->step;\n",
        "",
        "sync",
    ),
    (
        "sync-empty-rank-says-nothing",
        "svc/sync.c",
        "    check(rt); /* also without",
        "    if (sync->members)\n        check(rt); /* also without",
        "sync",
    ),
    (
        "sync-emptied-at-the-point",
        "svc/sync.c",
        "    sync->hinted = sync->told_members = true;",
        "    sync->hinted = true;",
        "sync",
        20000,
    ),
    (
        "sync-hint-not-passed-on",
        "svc/sync.c",
        "        sync->hinted = false; /* somebody has",
        "        /* somebody has",
        "sync",
    ),
    (
        "sync-waves-without-pause",
        "svc/sync.c",
        "    if (sync->sum_left > sync->sum_arrived)",
        "    if (false)",
        "sync",
    ),
    ("sync-array-not-heard-of", "svc/grow.c", "coll ? 0 : MAYBE;", "0;", "sync", 20000),
    (
        "sync-dead-still-wait",
        "svc/sync.c",
        "    if (waits_for(elem, sync->step))\n        sync->waiting--;",
        "",
        "sync",
    ),
    (
        "sync-turned-back-not-counted",
        "svc/sync.c",
        "    sync->arrived += takes_part;\n    sync->left += takes_part;",
        "    sync->left += takes_part;",
        "whole,sync",
    ),
    (
        "turned-back-home-not-told",
        "svc/migrate.c",
        "    c4pi_tell_home(coll, key, elem->version, from, false);\n    c4pi_flow_take",
        "    c4pi_flow_take",
    ),
    # ---- balancing rounds
    (
        "balance-does-not-wait",
        "lb/round.c",
        "    if (!round->planned || round->came != round->expected)",
        "    if (!round->planned)",
        "balance",
    ),
    (
        "balance-comes-not-counted",
        "svc/migrate.c",
        "    if (balanced)\n        rt->on_balanced_comes(rt);",
        "    (void)balanced;",
        "balance",
    ),
    (
        "balance-stays-not-told",
        "svc/migrate.c",
        "    answer_failure(rt, &answer, p);\n    give_up_balanced(elem);",
        "    answer_failure(rt, &answer, p);",
        "balance",
    ),
    (
        "balance-refused-not-told",
        "lb/round.c",
        "        on_stays(rt, rank);\n}",
        "        rt->round->refused++;\n}",
        "balance",
    ),
    # ---- transport
    (
        "credit-short",
        "comm/flow.c",
        "            msg->credit = (uint16_t)bytes;",
        "            msg->credit = (uint16_t)(bytes & ~(size_t)1);",
    ),
    (
        "credit-not-kept-to",
        "comm/flow.c",
        "           bytes <= flow->window - (peer->sent - peer->acked);",
        "           bytes <= 2 * flow->window - (peer->sent - peer->acked);",
    ),
    (
        "shared-backlog",
        "comm/flow.c",
        "    if (msg->refs > 1) {\n        c4p_msg_t *copy",
        "    if (false) {\n        c4p_msg_t *copy",
    ),
    (
        "batch-overtaken",
        "comm/flow.c",
        "        flush_peer(flow, peer);\n        send_now(flow, peer, msg);\n    } else {",
        "        send_now(flow, peer, msg);\n    } else {",
    ),
    (
        "credit-not-given",
        "comm/flow.c",
        "    peer->taken += msg->credit;",
        "    peer->taken += msg->credit / 2;",
    ),
]


class Bench:
    """A copy of the sources and a build of it."""

    def __init__(self, where, python):
        self.src = os.path.join(where, "src")
        self.build = os.path.join(where, "build")
        skip = shutil.ignore_patterns(".git", "build", "build*", "*.tape")
        shutil.copytree(ROOT, self.src, ignore=skip)
        self.call(
            [
                "cmake",
                "-S",
                self.src,
                "-B",
                self.build,
                "-G",
                "Ninja",
                "-DC4P_PYTHON=OFF",
                "-DC4P_BENCH=OFF",
                "-DC4P_EXAMPLES=OFF",
                "-DCMAKE_C_FLAGS=-w",
                f"-DC4P_TEST_PYTHON={python}",
            ]
        )
        self.make()
        self.simrun = os.path.join(self.build, "tests", "simrun")

    @staticmethod
    def call(command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"failed: {' '.join(command)}\n{done.stdout}")

    def make(self):
        self.call(["ninja", "-C", self.build, "simrun"])

    def replay(self, tape):
        return subprocess.run(
            [self.simrun, "--replay", tape],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, scenario, seeds, out, limit_s=300):
        try:
            return subprocess.run(
                [self.simrun, "--scenario", scenario, "--seeds", f"0:{seeds}", "--out", out],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            return None


def first_failure(done):
    lines = done.stdout.splitlines() or [f"exit status {done.returncode}"]
    return next((text for text in lines if text.startswith("FAILED")), lines[0])


def kill_by_tape(bench, name):
    """The same, by the tape that killed it once."""
    tape = os.path.join(ROOT, "tests", "sim", "corpus", f"{name}.tape")
    if not os.path.exists(tape):
        return None
    done = bench.replay(tape)
    return ("its tape", first_failure(done)) if done.returncode else None


def kill(bench, name, seeds, scenarios, out):
    """Who killed it, and the first line of the failure; or None."""
    for round_seeds in (seeds // 20 + 1, seeds):
        for scenario in scenarios:
            done = bench.run(scenario, round_seeds, out)
            if done is None:
                return scenario, "does not end"
            if done.returncode:
                return scenario, first_failure(done)
    return None


def keep_tape(bench, name, scenario, out, corpus):
    tapes = [f for f in os.listdir(out) if f.startswith(scenario + "-") and f.endswith(".tape")]
    if not tapes:
        return
    path = os.path.join(out, tapes[0])
    subprocess.run([bench.simrun, "--shrink", path], stdout=subprocess.DEVNULL, timeout=900)
    best = path + ".min" if os.path.exists(path + ".min") else path
    shutil.copyfile(best, os.path.join(corpus, f"{name}.tape"))


def pattern_of(text):
    """The text, whatever its line breaks and indentation are now."""
    return re.compile(r"\s+".join(re.escape(word) for word in text.split()))


def try_mutant(bench, mutant, args, scenarios):
    name, file, old, new = mutant[:4]
    path = os.path.join(bench.src, "runtime", file)
    with open(path) as f:
        text = f.read()
    mutated, count = pattern_of(old).subn(lambda _: new, text, count=1)
    if not count:
        print(f"{name:28} does not apply to runtime/{file}", flush=True)
        return 2
    with open(path, "w") as f:
        f.write(mutated)
    try:
        bench.make()
        with tempfile.TemporaryDirectory() as out:
            first = mutant[4].split(",") if len(mutant) > 4 else []
            order = first + [s for s in scenarios if s not in first]
            seeds = max(args.seeds, mutant[5] if len(mutant) > 5 else 0)
            found = None if args.corpus else kill_by_tape(bench, name)
            found = found or kill(bench, name, seeds, order, out)
            if found and args.corpus:
                keep_tape(bench, name, found[0], out, args.corpus)
    finally:
        with open(path, "w") as f:
            f.write(text)
    if not found:
        print(f"{name:28} SURVIVED {seeds} seeds of each scenario", flush=True)
        return 1
    print(f"{name:28} killed by {found[0]}: {found[1][:110]}", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8000, help="seeds of each scenario")
    parser.add_argument("--only", help="names that contain one of these texts, with commas between")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--corpus", help="keep a short tape of each in this folder")
    parser.add_argument(
        "--work", help="folder for the copy and the build; default: a temporary one"
    )
    args = parser.parse_args()
    mutants = [
        m for m in MUTANTS if not args.only or any(text in m[0] for text in args.only.split(","))
    ]
    if args.list:
        for m in mutants:
            print(f"{m[0]:28} runtime/{m[1]}")
        return 0
    if args.work and os.path.exists(args.work):
        shutil.rmtree(args.work)
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(args.work or temporary, sys.executable)
        listed = subprocess.run([bench.simrun, "--list"], stdout=subprocess.PIPE, text=True).stdout
        scenarios = [line.split()[0] for line in listed.splitlines()]
        worst = 0
        for mutant in mutants:
            worst = max(worst, try_mutant(bench, mutant, args, scenarios))
    return worst


if __name__ == "__main__":
    sys.exit(main())
