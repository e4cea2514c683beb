// The state of the launch that runs, which machine.cpp changes and memory.cpp reads.
#pragma once
#include <cstdint>
#include <vector>
#include "fibers.h"
#include "machine.h"

enum Wait { NEW, READY, FOR_WARP, FOR_BLOCK, RETURNED };

// What the lanes of a warp have waited for together since the last barrier: which, each time.
struct Warp {
    std::vector<unsigned> meetings;
    int count;  // of them
};

struct Thread {
    Context context;
    Wait wait;
    int number, stack;
    Warp* warp;
    uint3 index;
    const char* place;              // in the code, where it waits
    unsigned mask;                  // of the lanes that it waits for
    char value[VALUE], seen[VALUE];  // what it shows; and what it showed when they last met
    int predicate;
};

struct Launch {
    const KernelEntry* kernel;
    void** arguments;
    LaunchOptions options;
    int threads;  // of a block
    // A number that grows with each block and each barrier, from launch to launch: of two accesses with
    // the same one no barrier is between; with less than block_start, another block made the earlier.
    uint32_t interval, start, block_start;
    std::vector<uint32_t> block_starts;  // of each block that has begun, as they ran
    std::vector<int> block_numbers;
    int block;
    std::vector<Finding> findings;
    bool abandoned;  // no thread can go on
    long steps;      // accesses since a thread was last entered
};

extern Launch launch;
extern Stacks stacks;
extern std::vector<Thread> threads;
extern std::vector<Warp> warps;
extern Thread* running;
extern const char* module_start;

void report(Finding finding);
[[noreturn]] void abandon();  // leave the running thread for good, and the launch

void prepare_memory(const CheckedArray* arrays, int count, unsigned long dynamic_shared);
void clear_shared();
void settle();  // what is known of the last access only now
