/* SPDX-License-Identifier: Apache-2.0 */
/* accum_tuple.c: see accum_tuple.h. */
#include "svc/accum_tuple.h"

static c4pi_tuple_walk_t
walk_over(const void *data, size_t len, bool is_image)
{
    return (c4pi_tuple_walk_t){.base = data, .len = len, .is_image = is_image};
}

/* What may stand in a tuple: everything that is combined in place. */
static const c4pi_typed_t *
typed_of(const c4pi_tuple_head_t *head)
{
    if (head->op > C4P_OP_CUSTOM || head->dtype > C4P_COMPLEX128 || head->op == C4P_OP_SUM_ORDERED)
        return NULL;
    return c4pi_typed_get((c4p_op_t)head->op, (c4p_dtype_t)head->dtype);
}

bool
c4pi_tuple_step(c4pi_tuple_walk_t *walk)
{
    c4pi_tuple_head_t head;

    if (walk->at > walk->len || walk->len - walk->at < sizeof(head))
        return false;
    memcpy(&head, walk->base + walk->at, sizeof(head));
    const c4pi_typed_t *typed = typed_of(&head);
    if (!typed || head.len > SIZE_MAX / 4 || head.len % typed->item)
        return false;
    const size_t items = (size_t)head.len / typed->item;
    const size_t body = items * (walk->is_image ? typed->image_item : typed->item);
    if (!c4pi_format_fits(walk->len, walk->at, sizeof(head), body))
        return false;
    walk->head = head;
    walk->typed = typed;
    walk->items = items;
    walk->data = walk->base + walk->at + sizeof(head);
    walk->at += sizeof(head) + c4pi_pad16(body);
    return true;
}

bool
c4pi_tuple_check(const void *data, size_t len, bool is_image)
{
    c4pi_tuple_walk_t walk = walk_over(data, len, is_image);

    while (c4pi_tuple_step(&walk)) {
        if (is_image && walk.typed->image_item == 1 && walk.typed->result_dtype == C4P_BOOL)
            for (size_t i = 0; i < walk.items; i++)
                if (walk.data[i] > 1)
                    return false;
    }
    return walk.at == len;
}

size_t
c4pi_tuple_image_len(const void *data, size_t len, bool is_image)
{
    c4pi_tuple_walk_t walk = walk_over(data, len, is_image);
    size_t sum = 0;

    while (c4pi_tuple_step(&walk))
        sum += sizeof(walk.head) + c4pi_pad16(walk.items * walk.typed->image_item);
    return sum;
}

size_t
c4pi_tuple_result_len(const void *image, size_t len)
{
    c4pi_tuple_walk_t walk = walk_over(image, len, true);
    size_t sum = 0;

    while (c4pi_tuple_step(&walk))
        sum += sizeof(walk.head) + c4pi_pad16(walk.items * walk.typed->result_item);
    return sum;
}

bool
c4pi_tuple_same(const void *image, size_t image_len, const void *other, size_t len, bool is_image)
{
    c4pi_tuple_walk_t mine = walk_over(image, image_len, true),
                      theirs = walk_over(other, len, is_image);

    while (c4pi_tuple_step(&mine))
        if (!c4pi_tuple_step(&theirs) || memcmp(&mine.head, &theirs.head, sizeof(mine.head)) != 0)
            return false;
    return theirs.at == theirs.len;
}

void
c4pi_tuple_take(uint8_t *image, const void *data, size_t len)
{
    c4pi_tuple_walk_t walk = walk_over(data, len, false);

    while (c4pi_tuple_step(&walk)) {
        const size_t body = walk.items * walk.typed->image_item;
        memcpy(image, &walk.head, sizeof(walk.head));
        image += sizeof(walk.head);
        if (walk.typed->take)
            walk.typed->take(image, walk.data, walk.items);
        else
            memcpy(image, walk.data, body);
        memset(image + body, 0, c4pi_pad16(body) - body);
        image += c4pi_pad16(body);
    }
}

void
c4pi_tuple_combine(uint8_t *image, size_t image_len, const void *other, size_t len, bool is_image)
{
    c4pi_tuple_walk_t mine = walk_over(image, image_len, true),
                      theirs = walk_over(other, len, is_image);

    while (c4pi_tuple_step(&mine) && c4pi_tuple_step(&theirs)) {
        const c4pi_items_fn_t fn = is_image ? mine.typed->merge : mine.typed->add;
        fn(image + (mine.data - mine.base), theirs.data, mine.items);
    }
}

void
c4pi_tuple_finish(uint8_t *image, size_t len, uint8_t *result)
{
    c4pi_tuple_walk_t walk = walk_over(image, len, true);

    while (c4pi_tuple_step(&walk)) {
        const size_t body = walk.items * walk.typed->result_item;
        uint8_t *data = image + (walk.data - walk.base);
        if (walk.typed->finish)
            walk.typed->finish(data, walk.items);
        const c4pi_tuple_head_t head = {walk.head.op, walk.typed->result_dtype, body};
        memcpy(result, &head, sizeof(head));
        result += sizeof(head);
        memcpy(result, data, body);
        memset(result + body, 0, c4pi_pad16(body) - body);
        result += c4pi_pad16(body);
    }
}
