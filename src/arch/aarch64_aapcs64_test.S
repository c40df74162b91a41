/* What arch/arch_test.h declares. */

        .text

        /* void test_registers(const uint64_t in[19], uint64_t out[19], void (*fn)(void **save, void *a, void *b), void **save,
                               void *a, void *b) */
        .globl  test_registers
        .type   test_registers, %function
test_registers:
        .cfi_startproc
        hint    #34                     /* bti c */
        stp     x29, x30, [sp, #-176]!
        .cfi_adjust_cfa_offset 176
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
        .cfi_rel_offset 19 + \n, 16 + 8 * \n
        .endr
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
        .cfi_rel_offset 72 + \n, 96 + 8 * \n
        .endr
        str     x1, [sp, #160]
        ldp     x19, x20, [x0]
        ldp     x21, x22, [x0, #16]
        ldp     x23, x24, [x0, #32]
        ldp     x25, x26, [x0, #48]
        ldp     x27, x28, [x0, #64]
        ldp     d8, d9, [x0, #80]
        ldp     d10, d11, [x0, #96]
        ldp     d12, d13, [x0, #112]
        ldp     d14, d15, [x0, #128]
        ldr     x29, [x0, #144]
        mov     x9, x2
        mov     x0, x3
        mov     x1, x4
        mov     x2, x5
        blr     x9
        ldr     x1, [sp, #160]
        stp     x19, x20, [x1]
        stp     x21, x22, [x1, #16]
        stp     x23, x24, [x1, #32]
        stp     x25, x26, [x1, #48]
        stp     x27, x28, [x1, #64]
        stp     d8, d9, [x1, #80]
        stp     d10, d11, [x1, #96]
        stp     d12, d13, [x1, #112]
        stp     d14, d15, [x1, #128]
        str     x29, [x1, #144]
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #176
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   test_registers, . - test_registers

        /* void test_unwind(void *sp, const void *pc, void (*fn)(void *arg), void *arg) */
        .globl  test_unwind
        .type   test_unwind, %function
test_unwind:
        .cfi_startproc
        hint    #34                     /* bti c */
        stp     x29, x30, [sp, #-32]!
        stp     x19, x20, [sp, #16]
        mov     x19, x0
        mov     x20, x1
        mov     x0, x3
        .cfi_def_cfa x19, 0
        .cfi_register x30, x20
        blr     x2
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #32
        ret
        .cfi_endproc
        .size   test_unwind, . - test_unwind

        .section .note.gnu.property, "a", %note
        .p2align 3
        .word   4, 16, 5
        .asciz  "GNU"
        .word   0xc0000000, 4, 1, 0     /* BTI */

        .section .note.GNU-stack, "", %progbits
