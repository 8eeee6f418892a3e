// What the kernels need of OpenCL C 1.2: names for the API's keywords.

#define KERNEL __kernel
#define FUNC static inline
#define GLOBAL __global
#define RESTRICT restrict
#define GID(d) ((u32)get_global_id(d))
#define MAKE_UINT2(x, y) ((uint2)(x, y))
#define MAKE_UINT4(x, y, z, w) ((uint4)(x, y, z, w))

typedef uchar u8;
typedef ushort u16;
typedef uint u32;
typedef int i32;
