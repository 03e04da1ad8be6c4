/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_key.c: the user's key, and the seal of a manifest: a last body, the HMAC-SHA-256 of
 * the digest of all bytes before it. The manifest has the SHA-256 of every other file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "svc/checkpoint.h"

enum { SHORTEST_KEY = 16 };

c4p_status_t
c4pi_ckpt_key_read(c4p_rt_t *rt, const char *path, char *why, size_t size)
{
    const c4pi_file_ops_t *files = rt->port->ops->files;
    c4pi_ckpt_t *ckpt = c4pi_ckpt_need(rt);
    c4pi_file_info_t info;
    int file, error = files->open(rt->port, path, &file, &info);
    if (error) {
        snprintf(why, size, "the key %s: %s", path, strerror(error));
        return error == ENOENT ? C4P_ERR_NO_INPUT : C4P_ERR_DATA;
    }
    ckpt->key_len = 0;
    if (!info.secret)
        snprintf(why, size,
                 "the key %s: is no file of this user's that nobody else may read (chmod 600)",
                 path);
    else if (info.size < SHORTEST_KEY || info.size > sizeof ckpt->key)
        snprintf(why, size, "the key %s: has %llu bytes; a key has %d to %zu", path,
                 (unsigned long long)info.size, SHORTEST_KEY, sizeof ckpt->key);
    else if ((error = files->read(rt->port, file, 0, ckpt->key, (size_t)info.size)) != 0)
        snprintf(why, size, "the key %s: cannot be read: %s", path, strerror(error));
    else
        ckpt->key_len = (size_t)info.size;
    (void)files->close(rt->port, file);
    return ckpt->key_len ? C4P_OK : C4P_ERR_DATA;
}

c4p_status_t
c4pi_ckpt_key_need(c4p_rt_t *rt, char *why, size_t size)
{
    const char *path = rt->port->ops->getenv(rt->port, "C4PY_CHECKPOINT_KEY");
    if (c4pi_ckpt_need(rt)->key_len || !path || !path[0])
        return C4P_OK;
    return c4pi_ckpt_key_read(rt, path, why, size);
}

c4p_status_t
c4pi_ckpt_seal(c4p_rt_t *rt, c4pi_setfile_writer_t *w)
{
    const c4pi_ckpt_t *ckpt = rt->ckpt;
    uint8_t digest[C4PI_SHA256_LEN], mac[C4PI_SHA256_LEN];
    const c4pi_body_t body = {.sort = C4PI_BODY_SEAL, .data = mac, .len = sizeof mac};
    if (!ckpt->key_len)
        return C4P_OK;
    c4pi_setfile_digest(w, digest);
    c4pi_hmac_sha256(ckpt->key, ckpt->key_len, digest, sizeof digest, mac);
    return c4pi_setfile_add(w, &body);
}

c4p_status_t
c4pi_ckpt_seal_check(c4p_rt_t *rt, const c4pi_setfile_t *seg, const char **why_out)
{
    const c4pi_ckpt_t *ckpt = rt->ckpt;
    uint8_t digest[C4PI_SHA256_LEN], mac[C4PI_SHA256_LEN];
    c4pi_body_t seal = {0};
    if (seg->count == 2)
        c4pi_setfile_body(seg, 1, &seal);
    bool sealed = seal.sort == C4PI_BODY_SEAL && seal.len == sizeof mac;
    if (!ckpt->key_len && seg->count == 1)
        return C4P_OK;
    if (ckpt->key_len && sealed) {
        c4pi_setfile_sha(seg, (uint64_t)((const uint8_t *)seal.data - seg->data), digest);
        c4pi_hmac_sha256(ckpt->key, ckpt->key_len, digest, sizeof digest, mac);
        if (c4pi_sha256_same(mac, seal.data))
            return C4P_OK;
        *why_out = "was written with another key, or changed since";
    } else {
        *why_out = sealed ? "was written with a key; give that key (--checkpoint-key FILE)"
                          : "was written without a key, but one is given now";
    }
    return C4P_ERR_DATA;
}
