/* SPDX-License-Identifier: Apache-2.0 */
/* switch.c: an Ethernet switch between network namespaces that holds every frame for a while, for
 * kernels without netem.
 *
 *   hosts_switch MICROSECONDS PID...
 *
 * makes a TAP device eth0 in the network namespace of each process and prints "ready". A line
 * "delay MICROSECONDS" on standard input changes the delay; the end of the input ends the switch,
 * and with it the devices. Frames come and go as the kernel has them, up to 64 KiB and without
 * checksums, as between virtual machines. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_PORTS = 16,
    VNET_BYTES = 10, /* struct virtio_net_hdr before each frame */
    MAC_BYTES = 6,
    MAX_FRAME = 1 << 17,
    READ_BATCH = 64,
    MAX_HELD = 256 << 20 /* bytes; a full switch drops, as others do */
};

typedef struct frame {
    struct frame *next;
    uint64_t due_ns;
    size_t len;
    int from;
    uint8_t bytes[];
} frame_t;

typedef struct lan { /* "switch" is taken */
    int num_ports, fds[MAX_PORTS];
    uint8_t macs[MAX_PORTS][MAC_BYTES];
    uint64_t delay_ns;
    frame_t *first, **last; /* by the time when they are due, all having the same delay */
    size_t held;
} lan_t;

static void
die(const char *what)
{
    fprintf(stderr, "switch: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- devices ----------------------------------------------------------------------------------- */

static void
enter_net(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        die(path);
    close(fd);
}

/* eth0 in the namespace that we are in. */
static int
tap_new(void)
{
    struct ifreq request = {.ifr_name = "eth0"};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        die("/dev/net/tun");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        die("TUNSETOFFLOAD");
    return fd;
}

/* ---- frames ------------------------------------------------------------------------------------ */

static void
forward(lan_t *lan, const frame_t *frame)
{
    const uint8_t *to = frame->bytes + VNET_BYTES;
    int only = -1;
    for (int i = 0; i < lan->num_ports; i++)
        if (memcmp(lan->macs[i], to, MAC_BYTES) == 0)
            only = i;
    for (int i = 0; i < lan->num_ports; i++)
        if (i != frame->from && (only < 0 || i == only) &&
            write(lan->fds[i], frame->bytes, frame->len) < 0 && errno != EAGAIN && errno != EIO)
            die("write"); /* EIO: the device is down */
}

static void
hold(lan_t *lan, frame_t *frame)
{
    if (lan->held + frame->len > MAX_HELD) {
        free(frame);
        return;
    }
    frame->due_ns = now_ns() + lan->delay_ns;
    frame->next = NULL;
    *lan->last = frame;
    lan->last = &frame->next;
    lan->held += frame->len;
}

/* What one port has for us. */
static void
receive(lan_t *lan, int port)
{
    static uint8_t buf[MAX_FRAME];
    for (int i = 0; i < READ_BATCH; i++) {
        ssize_t n = read(lan->fds[port], buf, sizeof buf);
        if (n < VNET_BYTES + 2 * MAC_BYTES)
            return;
        frame_t *frame = malloc(sizeof *frame + (size_t)n);
        if (!frame)
            die("a frame");
        frame->len = (size_t)n;
        frame->from = port;
        memcpy(frame->bytes, buf, (size_t)n);
        memcpy(lan->macs[port], buf + VNET_BYTES + MAC_BYTES, MAC_BYTES);
        hold(lan, frame);
    }
}

static void
release(lan_t *lan, uint64_t now)
{
    while (lan->first && lan->first->due_ns <= now) {
        frame_t *frame = lan->first;
        lan->first = frame->next;
        if (!lan->first)
            lan->last = &lan->first;
        lan->held -= frame->len;
        forward(lan, frame);
        free(frame);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------- */

/* False: the input has ended. */
static bool
command(lan_t *lan)
{
    char line[64];
    unsigned us;
    if (!fgets(line, sizeof line, stdin))
        return false;
    if (sscanf(line, "delay %u", &us) != 1) {
        fprintf(stderr, "switch: what is %s", line);
        exit(2);
    }
    lan->delay_ns = us * UINT64_C(1000);
    printf("ready\n");
    fflush(stdout);
    return true;
}

static void
run(lan_t *lan)
{
    struct pollfd polls[MAX_PORTS + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (int i = 0; i < lan->num_ports; i++)
        polls[i + 1] = (struct pollfd){.fd = lan->fds[i], .events = POLLIN};
    for (;;) {
        const uint64_t now = now_ns();
        release(lan, now);
        const uint64_t ns = lan->first ? lan->first->due_ns - now : 0;
        const struct timespec wait = {.tv_sec = (time_t)(ns / 1000000000u),
                                      .tv_nsec = (long)(ns % 1000000000u)};
        if (ppoll(polls, (nfds_t)lan->num_ports + 1, lan->first ? &wait : NULL, NULL) < 0)
            die("ppoll");
        for (int i = 0; i < lan->num_ports; i++)
            if (polls[i + 1].revents)
                receive(lan, i);
        if (polls[0].revents && !command(lan))
            return;
    }
}

int
main(int argc, char **argv)
{
    lan_t lan = {.num_ports = argc - 2};
    const struct sched_param first = {.sched_priority = 1};
    lan.last = &lan.first;
    if (argc < 3 || lan.num_ports > MAX_PORTS) {
        fprintf(stderr, "usage: hosts_switch MICROSECONDS PID...\n");
        return 2;
    }
    lan.delay_ns = strtoull(argv[1], NULL, 10) * 1000;
    for (int i = 0; i < lan.num_ports; i++) {
        enter_net(argv[i + 2]);
        lan.fds[i] = tap_new();
    }
    /* A frame is not to wait for those who compute; without the right to that, for what the
     * scheduler grants. */
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("ready\n");
    fflush(stdout);
    run(&lan);
    return 0;
}
