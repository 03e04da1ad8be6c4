/* SPDX-License-Identifier: Apache-2.0 */
/* sha256_test.c: SHA-256 and HMAC-SHA-256 against the published values. */
#include "base/sha256.h"

#include "support/test.h"

static void
check_hex(const char *want, const uint8_t digest[C4PI_SHA256_LEN])
{
    char got[2 * C4PI_SHA256_LEN + 1];
    for (int i = 0; i < C4PI_SHA256_LEN; i++)
        snprintf(got + 2 * i, 3, "%02x", digest[i]);
    CHECK_STR_EQ(want, got);
}

static void
check_sha(const char *want, const void *data, size_t len, uint64_t times)
{
    c4pi_sha256_t sha;
    uint8_t digest[C4PI_SHA256_LEN];
    c4pi_sha256_init(&sha);
    for (uint64_t i = 0; i < times; i++)
        c4pi_sha256_add(&sha, data, len);
    c4pi_sha256_end(&sha, digest);
    check_hex(want, digest);
}

/* NIST, examples of FIPS 180 and files SHA256ShortMsg.rsp, SHA256LongMsg.rsp of CAVP. */
static void
known_digests(void)
{
    static const uint8_t bd[] = {0xbd}, four[] = {0xc9, 0x8c, 0x8e, 0x55};
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const char four_blocks[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                                      "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    static const uint8_t zeros[1000];
    check_sha("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "", 0, 1);
    check_sha("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abc", 3, 1);
    check_sha("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", two_blocks, 56,
              1);
    check_sha("cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1", four_blocks, 112,
              1);
    check_sha("68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b", bd, 1, 1);
    check_sha("7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504", four, 4, 1);
    check_sha("02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7", zeros, 55, 1);
    check_sha("d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb", zeros, 56, 1);
    check_sha("65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785", zeros, 57, 1);
    check_sha("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b", zeros, 64, 1);
    check_sha("541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53", zeros, 1000, 1);
}

static void
a_million_letters_a(void)
{
    check_sha("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "a", 1, 1000000);
    check_sha("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "aaaaaaaaaa", 10,
              100000);
}

static void
bytes_may_come_in_pieces(void)
{
    uint8_t bytes[200], whole[C4PI_SHA256_LEN], digest[C4PI_SHA256_LEN];
    c4pi_sha256_t sha;
    for (int i = 0; i < 200; i++)
        bytes[i] = (uint8_t)(i * 37);
    c4pi_sha256_init(&sha);
    c4pi_sha256_add(&sha, bytes, sizeof bytes);
    c4pi_sha256_end(&sha, whole);
    for (size_t a = 0; a <= sizeof bytes; a++)
        for (size_t b = a; b <= sizeof bytes; b += 7) {
            c4pi_sha256_init(&sha);
            c4pi_sha256_add(&sha, bytes, a);
            c4pi_sha256_add(&sha, bytes + a, b - a);
            c4pi_sha256_add(&sha, bytes + b, sizeof bytes - b);
            c4pi_sha256_end(&sha, digest);
            CHECK(c4pi_sha256_same(whole, digest));
        }
}

static void
check_mac(const char *want, const void *key, size_t key_len, const void *data, size_t len)
{
    uint8_t mac[C4PI_SHA256_LEN];
    c4pi_hmac_sha256(key, key_len, data, len, mac);
    check_hex(want, mac);
}

/* RFC 4231, 4.2 to 4.8; 4.6 is of a part of the value. */
static void
known_authentication_codes(void)
{
    uint8_t key[131], data[50];
    memset(key, 0x0b, sizeof key);
    check_mac("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", key, 20,
              "Hi There", 8);
    check_mac("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "Jefe", 4,
              "what do ya want for nothing?", 28);
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    check_mac("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", key, 20, data,
              50);
    check_mac("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", key, 131,
              "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    static const char larger[] =
        "This is a test using a larger than block-size key and a larger than block-size data. "
        "The key needs to be hashed before being used by the HMAC algorithm.";
    check_mac("9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", key, 131, larger,
              sizeof larger - 1);
    for (int i = 0; i < 25; i++)
        key[i] = (uint8_t)(i + 1);
    memset(data, 0xcd, sizeof data);
    check_mac("82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", key, 25, data,
              50);
}

static void
a_difference_anywhere_is_seen(void)
{
    uint8_t a[C4PI_SHA256_LEN] = {0}, b[C4PI_SHA256_LEN] = {0};
    CHECK(c4pi_sha256_same(a, b));
    for (int i = 0; i < C4PI_SHA256_LEN; i++) {
        b[i] = 0x80;
        CHECK(!c4pi_sha256_same(a, b));
        b[i] = 0;
    }
}

TEST_CASES(known_digests, a_million_letters_a, bytes_may_come_in_pieces, known_authentication_codes,
           a_difference_anywhere_is_seen)
