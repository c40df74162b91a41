/* What arch/arch_test.h declares. */

        .text

        /* void test_registers(const uint64_t in[6], uint64_t out[6], void (*fn)(void **save, void *a, void *b), void **save,
                               void *a, void *b) */
        .globl  test_registers
        .type   test_registers, @function
test_registers:
        .cfi_startproc
        endbr64
        .irp    register, %rbp, %rbx, %r12, %r13, %r14, %r15, %rsi
        pushq   \register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endr
        movq    0(%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    %rdx, %rax
        movq    %rcx, %rdi
        movq    %r8, %rsi
        movq    %r9, %rdx
        call    *%rax
        movq    (%rsp), %rsi
        movq    %rbx, 0(%rsi)
        movq    %rbp, 8(%rsi)
        movq    %r12, 16(%rsi)
        movq    %r13, 24(%rsi)
        movq    %r14, 32(%rsi)
        movq    %r15, 40(%rsi)
        .irp    register, %rsi, %r15, %r14, %r13, %r12, %rbx, %rbp
        popq    \register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endr
        ret
        .cfi_endproc
        .size   test_registers, . - test_registers

        /* void test_unwind(void *sp, const void *pc, void (*fn)(void *arg), void *arg) */
        .globl  test_unwind
        .type   test_unwind, @function
test_unwind:
        .cfi_startproc
        endbr64
        pushq   %rbx
        pushq   %r12
        subq    $8, %rsp
        movq    %rdi, %rbx
        movq    %rsi, %r12
        movq    %rcx, %rdi
        .cfi_def_cfa %rbx, 0
        .cfi_register %rip, %r12
        call    *%rdx
        addq    $8, %rsp
        popq    %r12
        popq    %rbx
        ret
        .cfi_endproc
        .size   test_unwind, . - test_unwind

        .section .note.GNU-stack, "", @progbits
