/* SPDX-License-Identifier: Apache-2.0 */
/* setfile_read.c: reading and checking, see setfile.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "svc/setfile.h"
#include "svc/setfile_format.h"

typedef struct check {
    const uint8_t *data;
    uint64_t len;
    char *why;
    size_t size;
} check_t;

static bool bad(const check_t *c, const char *fmt, ...) C4P_PRINTF(2, 3);

static bool
bad(const check_t *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->why, c->size, fmt, args);
    va_end(args);
    return false;
}

static bool
check_head(const check_t *c, const c4pi_crc_t *tables, c4pi_setfile_t *seg)
{
    const uint8_t *at = c->data;
    uint32_t spare = get32(at + AT_SPARE);
    if (memcmp(at, setfile_magic, sizeof setfile_magic) != 0)
        return bad(c, "is no file of a checkpoint");
    if (get32(at + AT_ORDER) != ORDER_MARK)
        return bad(c, "is damaged, or of a machine with another byte order (offset %d)", AT_ORDER);
    if (get32(at + AT_VERSION) != FORMAT_VERSION)
        return bad(c, "has format version %u; this library reads version %d",
                   (unsigned)get32(at + AT_VERSION), FORMAT_VERSION);
    if (get32(at + AT_HEAD_CRC) != c4pi_crc_add(tables, 0, at, AT_HEAD_CRC))
        return bad(c, "is damaged: the checksum of its head is wrong (offset %d)", AT_HEAD_CRC);
    uint32_t kind = get32(at + AT_KIND);
    seg->head = (c4pi_setfile_head_t){.kind = (c4pi_setfile_kind_t)kind,
                                      .rank = get32(at + AT_RANK),
                                      .num_ranks = get32(at + AT_RANKS),
                                      .generation = get64(at + AT_GENERATION)};
    if ((kind != C4PI_SETFILE_ELEMENTS && kind != C4PI_SETFILE_MANIFEST) || spare ||
        seg->head.rank >= seg->head.num_ranks || seg->head.num_ranks > C4P_MAX_RANKS)
        return bad(c, "is damaged: its head makes no sense (offset %d)", AT_KIND);
    return true;
}

static bool
check_footer(const check_t *c, const c4pi_crc_t *tables, c4pi_setfile_t *seg)
{
    uint64_t end = c->len - FOOTER_LEN;
    const uint8_t *at = c->data + end;
    if (get32(at + AT_END) != END_MARK)
        return bad(c, "is cut off or damaged: it has no end mark (offset %llu)",
                   (unsigned long long)(end + AT_END));
    seg->crc = c4pi_crc_add(tables, 0, c->data, (size_t)(end + AT_FILE_CRC));
    if (get32(at + AT_FILE_CRC) != seg->crc)
        return bad(c, "is damaged: its checksum is wrong (offset %llu)",
                   (unsigned long long)(end + AT_FILE_CRC));
    seg->index = get64(at + AT_INDEX);
    seg->count = get64(at + AT_COUNT);
    if (seg->index < HEAD_LEN || seg->index > end || seg->count > (end - seg->index) / ENTRY_LEN ||
        seg->index + seg->count * ENTRY_LEN != end)
        return bad(c, "is damaged: its index is not where it should be (offset %llu)",
                   (unsigned long long)end);
    return true;
}

/* The bodies lie one behind the other, so that each byte belongs to one. */
static bool
check_bodies(const check_t *c, const c4pi_crc_t *tables, const c4pi_setfile_t *seg)
{
    uint64_t place = HEAD_LEN;
    for (uint64_t i = 0; i < seg->count; i++) {
        uint64_t where = seg->index + i * ENTRY_LEN;
        const uint8_t *entry = c->data + where;
        uint64_t len = get64(entry + AT_LEN);
        if (get64(entry + AT_PLACE) != place || len > seg->index - place ||
            padded(len) > seg->index - place)
            return bad(c, "is damaged: entry %llu of its index is wrong (offset %llu)",
                       (unsigned long long)i, (unsigned long long)where);
        uint32_t crc = c4pi_crc_add(tables, 0, entry, AT_BODY_CRC);
        if (get32(entry + AT_BODY_CRC) != c4pi_crc_add(tables, crc, c->data + place, (size_t)len))
            return bad(c, "is damaged: the checksum of body %llu is wrong (offset %llu)",
                       (unsigned long long)i, (unsigned long long)place);
        for (uint64_t pad = len; pad < padded(len); pad++)
            if (c->data[place + pad])
                return bad(c, "is damaged between its bodies (offset %llu)",
                           (unsigned long long)(place + pad));
        place += padded(len);
    }
    if (place != seg->index)
        return bad(c, "is damaged: there is more than its index knows (offset %llu)",
                   (unsigned long long)place);
    return true;
}

c4p_status_t
c4pi_setfile_check(const void *data, size_t len, c4pi_setfile_t *seg_out, char *why, size_t size)
{
    const check_t c = {data, len, why, size};
    c4pi_setfile_t seg = {.data = data, .len = len};
    c4pi_crc_t tables;
    if (len < HEAD_LEN + FOOTER_LEN) {
        (void)bad(&c, "is cut off: it has only %zu bytes", len);
        return C4P_ERR_DATA;
    }
    c4pi_crc_init(&tables);
    if (!check_head(&c, &tables, &seg) || !check_footer(&c, &tables, &seg) ||
        !check_bodies(&c, &tables, &seg))
        return C4P_ERR_DATA;
    *seg_out = seg;
    return C4P_OK;
}

static c4p_status_t
read_all(c4pi_port_t *port, const char *path, uint8_t **data_out, size_t *len_out, char *why,
         size_t size)
{
    const c4pi_file_ops_t *files = port->ops->files;
    c4pi_file_info_t info;
    int file, error = files->open(port, path, &file, &info);
    if (error) {
        snprintf(why, size, "%s: %s", path, strerror(error));
        return error == ENOENT || error == ENOTDIR ? C4P_ERR_NO_INPUT : C4P_ERR_DATA;
    }
    c4p_status_t st = C4P_ERR_DATA;
    uint8_t *data = NULL;
    size_t len = (size_t)info.size;
    if (!info.ours)
        snprintf(why, size, "%s: is no file of this user's that nobody else may write to", path);
    else if ((data = c4pi_alloc(port, len)) == NULL)
        snprintf(why, size, "%s: no memory for its %zu bytes", path, len);
    else if ((error = files->read(port, file, 0, data, len)) != 0)
        snprintf(why, size, "%s: cannot be read: %s", path, strerror(error));
    else
        st = C4P_OK;
    (void)files->close(port, file);
    if (st != C4P_OK) {
        c4pi_free(port, data, len);
        return info.ours && !data ? C4P_ERR_NOMEM : st;
    }
    *data_out = data;
    *len_out = len;
    return C4P_OK;
}

c4p_status_t
c4pi_setfile_load(c4pi_port_t *port, const char *path, c4pi_setfile_t *seg_out, char *why,
                  size_t size)
{
    uint8_t *data;
    size_t len;
    c4p_status_t st = read_all(port, path, &data, &len, why, size);
    if (st != C4P_OK)
        return st;
    int n = snprintf(why, size, "%s: ", path);
    size_t at = n > 0 && (size_t)n < size ? (size_t)n : 0;
    if ((st = c4pi_setfile_check(data, len, seg_out, why + at, size - at)) != C4P_OK) {
        c4pi_free(port, data, len);
        return st;
    }
    seg_out->port = port;
    return C4P_OK;
}

void
c4pi_setfile_sha(const c4pi_setfile_t *seg, uint64_t len, uint8_t digest_out[C4PI_SHA256_LEN])
{
    c4pi_sha256_t sha;
    c4pi_sha256_init(&sha);
    c4pi_sha256_add(&sha, seg->data, (size_t)len);
    c4pi_sha256_end(&sha, digest_out);
}

void
c4pi_setfile_body(const c4pi_setfile_t *seg, uint64_t i, c4pi_body_t *body_out)
{
    const uint8_t *entry = seg->data + seg->index + i * ENTRY_LEN;
    *body_out = (c4pi_body_t){.coll = get64(entry + AT_COLL),
                              .key = {{get64(entry + AT_KEY), get64(entry + AT_KEY + 8)}},
                              .sort = get32(entry + AT_SORT),
                              .data = seg->data + get64(entry + AT_PLACE),
                              .len = get64(entry + AT_LEN)};
}

void
c4pi_setfile_unload(c4pi_setfile_t *seg)
{
    if (seg->port)
        c4pi_free(seg->port, (void *)(uintptr_t)seg->data, (size_t)seg->len);
    *seg = (c4pi_setfile_t){0};
}
