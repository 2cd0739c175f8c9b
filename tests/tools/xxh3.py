# SPDX-License-Identifier: MIT
"""XXH3 with seed 0 in plain Python, for the second reader of traces. Slow: about a millisecond for a page."""
import struct

M64 = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

# The default secret of the specification.
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def fold(a, b):
    """Both halves of the product of two 64-bit numbers."""
    product = a * b
    return (product & M64) ^ (product >> 64)


def rotate(v, n):
    return (v << n | v >> (64 - n)) & M64


def finish(h):
    h ^= h >> 37
    h = h * MX1 & M64
    return h ^ h >> 32


def finish_short(h):
    h ^= h >> 33
    h = h * P64_2 & M64
    h ^= h >> 29
    h = h * P64_3 & M64
    return h ^ h >> 32


def mix16(data, at, key):
    return fold(u64(data, at) ^ u64(SECRET, key), u64(data, at + 8) ^ u64(SECRET, key + 8))


def short64(data):
    """Up to 16 bytes."""
    n = len(data)
    if n == 0:
        return finish_short(u64(SECRET, 56) ^ u64(SECRET, 64))
    if n <= 3:
        v = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return finish_short(v ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    if n <= 8:
        h = u32(data, n - 4) + (u32(data, 0) << 32) ^ u64(SECRET, 8) ^ u64(SECRET, 16)
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = h * MX2 & M64
        h ^= (h >> 35) + n
        h = h * MX2 & M64
        return h ^ h >> 28
    low = u64(data, 0) ^ u64(SECRET, 24) ^ u64(SECRET, 32)
    high = u64(data, n - 8) ^ u64(SECRET, 40) ^ u64(SECRET, 48)
    swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
    return finish((n + swapped + high + fold(low, high)) & M64)


def middle64(data):
    """17 to 240 bytes."""
    n = len(data)
    acc = n * P64_1
    if n <= 128:
        for i in range((n - 1) // 32 + 1):
            acc += mix16(data, 16 * i, 32 * i) + mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return finish(acc & M64)
    for i in range(8):
        acc += mix16(data, 16 * i, 16 * i)
    acc = finish(acc & M64)
    for i in range(8, n // 16):
        acc += mix16(data, 16 * i, 16 * (i - 8) + 3)
    return finish((acc + mix16(data, n - 16, 136 - 17)) & M64)


def accumulate(acc, data, at, key):
    values = struct.unpack_from("<8Q", data, at)
    keys = struct.unpack_from("<8Q", SECRET, key)
    for i, v in enumerate(values):
        k = v ^ keys[i]
        acc[i ^ 1] += v
        acc[i] = acc[i] + (k & 0xFFFFFFFF) * (k >> 32) & M64


def long_state(data):
    """The eight accumulators after more than 240 bytes."""
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    n = len(data)
    last = (n - 1) // 64  # the last stripe is the last 64 bytes, wherever they begin
    for stripe in range(last):
        accumulate(acc, data, 64 * stripe, stripe % 16 * 8)
        if stripe % 16 == 15:
            for i in range(8):
                a = acc[i] & M64
                acc[i] = (a ^ a >> 47 ^ u64(SECRET, 128 + 8 * i)) * P32_1 & M64
    accumulate(acc, data, n - 64, 192 - 64 - 7)
    return [a & M64 for a in acc]


def merge(acc, key, start):
    for i in range(4):
        start += fold(acc[2 * i] ^ u64(SECRET, key + 16 * i), acc[2 * i + 1] ^ u64(SECRET, key + 16 * i + 8))
    return finish(start & M64)


def hash64(data):
    """XXH3, 64 bits."""
    if len(data) <= 16:
        return short64(data)
    if len(data) <= 240:
        return middle64(data)
    return merge(long_state(data), 11, len(data) * P64_1 & M64)


def hash128(data):
    """XXH3, 128 bits, of more than 240 bytes: low half, then high half, as it is stored."""
    acc, n = long_state(data), len(data)
    low = merge(acc, 11, n * P64_1 & M64)
    high = merge(acc, 192 - 64 - 11, ~(n * P64_2) & M64)
    return struct.pack("<QQ", low, high)
