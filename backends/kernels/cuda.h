// What the kernels need of CUDA C++: the same names as opencl.h.

#define KERNEL extern "C" __global__
#define FUNC static __device__ __forceinline__
#define GLOBAL
#define RESTRICT __restrict__
#define GID(d) (GROUP_ID_##d)
#define GROUP_ID_0 (blockIdx.x * blockDim.x + threadIdx.x)
#define GROUP_ID_1 (blockIdx.y * blockDim.y + threadIdx.y)
#define MAKE_UINT2 make_uint2
#define MAKE_UINT4 make_uint4

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
