/* x86-64, System V ABI.
 *
 * A saved stack, from its sp upwards:
 *
 *   sp + 0   r15      sp + 24  r12      sp + 48  return address
 *   sp + 8   r14      sp + 32  rbx
 *   sp + 16  r13      sp + 40  rbp
 *
 * The other registers belong to the caller. MXCSR and the x87 control word are not switched: rounding modes belong to
 * the thread, as the documentation says.
 *
 * Call and ret stay paired on purpose: a switch that leaves by jmp unbalances the return predictor.
 */
        .text

        .macro at_saved_registers       /* where they lie below the frame's address, for who unwinds */
        .cfi_offset %r15, -56
        .cfi_offset %r14, -48
        .cfi_offset %r13, -40
        .cfi_offset %r12, -32
        .cfi_offset %rbx, -24
        .cfi_offset %rbp, -16
        .endm

        .macro save_registers
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        .cfi_rel_offset %r14, 8
        .cfi_rel_offset %r13, 16
        .cfi_rel_offset %r12, 24
        .cfi_rel_offset %rbx, 32
        .cfi_rel_offset %rbp, 40
        .endm

        .macro restore_registers_and_return
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret
        .endm

        /* void sni_arch_switch(void **save, void *to) */
        .globl  sni_arch_switch
        .hidden sni_arch_switch
        .type   sni_arch_switch, @function
        .p2align 4
        .globl  sni_arch_parked
        .hidden sni_arch_parked
sni_arch_switch:
        .cfi_startproc
        endbr64
        save_registers
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
sni_arch_parked:
        restore_registers_and_return
        .cfi_endproc
        .size   sni_arch_switch, . - sni_arch_switch

        /* void sni_arch_start(void **save, void *top, void *arg) */
        .globl  sni_arch_start
        .hidden sni_arch_start
        .type   sni_arch_start, @function
        .p2align 4
sni_arch_start:
        .cfi_startproc
        endbr64
        save_registers
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        movq    %rdx, %rdi
        xorl    %ebp, %ebp
        .cfi_undefined %rip             /* the bottom of a task's stack: unwinding ends here */
        call    sni_arch_entry
        ud2
        .cfi_endproc
        .size   sni_arch_start, . - sni_arch_start

        /* void sni_arch_leave(void *to) */
        .globl  sni_arch_leave
        .hidden sni_arch_leave
        .type   sni_arch_leave, @function
        .p2align 4
sni_arch_leave:
        .cfi_startproc
        endbr64
        movq    %rdi, %rsp
        .cfi_def_cfa %rsp, 56
        at_saved_registers
        restore_registers_and_return
        .cfi_endproc
        .size   sni_arch_leave, . - sni_arch_leave

        /* void sni_arch_call_at(void *sp, void (*fn)(void *), void *arg) */
        .globl  sni_arch_call_at
        .hidden sni_arch_call_at
        .type   sni_arch_call_at, @function
        .p2align 4
sni_arch_call_at:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        .cfi_remember_state
        movq    %rdi, %rbp
        .cfi_def_cfa %rbp, 56           /* from here on the caller is who called sni_arch_switch on that stack */
        at_saved_registers
        movq    %rdx, %rdi
        call    *%rsi
        .cfi_restore_state
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   sni_arch_call_at, . - sni_arch_call_at

        .section .note.GNU-stack, "", @progbits
