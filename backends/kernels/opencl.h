// What the kernels need of OpenCL C 1.2: names for the API's keywords, and lanes of 32-bit integers.

#define KERNEL __kernel
#define FUNC static inline
#define GLOBAL __global
#define RESTRICT restrict
#define GID(d) ((u32)get_global_id(d))

typedef uchar u8;
typedef ushort u16;
typedef uint u32;
typedef int i32;

// One work-item handles LANES = 8 samples. Not more: PoCL's LLVM 14 aborts on 16 integers.
typedef uint8 U32S;

#if SAMPLE_BYTES == 1
typedef u8 SAMPLE;
typedef uint2 PACKED;
#define UNPACK(packed) convert_uint8(as_uchar8(packed))
#define PACK(lanes) as_uint2(convert_uchar8(lanes))
#else
typedef u16 SAMPLE;
typedef uint4 PACKED;
#define UNPACK(packed) convert_uint8(as_ushort8(packed))
#define PACK(lanes) as_uint4(convert_ushort8(lanes))
#endif

#define LOAD_CODES(codes) convert_uint8(as_ushort8(*(GLOBAL const uint4 *)(codes)))
#define STORE_U32S(target, lanes) (*(GLOBAL U32S *)(target) = (lanes))

// Operators in place of select(), max() and all(): PoCL calls these as functions, which spills every
// vector, and takes three times as long.

// Per lane: `then` where the lane is at least `bound`, else `otherwise`.
#define IF_AT_LEAST(lanes, bound, then, otherwise) \
    ((lanes) >= (U32S)(bound) ? (U32S)(then) : (otherwise))
#define AT_LEAST(lanes, bound) ((lanes) >= (U32S)(bound) ? (lanes) : (U32S)(bound))
#define ALL_EQUAL(lanes, value) none_set((lanes) ^ (U32S)(value))

FUNC bool none_set(U32S lanes)
{
    const uint4 folded = lanes.lo | lanes.hi;
    const uint2 twice = folded.lo | folded.hi;
    return (twice.x | twice.y) == 0;
}
