/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/setfile.h"

#include <c4p/version.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "svc/setfile_format.h"

enum { BUFFER_LEN = 1 << 20 };

static c4p_status_t
failed(c4pi_setfile_writer_t *w, const char *doing, int error)
{
    if (!w->why[0])
        snprintf(w->why, sizeof w->why, "%s: %s: %s", w->path, doing, strerror(error));
    return C4P_ERR_IO;
}

static c4p_status_t
flush(c4pi_setfile_writer_t *w)
{
    size_t filled = w->filled;
    w->filled = 0;
    int error = filled ? w->port->ops->files->write(w->port, w->file, w->buffer, filled) : 0;
    return error ? failed(w, "cannot write", error) : C4P_OK;
}

static c4p_status_t
put(c4pi_setfile_writer_t *w, const void *data, size_t len)
{
    const uint8_t *at = data;
    c4p_status_t st = w->why[0] ? C4P_ERR_IO : C4P_OK;
    if (len)
        w->crc = c4pi_crc_add(&w->tables, w->crc, data, len);
    c4pi_sha256_add(&w->sha, data, len);
    w->at += len;
    while (st == C4P_OK && len > 0) {
        size_t part = BUFFER_LEN - w->filled < len ? BUFFER_LEN - w->filled : len;
        memcpy(w->buffer + w->filled, at, part);
        w->filled += part;
        at += part;
        len -= part;
        if (w->filled == BUFFER_LEN)
            st = flush(w);
    }
    return st;
}

static c4p_status_t
put_head(c4pi_setfile_writer_t *w, const c4pi_setfile_head_t *head)
{
    uint8_t bytes[HEAD_LEN] = {0};
    memcpy(bytes + AT_MAGIC, setfile_magic, sizeof setfile_magic);
    put32(bytes + AT_VERSION, FORMAT_VERSION);
    put32(bytes + AT_ORDER, ORDER_MARK);
    put32(bytes + AT_KIND, head->kind);
    put32(bytes + AT_RANK, head->rank);
    put32(bytes + AT_RANKS, head->num_ranks);
    put64(bytes + AT_GENERATION, head->generation);
    snprintf((char *)bytes + AT_LIBRARY, LIBRARY_LEN, "%s", C4P_VERSION_STRING);
    put32(bytes + AT_HEAD_CRC, c4pi_crc_add(&w->tables, 0, bytes, AT_HEAD_CRC));
    return put(w, bytes, sizeof bytes);
}

static void
writer_free(c4pi_setfile_writer_t *w)
{
    c4pi_port_t *port = w->port;
    if (w->file >= 0)
        (void)port->ops->files->close(port, w->file);
    c4pi_free(port, w->index, w->cap * ENTRY_LEN);
    c4pi_free(port, w->buffer, BUFFER_LEN);
    c4pi_free(port, w, sizeof *w);
}

void
c4pi_setfile_abandon(c4pi_setfile_writer_t *w)
{
    if (!w)
        return;
    (void)w->port->ops->files->remove(w->port, w->path);
    writer_free(w);
}

c4p_status_t
c4pi_setfile_create(c4pi_port_t *port, const char *path, const c4pi_setfile_head_t *head,
                    c4pi_setfile_writer_t **writer_out, char *why, size_t why_size)
{
    c4pi_setfile_writer_t *w = c4pi_calloc(port, sizeof *w);
    uint8_t *buffer = w ? c4pi_alloc(port, BUFFER_LEN) : NULL;
    if (!buffer) {
        c4pi_free(port, w, w ? sizeof *w : 0);
        snprintf(why, why_size, "%s: no memory to write it", path);
        return C4P_ERR_NOMEM;
    }
    w->port = port;
    w->buffer = buffer;
    w->file = -1;
    snprintf(w->path, sizeof w->path, "%s", path);
    c4pi_crc_init(&w->tables);
    c4pi_sha256_init(&w->sha);
    (void)port->ops->files->remove(port, path);
    int error = port->ops->files->create(port, path, &w->file);
    if (error) {
        w->file = -1;
        (void)failed(w, "cannot be made", error);
    }
    if (error || put_head(w, head) != C4P_OK) {
        snprintf(why, why_size, "%s", w->why);
        if (error)
            writer_free(w);
        else
            c4pi_setfile_abandon(w);
        return C4P_ERR_IO;
    }
    *writer_out = w;
    return C4P_OK;
}

static uint8_t *
next_entry(c4pi_setfile_writer_t *w)
{
    uint8_t *index = c4pi_make_room(w->port, w->index, w->count, 1, &w->cap, ENTRY_LEN);
    if (!index)
        return NULL;
    w->index = index;
    return w->index + w->count++ * ENTRY_LEN;
}

c4p_status_t
c4pi_setfile_add(c4pi_setfile_writer_t *w, const c4pi_body_t *body)
{
    static const uint8_t zeros[8];
    uint8_t *entry = next_entry(w);
    if (!entry) {
        if (!w->why[0])
            snprintf(w->why, sizeof w->why, "%s: no memory for its index", w->path);
        return C4P_ERR_NOMEM;
    }
    put64(entry + AT_COLL, body->coll);
    put64(entry + AT_KEY, body->key.w[0]);
    put64(entry + AT_KEY + 8, body->key.w[1]);
    put64(entry + AT_PLACE, w->at);
    put64(entry + AT_LEN, body->len);
    put32(entry + AT_SORT, body->sort);
    uint32_t crc = c4pi_crc_add(&w->tables, 0, entry, AT_BODY_CRC);
    put32(entry + AT_BODY_CRC, c4pi_crc_add(&w->tables, crc, body->data, (size_t)body->len));
    c4p_status_t st = put(w, body->data, (size_t)body->len);
    return st == C4P_OK ? put(w, zeros, (size_t)(padded(body->len) - body->len)) : st;
}

void
c4pi_setfile_digest(const c4pi_setfile_writer_t *w, uint8_t digest_out[C4PI_SHA256_LEN])
{
    c4pi_sha256_t sha = w->sha;
    c4pi_sha256_end(&sha, digest_out);
}

static c4p_status_t
put_end(c4pi_setfile_writer_t *w, c4pi_setfile_sum_t *sum)
{
    uint8_t footer[FOOTER_LEN];
    put64(footer + AT_INDEX, w->at);
    put64(footer + AT_COUNT, w->count);
    c4p_status_t st = put(w, w->index, (size_t)w->count * ENTRY_LEN);
    if (st == C4P_OK)
        st = put(w, footer, AT_FILE_CRC);
    *sum = (c4pi_setfile_sum_t){.count = w->count, .crc = w->crc};
    put32(footer + AT_FILE_CRC, w->crc);
    put32(footer + AT_END, END_MARK);
    if (st == C4P_OK)
        st = put(w, footer + AT_FILE_CRC, FOOTER_LEN - AT_FILE_CRC);
    sum->len = w->at;
    c4pi_setfile_digest(w, sum->sha);
    return st == C4P_OK ? flush(w) : st;
}

c4p_status_t
c4pi_setfile_finish(c4pi_setfile_writer_t *w, c4pi_setfile_sum_t *sum_out, char *why,
                    size_t why_size)
{
    c4pi_port_t *port = w->port;
    c4pi_setfile_sum_t sum;
    int error;
    c4p_status_t st = put_end(w, &sum);
    if (st == C4P_OK && (error = port->ops->files->sync(port, w->file)) != 0)
        st = failed(w, "cannot be brought to the disk", error);
    if (st == C4P_OK) {
        error = port->ops->files->close(port, w->file);
        w->file = -1;
        if (error)
            st = failed(w, "cannot be closed", error);
    }
    if (st != C4P_OK) {
        snprintf(why, why_size, "%s", w->why);
        c4pi_setfile_abandon(w);
        return st;
    }
    writer_free(w);
    *sum_out = sum;
    return C4P_OK;
}
