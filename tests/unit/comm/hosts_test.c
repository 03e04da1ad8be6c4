/* SPDX-License-Identifier: Apache-2.0 */
/* hosts_test.c: a placement of ranks answers as the plain list of hosts does. */
#include "comm/hosts.h"

#include "base/port_sim.h"
#include "support/test.h"

enum { MOST = 40 };

/* Both questions, for every rank and host, against the list. */
static void
check_against(const c4pi_hosts_t *hosts, const int *host_of, int n, int num_hosts)
{
    for (int r = 0; r < n; r++)
        CHECK_EQ(host_of[r], c4pi_hosts_of(hosts, r));
    for (int h = 0; h < num_hosts; h++) {
        for (int after = -1; after < n; after++) {
            int want = after + 1;
            while (want < n && host_of[want] != h)
                want++;
            CHECK_EQ(want < n ? want : -1, c4pi_hosts_next(hosts, h, after));
        }
    }
    CHECK_EQ(-1, c4pi_hosts_next(hosts, num_hosts, -1));
    CHECK_EQ(-1, c4pi_hosts_next(hosts, -1, -1));
}

static void
a_formula_answers_for_blocks_dealt_out_to_hosts_in_turn(void)
{
    for (int n = 1; n <= MOST; n++) {
        for (int block = 1; block <= n; block++) {
            int blocks = (n + block - 1) / block;
            for (int num_hosts = 1; num_hosts <= blocks; num_hosts++) {
                int host_of[MOST];
                c4pi_hosts_t hosts;
                for (int r = 0, left = block, h = 0; r < n; r++, left--) {
                    if (left == 0) {
                        left = block;
                        h = h + 1 < num_hosts ? h + 1 : 0;
                    }
                    host_of[r] = h;
                }
                c4pi_hosts_init(&hosts, n, num_hosts, block);
                check_against(&hosts, host_of, n, num_hosts);
            }
        }
    }
}

static void
runs_answer_for_any_placement(void)
{
    static const int lists[][8] = {
        {0, 1, 1, 0, 2, 2, 2, 0}, {0, 0, 0, 1, 1, 2, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7}, {0}};
    c4pi_simworld_t world;
    c4pi_simworld_init(&world, NULL);
    c4pi_port_t *port = c4pi_port_sim_new(&world, 0, 1);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        int most = 0;
        for (int r = 0; r < 8; r++)
            most = lists[i][r] > most ? lists[i][r] : most;
        c4pi_hosts_t hosts;
        CHECK_OK(c4pi_hosts_init_list(&hosts, port, 8, most + 1, lists[i]));
        check_against(&hosts, lists[i], 8, most + 1);
        c4pi_hosts_fini(&hosts, port);
    }
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

TEST_CASES(a_formula_answers_for_blocks_dealt_out_to_hosts_in_turn, runs_answer_for_any_placement)
