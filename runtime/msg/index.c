/* SPDX-License-Identifier: Apache-2.0 */
/* index.c: indices of 1 to 6 signed coordinates as 128-bit keys. Coordinate d takes the bits from d
 * * width on, in two's complement; what is left above is zero, so equal indices of one collection
 * have equal keys and no others do. */
#include <c4p/types.h>

enum { BITS_1D = 64, BITS_2D = 64, BITS_3D = 42, BITS_4D = 32, BITS_5D = 25, BITS_6D = 21 };

static int
coordinate_bits(int ndims)
{
    static const int bits[C4P_MAX_DIMS + 1] = {0,       BITS_1D, BITS_2D, BITS_3D,
                                               BITS_4D, BITS_5D, BITS_6D};
    return ndims >= 1 && ndims <= C4P_MAX_DIMS ? bits[ndims] : 0;
}

int64_t
c4p_index_max(int ndims)
{
    int bits = coordinate_bits(ndims);
    return bits ? INT64_MAX >> (64 - bits) : 0;
}

/* Does v fit into `bits` bits with its sign? */
static bool
fits(int64_t v, int bits)
{
    int64_t above = v >> (bits - 1);
    return above == 0 || above == -1;
}

/* Inlined for each ndims, so that all shifts are constant. */
static inline c4p_status_t
pack_narrow(const c4p_index_t *index, int ndims, int bits, c4p_key_t *key_out)
{
    uint64_t low = 0, high = 0, mask = ((uint64_t)1 << bits) - 1;
    for (int d = ndims; d-- > 0;) {
        if (!fits(index->at[d], bits))
            return C4P_ERR_RANGE;
        high = high << bits | low >> (64 - bits);
        low = low << bits | ((uint64_t)index->at[d] & mask);
    }
    *key_out = (c4p_key_t){{low, high}};
    return C4P_OK;
}

c4p_status_t
c4p_index_pack(const c4p_index_t *index, c4p_key_t *key_out)
{
    if (!index || !key_out)
        return C4P_ERR_ARG;
    switch (index->ndims) {
    case 1:
        *key_out = (c4p_key_t){{(uint64_t)index->at[0], 0}};
        return C4P_OK;
    case 2:
        *key_out = (c4p_key_t){{(uint64_t)index->at[0], (uint64_t)index->at[1]}};
        return C4P_OK;
    case 3:
        return pack_narrow(index, 3, BITS_3D, key_out);
    case 4:
        return pack_narrow(index, 4, BITS_4D, key_out);
    case 5:
        return pack_narrow(index, 5, BITS_5D, key_out);
    case 6:
        return pack_narrow(index, 6, BITS_6D, key_out);
    default:
        return C4P_ERR_RANGE;
    }
}

void
c4p_index_unpack(c4p_key_t key, int ndims, c4p_index_t *index_out)
{
    int bits = coordinate_bits(ndims);
    if (!index_out)
        return;
    *index_out = (c4p_index_t){.ndims = bits ? ndims : 0};
    if (bits == 64) {
        index_out->at[0] = (int64_t)key.w[0];
        if (ndims == 2)
            index_out->at[1] = (int64_t)key.w[1];
        return;
    }
    uint64_t low = key.w[0], high = key.w[1];
    for (int d = 0; d < index_out->ndims; d++) {
        index_out->at[d] = (int64_t)(low << (64 - bits)) >> (64 - bits);
        low = low >> bits | high << (64 - bits);
        high >>= bits;
    }
}
