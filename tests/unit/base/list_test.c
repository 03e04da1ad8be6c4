/* SPDX-License-Identifier: Apache-2.0 */
/* The intrusive list. */
#include "base/list.h"

#include "support/test.h"

typedef struct item {
    int number;
    c4pi_link_t link;
} item_t;

static void
check_numbers(const c4pi_link_t *head, int count, const int *numbers)
{
    const c4pi_link_t *at = head;
    for (int i = 0; i < count; i++) {
        CHECK_EQ(at, at->next->prev);
        at = at->next;
        CHECK_EQ(numbers[i], C4PI_CONTAINER(at, item_t, link)->number);
    }
    CHECK_EQ(head, at->next);
    CHECK_EQ(at, head->prev);
}

static void
items_stand_in_the_order_pushed(void)
{
    c4pi_link_t head;
    item_t items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    c4pi_list_init(&head);
    CHECK(c4pi_list_empty(&head));
    for (int i = 0; i < 3; i++)
        c4pi_list_push(&head, &items[i].link);
    CHECK(!c4pi_list_empty(&head));
    check_numbers(&head, 3, (int[]){1, 2, 3});
}

static void
any_item_can_be_removed_and_pushed_again(void)
{
    c4pi_link_t head;
    item_t items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    c4pi_list_init(&head);
    for (int i = 0; i < 3; i++)
        c4pi_list_push(&head, &items[i].link);
    c4pi_list_remove(&items[1].link);
    check_numbers(&head, 2, (int[]){1, 3});
    c4pi_list_remove(&items[1].link); /* once more does no harm */
    check_numbers(&head, 2, (int[]){1, 3});
    c4pi_list_remove(&items[0].link);
    c4pi_list_push(&head, &items[0].link);
    check_numbers(&head, 2, (int[]){3, 1});
    c4pi_list_remove(&items[2].link);
    c4pi_list_remove(&items[0].link);
    CHECK(c4pi_list_empty(&head));
}

TEST_CASES(items_stand_in_the_order_pushed, any_item_can_be_removed_and_pushed_again)
