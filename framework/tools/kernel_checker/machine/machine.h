// The interface between a compiled kernel, the machine that runs it, and the code that launches it.
#pragma once

struct uint3 {
    unsigned x, y, z;
};

struct KernelBuiltins {
    uint3 thread, block, block_size, grid_size;
};

// A kernel of a compiled library, which exports it as `kernel_<name>`.
struct KernelEntry {
    const char* name;
    void (*call)(void** arguments);  // each at the address that a pointer gives
    int count;                       // of arguments
    const int* sizes;                // bytes of each
    const char* types;               // NumPy's letter of each, of a pointer's numbers; '\0' for others
    const char* pointers;            // 1 for each pointer, 2 if it is const, 0 for others
    char *shared, *shared_end;       // static shared memory of the library's kernels
    char* constants;                 // of the library, up to its shared memory
    int shared_item;                 // bytes of the smallest numbers in shared memory
};

// Device memory that a launch may use.
struct CheckedArray {
    char* start;
    unsigned long bytes;
    int item;              // bytes of one number
    int writable;
    unsigned char* unset;  // one byte an item, 1 until it is written; or null: all is set
};

const int VALUE = 32;  // bytes that a thread shows to its warp at once

enum Order { RISING, FALLING, MIXED };  // of threads, warps and blocks

struct LaunchOptions {
    int order;
    unsigned seed;  // of the mixed order
    int check;      // 0: run only
    int (*find)(const char* at, CheckedArray* found);  // memory beside the arrays given; or null
};

enum FindingKind { OUTSIDE, MISALIGNED, READ_ONLY, RACE, UNSET, BARRIER, LANE, ENDLESS, UNDEFINED };

struct Finding {
    int kind, write, atomic;  // write: the access writes; atomic: it is one, or the other one is
    int size;                 // bytes of the access
    int array;                // of the launch, or -1 static shared memory, -2 dynamic, -3 none
    long offset;              // in bytes, from the array's start
    int block, thread;
    int other_block, other_thread, other_write;  // of a race; or who has not come to a barrier
    const char *at, *other_at;  // places in the code; null if there is none
    char text[64];              // what is undefined
};

extern "C" {
int kernel_launch(
    const KernelEntry* kernel, void** arguments, const unsigned dimensions[6],
    unsigned long dynamic_shared, const CheckedArray* arrays, int count,
    const LaunchOptions* options, Finding* findings, int room);

// For kernels, by way of cuda.h.
#ifdef KERNEL_SIDE
extern const KernelBuiltins kernel_builtins;  // const: reading it is no access to memory
#else
extern KernelBuiltins kernel_builtins;
#endif
extern char kernel_dynamic_shared[232448];
int kernel_barrier(int predicate);  // returns for how many threads of the block it holds
void kernel_meet(const void* value, int size, unsigned mask);  // lanes; each shows a value
void kernel_take(void* to, int size, int lane, unsigned mask);  // what a lane showed when they met
void kernel_atomic(const void* at, unsigned size, const void* place);
}
