/* SPDX-License-Identifier: Apache-2.0 */
/* export.h: marks what the shared library shows; everything else is hidden. */
#ifndef C4P_EXPORT_H
#define C4P_EXPORT_H

/** @cond */
#if defined(__GNUC__)
#define C4P_API               __attribute__((visibility("default")))
#define C4P_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define C4P_NORETURN          __attribute__((noreturn))
#else
#define C4P_API
#define C4P_PRINTF(fmt, args)
#define C4P_NORETURN
#endif
/** @endcond */

#endif
