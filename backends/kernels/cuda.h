// What the kernels need of CUDA C++: the same names as opencl.h, and lanes that OpenCL C has built in.

#define KERNEL extern "C" __global__
#define FUNC static __device__ __forceinline__
#define GLOBAL
#define RESTRICT __restrict__
#define GID(d) (GROUP_ID_##d)
#define GROUP_ID_0 (blockIdx.x * blockDim.x + threadIdx.x)
#define GROUP_ID_1 (blockIdx.y * blockDim.y + threadIdx.y)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;

// One thread handles LANES = 8 samples.
struct U32S {
    u32 lane[LANES];
};

#define FOR_LANES _Pragma("unroll") for (int i = 0; i < LANES; ++i)

#define LANE_OPERATOR(op)                                   \
    FUNC U32S operator op(const U32S &left, const U32S &right) \
    {                                                       \
        U32S result;                                        \
        FOR_LANES result.lane[i] = left.lane[i] op right.lane[i]; \
        return result;                                      \
    }                                                       \
    FUNC U32S operator op(const U32S &left, u32 right)      \
    {                                                       \
        U32S result;                                        \
        FOR_LANES result.lane[i] = left.lane[i] op right;   \
        return result;                                      \
    }

LANE_OPERATOR(+)
LANE_OPERATOR(-)
LANE_OPERATOR(*)
LANE_OPERATOR(<<)
LANE_OPERATOR(>>)

// Packed values stay in registers: samples are picked out of words, never out of memory.
FUNC U32S UNPACK_16_BITS(const uint4 &packed)
{
    const u32 words[4] = {packed.x, packed.y, packed.z, packed.w};
    U32S result;
    FOR_LANES result.lane[i] = words[i / 2] >> (i % 2 * 16) & 0xffff;
    return result;
}

#if SAMPLE_BYTES == 1
typedef u8 SAMPLE;
typedef uint2 PACKED;

FUNC U32S UNPACK(const PACKED &packed)
{
    const u32 words[2] = {packed.x, packed.y};
    U32S result;
    FOR_LANES result.lane[i] = words[i / 4] >> (i % 4 * 8) & 0xff;
    return result;
}

FUNC PACKED PACK(const U32S &lanes)
{
    u32 words[2] = {0, 0};
    FOR_LANES words[i / 4] |= lanes.lane[i] << (i % 4 * 8);
    return make_uint2(words[0], words[1]);
}
#else
typedef u16 SAMPLE;
typedef uint4 PACKED;

#define UNPACK UNPACK_16_BITS

FUNC PACKED PACK(const U32S &lanes)
{
    u32 words[4] = {0, 0, 0, 0};
    FOR_LANES words[i / 2] |= lanes.lane[i] << (i % 2 * 16);
    return make_uint4(words[0], words[1], words[2], words[3]);
}
#endif

FUNC U32S LOAD_CODES(const u16 *codes)
{
    return UNPACK_16_BITS(*(const uint4 *)codes);
}

FUNC void STORE_U32S(u32 *target, const U32S &lanes)
{
    uint4 *words = (uint4 *)target;
    words[0] = make_uint4(lanes.lane[0], lanes.lane[1], lanes.lane[2], lanes.lane[3]);
    words[1] = make_uint4(lanes.lane[4], lanes.lane[5], lanes.lane[6], lanes.lane[7]);
}

FUNC U32S IF_AT_LEAST(const U32S &lanes, u32 bound, u32 then, const U32S &otherwise)
{
    U32S result;
    FOR_LANES result.lane[i] = lanes.lane[i] >= bound ? then : otherwise.lane[i];
    return result;
}

FUNC U32S AT_LEAST(const U32S &lanes, u32 bound)
{
    U32S result;
    FOR_LANES result.lane[i] = lanes.lane[i] > bound ? lanes.lane[i] : bound;
    return result;
}

FUNC bool ALL_EQUAL(const U32S &lanes, u32 value)
{
    bool equal = true;
    FOR_LANES equal &= lanes.lane[i] == value;
    return equal;
}
