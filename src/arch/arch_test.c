/* The ports by themselves: two stacks, and no runtime. */
#include "arch/arch_test.h"

#include "sn_test.h"

/* What sn_test.h would call of the library, and what the portable port wants of it. */
int64_t sn_now(void)
{
    return 1;
}

const char *sn_error_string(int error)
{
    (void)error;
    return "";
}

__attribute__((visibility("hidden"))) __thread struct sni_worker *sni_tls_self __attribute__((tls_model("initial-exec")));

enum { STACK = 64 * 1024, ABOVE = 512, ROUNDS = 100 };

static _Alignas(16) char stack[STACK];
static void *main_sp, *other_sp, *entered_with;
static uint64_t other_in[TEST_REGISTERS + 1], other_out[TEST_REGISTERS + 1];
static void (*other)(void);
static struct test_trace trace;

_Noreturn void sni_arch_entry(void *arg)
{
    CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
    entered_with = arg;
    other();
    sni_arch_leave(main_sp);
}

/* Above the top lies what an unwinder would take for return addresses, were it not told to stop. */
static void *fresh_top(void)
{
    char *top = stack + STACK - ABOVE;

    for (char *at = top; at < stack + STACK; at += sizeof(uintptr_t))
        *(uintptr_t *)(void *)at = (uintptr_t)fresh_top + 8;
    return top;
}

static void fill(uint64_t *values, uint64_t *seed)
{
    for (int i = 0; i < TEST_REGISTERS; i++)
        values[i] = test_random(seed);
}

static void check_same(const uint64_t *a, const uint64_t *b)
{
    for (int i = 0; i < TEST_REGISTERS; i++)
        CHECK_EQ(a[i], b[i]);
}

/* --- registers --- */

static void switches_with_registers(void)
{
    uint64_t seed = 5;

    for (int i = 0; i < ROUNDS; i++) {
        fill(other_in, &seed);
        test_registers(other_in, other_out, (test_fn *)sni_arch_switch, &other_sp, main_sp, NULL);
        check_same(other_out, other_in);
    }
    fill(other_in, &seed);
    test_registers(other_in, other_out, (test_fn *)sni_arch_leave, main_sp, NULL, NULL);
}

TEST(registers_survive)
{
    uint64_t in[TEST_REGISTERS + 1], out[TEST_REGISTERS + 1], seed = 3;
    int argument;

    if (TEST_REGISTERS == 0)
        test_skip("no helpers for this processor");
    other = switches_with_registers;
    fill(in, &seed);
    test_registers(in, out, (test_fn *)sni_arch_start, &main_sp, fresh_top(), &argument);
    check_same(out, in);
    CHECK(entered_with == &argument);
    for (int i = 0; i < ROUNDS; i++) {
        fill(in, &seed);
        test_registers(in, out, (test_fn *)sni_arch_switch, &main_sp, other_sp, NULL);
        check_same(out, in);
    }
}

/* --- unwinding --- */

static void looks_back(void)
{
    test_look_back(&trace);
}

TEST(unwinding_ends_at_the_bottom)
{
    other = looks_back;
    sni_arch_start(&main_sp, fresh_top(), NULL);
    CHECK_EQ(trace.end, _URC_END_OF_STACK);
    CHECK(test_find_frame(&trace, (void *)sni_arch_entry));
    CHECK(!test_find_frame(&trace, (void *)test_unwinding_ends_at_the_bottom));
    CHECK(!test_find_frame(&trace, (void *)fresh_top));
    if (test_parked())
        CHECK(trace.frames[trace.n - 1].fn == (void *)sni_arch_start);
}

static void switches_once(void)
{
    for (int i = 0; i < TEST_REGISTERS; i++)
        other_in[i] = 1000 + (uint64_t)i;
    test_registers(other_in, other_out, (test_fn *)sni_arch_switch, &other_sp, main_sp, NULL);
    check_same(other_out, other_in);
}

TEST(what_is_saved_can_be_unwound)
{
    if (!test_parked())
        test_skip("the portable switch keeps to itself where a saved stack stands");
    other = switches_once;
    sni_arch_start(&main_sp, fresh_top(), NULL);
    test_unwind(other_sp, test_parked(), test_look_back, &trace);
    CHECK_EQ(trace.end, _URC_END_OF_STACK);
    CHECK(test_find_frame(&trace, (void *)switches_once));
    CHECK(trace.frames[trace.n - 1].fn == (void *)sni_arch_start);
    const struct test_frame *f = test_find_frame(&trace, (void *)test_registers);
    CHECK(f && f->kept == 1000);
    sni_arch_switch(&main_sp, other_sp);
}

static void looks_back_at(void *arg)
{
    test_look_back(arg);
}

TEST(calls_on_a_saved_stack_are_seen)
{
    uint64_t in[TEST_REGISTERS + 1], out[TEST_REGISTERS + 1], seed = 7;

    if (!SNI_ARCH_CAN_CALL_AT)
        test_skip("the portable switch keeps to itself where a saved stack stands");
    other = switches_once;
    sni_arch_start(&main_sp, fresh_top(), NULL);
    fill(in, &seed);
    test_registers(in, out, (test_fn *)sni_arch_call_at, other_sp, (void *)looks_back_at, &trace);
    check_same(out, in);
    CHECK_EQ(trace.end, _URC_END_OF_STACK);
    CHECK(test_find_frame(&trace, (void *)switches_once));
    CHECK(!test_find_frame(&trace, (void *)fresh_top));
    CHECK(trace.frames[trace.n - 1].fn == (void *)sni_arch_start);
    const struct test_frame *f = test_find_frame(&trace, (void *)test_registers);
    CHECK(f && f->kept == 1000);
    sni_arch_switch(&main_sp, other_sp);
}
