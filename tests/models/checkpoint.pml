/* SPDX-License-Identifier: Apache-2.0 */
/* Is there a whole checkpoint after a crash at any step? Each rank writes its file of a new set, brings it to the disk, and then its name, which
 * the directory has. When all have, rank 0 writes the new manifest beside the old one, brings it to the disk, renames it, and brings the
 * directory to the disk. Then the new set is reported as written, and each rank removes its file of the former one. The next checkpoint first
 * brings the directory to the disk and removes all files that the manifest does not name. An operation may
 * fail: then the new set is given up. The job may die, and another goes on from what the manifest names. Or the power fails: of a file, only what was brought to the disk is left; a name that was
 * made, changed or removed since the directory was brought to the disk may be as before or as after, each on its own.
 *
 * Checked when the job has died or the power has failed: the manifest names a set of which all files are there and whole, and not one before the last that was reported.
 *
 * -DNO_SYNC: files are not brought to the disk. -DNO_DIR_SYNC: nor their names. -DNO_MANIFEST_SYNC: nor the manifest before the renaming.
 * -DIN_PLACE: the manifest is written over the former one. -DSAME_NAMES: the files of all sets have the same names. -DEARLY_REMOVE: the former set goes before the
 * directory is brought to the disk. -DSWEEP_AT_ONCE: what the manifest does not name goes before that. -DEARLY_REPORT: the new set is reported before that. -DBOLD_REMOVE: the former set goes though that has failed. */
#ifndef NS
#define NS 3 /* sets */
#endif
#ifndef NC
#define NC 2 /* crashes */
#endif
#ifndef NF
#define NF 1 /* operations that fail */
#endif
#define NR 2
#ifdef SAME_NAMES
#define FILE(r, s) (r)
#else
#define FILE(r, s) ((s) * NR + (r))
#endif
#define NFILES (NR * (NS + 1))

#define IDLE 0
#define WRITING 1
#define PUBLISHING 2
#define REMOVING 3
#define GONE 4 /* a rank has done its part */

/* Contents: 0 none, 1 in memory, 2 on the disk. Names: in memory, and on the disk. */
byte data[NFILES], manifest_data[NS + 1];
bool named[NFILES], kept[NFILES];
byte manifest = 0, manifest_kept = 0; /* the set that it names */
byte stage = IDLE, step[NR], part = 0, set = 0, former = 0, reported = 0, crashes = 0, fails = 0;
bool failed = 0;
byte i;

inline sync_dir() {
    i = 0;
    do
    :: i < NFILES -> kept[i] = named[i]; i++
    :: else -> break
    od;
    manifest_kept = manifest; i = 0
}

/* Away with what the manifest does not name. */
inline sweep() {
    i = 0;
    do
    :: i < NFILES -> if :: i / NR != manifest -> named[i] = 0 :: else fi; i++
    :: else -> break
    od;
    i = 0
}

inline start() {
#ifndef SAME_NAMES
    if
#ifdef SWEEP_AT_ONCE
    :: sweep()
#else
    :: sync_dir(); sweep()
    :: fails < NF -> fails++
#endif
    fi;
#endif
    set = manifest + 1; former = manifest; failed = 0; step[0] = 0; step[1] = 0; stage = WRITING
}

inline write_file(r) {
    if
    :: step[r] == 0 -> named[FILE(r, set)] = 1; data[FILE(r, set)] = 1; step[r] = 1
    :: step[r] == 1 ->
#ifndef NO_SYNC
        data[FILE(r, set)] = 2;
#endif
        step[r] = 2
    :: step[r] == 2 ->
#ifndef NO_DIR_SYNC
        sync_dir();
#endif
        step[r] = GONE
    :: step[r] < GONE && fails < NF -> fails++; failed = 1; step[r] = GONE
    fi
}

inline give_up() { failed = 1; step[0] = 0; step[1] = 0; stage = REMOVING }

inline end_publishing() { part = 0; step[0] = 0; step[1] = 0; stage = REMOVING }

inline remove_former() { named[FILE(0, former)] = 0; named[FILE(1, former)] = 0; former = 0 }

inline publish() {
    if
    :: part == 0 ->
        manifest_data[set] = 1; part = 1;
#ifdef IN_PLACE
        manifest = set
#endif
    :: part == 1 ->
#ifndef NO_MANIFEST_SYNC
        manifest_data[set] = 2;
#endif
        part = 2
    :: part == 2 ->
        manifest = set; part = 3;
#ifdef EARLY_REMOVE
        if :: former > 0 -> remove_former() :: else fi;
#endif
#ifdef EARLY_REPORT
        reported = set
#endif
    :: part == 3 -> sync_dir(); reported = set; end_publishing()
    :: part < 3 && fails < NF -> fails++; part = 0; give_up()
#ifdef BOLD_REMOVE
    :: part == 3 && fails < NF -> fails++; end_publishing()
#else
    :: part == 3 && fails < NF -> fails++; former = 0; end_publishing() /* both sets stay */
#endif
    fi
}

inline remove_file(r) {
    if
    :: failed -> named[FILE(r, set)] = 0
    :: !failed && former > 0 -> named[FILE(r, former)] = 0
    :: else
    fi;
    step[r] = GONE
}

#ifdef SAME_NAMES
#define OF_THE_SET(r) true
#else
#define OF_THE_SET(r) named[FILE(r, manifest)]
#endif
#define WHOLE(r) (OF_THE_SET(r) && data[FILE(r, manifest)] == 2)

inline give_way() { stage = IDLE; step[0] = 0; step[1] = 0; part = 0; set = 0; former = 0; failed = 0 }

/* The job dies; what the next one finds. */
inline die() {
    assert(manifest >= reported);
    assert(manifest == 0 || (WHOLE(0) && WHOLE(1)));
    crashes++; give_way()
}

/* The power fails, too. */
inline crash() {
    i = 0;
    do
    :: i < NFILES ->
        if
        :: named[i] != kept[i] -> named[i] = kept[i]
        :: named[i] != kept[i] -> kept[i] = named[i]
        :: named[i] == kept[i]
        fi;
        i++
    :: else -> break
    od;
    if :: manifest != manifest_kept -> manifest = manifest_kept :: manifest_kept = manifest fi;
    assert(manifest >= reported);
    assert(manifest == 0 || manifest_data[manifest] == 2);
    assert(manifest == 0 || (WHOLE(0) && WHOLE(1)));
    crashes++; i = 0;
    do
    :: i < NFILES -> if :: !named[i] -> data[i] = 0 :: else fi; i++
    :: else -> break
    od;
    i = 0;
    give_way()
}

init {
    do
    :: atomic { stage == IDLE && manifest < NS -> start() }
    :: atomic { stage == WRITING && step[0] != GONE -> write_file(0) }
    :: atomic { stage == WRITING && step[1] != GONE -> write_file(1) }
    :: atomic { stage == WRITING && step[0] == GONE && step[1] == GONE ->
        step[0] = 0; step[1] = 0;
        if :: failed -> stage = REMOVING :: else -> stage = PUBLISHING fi }
    :: atomic { stage == PUBLISHING -> publish() }
    :: atomic { stage == REMOVING && step[0] != GONE -> remove_file(0) }
    :: atomic { stage == REMOVING && step[1] != GONE -> remove_file(1) }
    :: atomic { stage == REMOVING && step[0] == GONE && step[1] == GONE -> stage = IDLE; set = 0; former = 0; failed = 0 }
    :: atomic { crashes < NC -> crash() }
    :: atomic { stage != IDLE && crashes < NC -> die() }
    :: stage == IDLE && manifest == NS -> break
    od;
    assert(manifest == NS && reported <= NS)
}
