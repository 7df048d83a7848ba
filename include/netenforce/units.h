/* units.h - quantities as people write them: bandwidths, paces, amounts of bytes. Pure.
 *
 *   10mbit, 512kbit, 1gbit      decimal, as networks count
 *   20/s, 100/m, 5/h            so many in each second, minute or hour
 *   1GiB, 500MB, 4096           binary units with an i, decimal ones without
 *
 * Every reader takes `none` for "no limit", which is 0. Case says nothing.
 */
#ifndef NETENFORCE_UNITS_H
#define NETENFORCE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define NE_UNIT_TEXT 32

#define NE_RATE_FORM "none, or a number with kbit, mbit or gbit: 10mbit (8kbit to 100gbit)"
#define NE_PACE_FORM "none, or a number with /s, /m or /h: 20/s (1 to 1000000)"
#define NE_BYTES_FORM                                                                              \
    "none, or a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB: 1GiB (1 to 1048576TiB)"

/* From 8 kbit/s, below which a full packet waits for more than a second, up to what the kernel's
 * limit can count: bytes a second times 10^9 in 64 bits (nft_limit_init(),
 * net/netfilter/nft_limit.c). */
#define NE_RATE_MIN  8000u               /* bits a second */
#define NE_RATE_MAX  100000000000u       /* 100 Gbit/s */
#define NE_PACE_MAX  1000000u            /* in one of its periods */
#define NE_BYTES_MAX (UINT64_C(1) << 60) /* 1 EiB */

/* So many in each period; a count of 0 is "no limit" (or, of the log, "off"). */
struct ne_pace {
    uint32_t count;
    uint32_t seconds; /* the period's length: 1, 60 or 3600; 0 with a count of 0 */
};

/* The readers take the whole text. Return: whether it is one; else the result stays. */
bool ne_rate_parse(const char *text, uint64_t *bits_per_second);
bool ne_pace_parse(const char *text, struct ne_pace *pace);
bool ne_bytes_parse(const char *text, uint64_t *bytes);

/* The writers write what the readers read, with the largest unit that loses nothing. Return: @out.
 */
const char *ne_rate_format(uint64_t bits_per_second, char out[static NE_UNIT_TEXT]);
const char *ne_pace_format(struct ne_pace pace, char out[static NE_UNIT_TEXT]);
const char *ne_bytes_format(uint64_t bytes, char out[static NE_UNIT_TEXT]);

bool ne_pace_equal(struct ne_pace a, struct ne_pace b);

#endif
