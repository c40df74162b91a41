/* AArch64, the procedure call standard AAPCS64 as Linux uses it.
 *
 * A saved stack, from its sp upwards:
 *
 *   sp + 0   x29 (frame pointer)      sp + 48  x23, x24      sp + 96   d8, d9      sp + 144  d14, d15
 *   sp + 8   x30 (return address)     sp + 64  x25, x26      sp + 112  d10, d11
 *   sp + 16  x19, x20                 sp + 80  x27, x28      sp + 128  d12, d13
 *   sp + 32  x21, x22
 *
 * The other registers belong to the caller; of v8 to v15 it is only the lower halves, d8 to d15, that do not. x18 is the
 * platform's and not touched. FPCR is not switched: rounding modes belong to the thread, as the documentation says. x29 and
 * x30 lie first, as in any frame record, so that a profiler that follows frame pointers goes through a switch.
 *
 * Call and ret stay paired on purpose: a switch that leaves by br unbalances the return predictor.
 *
 * Branch targets begin with `bti c`, written as a hint, which processors that do not know it skip. Return addresses are
 * signed if the rest of the library is compiled so: with the stack pointer, which is the same when they are checked, and with
 * a key that all threads of a process share, so that a task may go on on another one.
 */
#define SAVED 160

#if defined(__ARM_FEATURE_PAC_DEFAULT)
#define FEATURES 3                      /* BTI, PAC */
        .macro sign_return_address
        hint    #25                     /* paciasp */
        .cfi_negate_ra_state
        .endm
        .macro check_return_address
        hint    #29                     /* autiasp */
        .cfi_negate_ra_state
        .endm
        .macro at_signed_address
        .cfi_negate_ra_state
        .endm
#else
#define FEATURES 1                      /* BTI */
        .macro sign_return_address
        .endm
        .macro check_return_address
        .endm
        .macro at_signed_address
        .endm
#endif

        .text

        .macro at_saved_registers       /* where they lie, for who unwinds */
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
        .endm

        .macro save_registers
        sign_return_address
        stp     x29, x30, [sp, #-SAVED]!
        .cfi_adjust_cfa_offset SAVED
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        at_saved_registers
        .endm

        .macro restore_registers_and_return
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #SAVED
        .cfi_adjust_cfa_offset -SAVED
        .irp    register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
        .cfi_restore \register
        .endr
        .irp    register, d8, d9, d10, d11, d12, d13, d14, d15
        .cfi_restore \register
        .endr
        check_return_address
        ret
        .endm

        /* void sni_arch_switch(void **save, void *to) */
        .globl  sni_arch_switch
        .hidden sni_arch_switch
        .type   sni_arch_switch, %function
        .p2align 4
        .globl  sni_arch_parked
        .hidden sni_arch_parked
sni_arch_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        save_registers
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
sni_arch_parked:
        restore_registers_and_return
        .cfi_endproc
        .size   sni_arch_switch, . - sni_arch_switch

        /* void sni_arch_start(void **save, void *top, void *arg) */
        .globl  sni_arch_start
        .hidden sni_arch_start
        .type   sni_arch_start, %function
        .p2align 4
sni_arch_start:
        .cfi_startproc
        hint    #34                     /* bti c */
        save_registers
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        mov     x0, x2
        mov     x29, xzr
        .cfi_undefined x30              /* the bottom of a task's stack: unwinding ends here */
        bl      sni_arch_entry
        brk     #0x3e8
        .cfi_endproc
        .size   sni_arch_start, . - sni_arch_start

        /* void sni_arch_leave(void *to) */
        .globl  sni_arch_leave
        .hidden sni_arch_leave
        .type   sni_arch_leave, %function
        .p2align 4
sni_arch_leave:
        .cfi_startproc
        hint    #34                     /* bti c */
        mov     sp, x0
        at_signed_address
        .cfi_def_cfa sp, SAVED
        at_saved_registers
        restore_registers_and_return
        .cfi_endproc
        .size   sni_arch_leave, . - sni_arch_leave

        /* void sni_arch_call_at(void *sp, void (*fn)(void *), void *arg) */
        .globl  sni_arch_call_at
        .hidden sni_arch_call_at
        .type   sni_arch_call_at, %function
        .p2align 4
sni_arch_call_at:
        .cfi_startproc
        hint    #34                     /* bti c */
        sign_return_address
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_remember_state
        mov     x29, x0
        .cfi_def_cfa x29, SAVED         /* from here on the caller is who called sni_arch_switch on that stack */
        at_saved_registers
        mov     x0, x2
        blr     x1
        .cfi_restore_state
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        check_return_address
        ret
        .cfi_endproc
        .size   sni_arch_call_at, . - sni_arch_call_at

        .section .note.gnu.property, "a", %note
        .p2align 3
        .word   4, 16, 5                /* sizes of name and contents, NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .word   0xc0000000, 4, FEATURES, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */

        .section .note.GNU-stack, "", %progbits
