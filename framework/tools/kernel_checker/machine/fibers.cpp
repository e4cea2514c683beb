// How a fiber begins and how the processor goes from one to the other.
#include "fibers.h"

#if defined(__x86_64__) && !defined(PORTABLE_FIBERS)
// Push the registers that a called function must keep, change stacks, and pop those of the other.
asm(".text\n.globl kernel_switch\n.hidden kernel_switch\nkernel_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq (%rsi), %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");

void prepare(Context* context, char* stack, void (*body)()) {
    void** top = (void**)(stack + STACK) - 8;  // six registers, where to return to, alignment
    for (int i = 0; i < 8; i++) top[i] = nullptr;
    top[6] = (void*)body;
    context->stack_pointer = top;
}
#else
void kernel_switch(Context* from, Context* to) { swapcontext(&from->state, &to->state); }

void prepare(Context* context, char* stack, void (*body)()) {
    getcontext(&context->state);
    context->state.uc_stack.ss_sp = stack;
    context->state.uc_stack.ss_size = STACK;
    context->state.uc_link = nullptr;
    makecontext(&context->state, body, 0);
}
#endif
