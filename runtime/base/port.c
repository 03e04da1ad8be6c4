/* SPDX-License-Identifier: Apache-2.0 */
/* port.c: what is the same for every back end of the port: zeroed and growing memory, strings, and
 * the shape of a log line. */
#include "base/port.h"

#include <stdio.h>
#include <string.h>

enum { LINE_ON_STACK = 1024, FIRST_ROOM = 16 };

void
c4pi_port_free(c4pi_port_t *port)
{
    if (port)
        port->ops->free_port(port);
}

void *
c4pi_calloc(c4pi_port_t *port, size_t len)
{
    void *p = c4pi_alloc(port, len);
    if (p)
        memset(p, 0, len);
    return p;
}

void *
c4pi_regrow(c4pi_port_t *port, void *p, size_t old_len, size_t new_len)
{
    void *grown = c4pi_alloc(port, new_len);
    if (!grown)
        return NULL;
    if (p) {
        memcpy(grown, p, old_len < new_len ? old_len : new_len);
        c4pi_free(port, p, old_len);
    }
    return grown;
}

void *
c4pi_make_room(c4pi_port_t *port, void *items, size_t num, size_t more, size_t *cap, size_t size)
{
    size_t wanted, bytes;
    if (__builtin_add_overflow(num, more, &wanted))
        return NULL;
    if (wanted <= *cap)
        return items;
    if (wanted < FIRST_ROOM)
        wanted = FIRST_ROOM;
    if (wanted < 2 * *cap)
        wanted = 2 * *cap;
    if (__builtin_mul_overflow(wanted, size, &bytes))
        return NULL;
    void *grown = c4pi_regrow(port, items, *cap * size, bytes);
    if (grown)
        *cap = wanted;
    return grown;
}

char *
c4pi_strdup(c4pi_port_t *port, const char *s)
{
    size_t len = strlen(s) + 1;
    char *copy = c4pi_alloc(port, len);
    if (copy)
        memcpy(copy, s, len);
    return copy;
}

/* One record is one line, and text that came from users cannot steer the terminal. */
static void
line_clean(char *line)
{
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == '\n')
        line[--len] = '\0';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            line[i] = ' ';
    }
}

/* Put the prefix in front; its length. */
static size_t
line_prefix(const c4pi_port_t *port, char *line, size_t cap)
{
    int n = port->rank < 0 ? snprintf(line, cap, "c4py: ")
                           : snprintf(line, cap, "c4py: rank %d/%d: ", port->rank, port->num_ranks);
    return n < 0 ? 0 : (size_t)n;
}

void
c4pi_vlog(c4pi_port_t *port, c4p_log_level_t level, const char *fmt, va_list args)
{
    if (level > port->log_level)
        return;
    char on_stack[LINE_ON_STACK];
    size_t prefix_len = line_prefix(port, on_stack, sizeof(on_stack));
    va_list again;
    va_copy(again, args);
    int text_len = vsnprintf(on_stack + prefix_len, sizeof(on_stack) - prefix_len, fmt, args);
    char *line = on_stack, *longer = NULL;
    size_t need = text_len < 0 ? 0 : prefix_len + (size_t)text_len + 1;
    if (need > sizeof(on_stack)) {
        longer = c4pi_alloc(port, need);
        if (longer) {
            line_prefix(port, longer, need);
            vsnprintf(longer + prefix_len, need - prefix_len, fmt, again);
            line = longer;
        } else {
            memcpy(on_stack + sizeof(on_stack) - 4, "...", 4);
        }
    }
    va_end(again);
    line_clean(line);
    port->ops->write_log(port, level, line);
    c4pi_free(port, longer, need);
}

void
c4pi_log(c4pi_port_t *port, c4p_log_level_t level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    c4pi_vlog(port, level, fmt, args);
    va_end(args);
}
