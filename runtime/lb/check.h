/* SPDX-License-Identifier: Apache-2.0 */
/* check.h: whether a view is consistent, so that strategies need not ask. */
#ifndef C4PI_LB_CHECK_H
#define C4PI_LB_CHECK_H

#include <c4p/balance.h>

/* C4P_OK, or C4P_ERR_ARG or C4P_ERR_LIMIT with a static text in *why_out. */
c4p_status_t c4pi_lb_check_view(const c4p_lb_view_t *view, const char **why_out);

#endif
