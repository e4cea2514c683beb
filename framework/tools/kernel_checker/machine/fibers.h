// Threads of a block as fibers: each has a stack, and runs until it waits for others or returns.
#pragma once
#include <cstdlib>
#include <sys/mman.h>
#include <vector>
#if !defined(__x86_64__) || defined(PORTABLE_FIBERS)
#include <ucontext.h>
#endif

const size_t STACK = 128 << 10;

// Stacks for at most 1,024 fibers. A fiber that has returned gives its stack to the next one, which
// finds it in the cache: where no thread waits, all run on the same.
struct Stacks {
    char* start = nullptr;
    std::vector<int> free;
    void prepare() {
        if (!start) {
            int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
            start = (char*)mmap(nullptr, 1024 * STACK, PROT_READ | PROT_WRITE, flags, -1, 0);
            if (start == MAP_FAILED) abort();
        }
        free.clear();
        for (int i = 1024; i > 0; i--) free.push_back(i - 1);
    }
    bool has(const char* at) const { return (size_t)(at - start) < 1024 * STACK; }
};

#if defined(__x86_64__) && !defined(PORTABLE_FIBERS)
struct Context {
    void* stack_pointer;
};
#else
struct Context {
    ucontext_t state;
};
#endif

extern "C" void kernel_switch(Context* from, Context* to);
void prepare(Context* context, char* stack, void (*body)());
