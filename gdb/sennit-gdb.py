"""Sennit's tasks in gdb, in a live process and in a core file.

    (gdb) source /usr/local/share/sennit/sennit-gdb.py
    (gdb) info sennit tasks
    (gdb) sennit bt 3           the calls of task 3; `sennit bt all`: of every task

It reads the library's own structures by their debug information (-g, not stripped) and changes nothing in the process: a
parked task's calls are found by an unwinder that leads from the selected thread's innermost frame to where the task is saved.
Core files that the kernel writes have all stacks in them; gdb's own generate-core-file stops at their guards.
"""
import struct

import gdb
import gdb.unwinder

STACK_NONE = "has not run yet"


class SennitError(gdb.GdbError):
    pass


def runtime():
    try:
        process = gdb.parse_and_eval("'run.c'::process")
    except gdb.error:
        raise SennitError("no Sennit in this process, or no debug information for it")
    rt = process["current"]
    if int(rt) == 0:
        raise SennitError("no Sennit runtime runs in this process")
    return rt.dereference()


def offset(type_name, field):
    return next(f.bitpos // 8 for f in gdb.lookup_type(type_name).fields() if f.name == field)


def tasks(rt):
    """The living tasks' records."""
    size = gdb.lookup_type("struct sni_task").sizeof
    gen = offset("struct sni_task", "gen")
    inferior = gdb.selected_inferior()
    table = rt["tasks"]
    for i in range(int(table["nchunks"])):
        chunk = table["chunks"][i].dereference()
        used = int(chunk["used"])
        records = chunk["tasks"]
        slab = 64
        for s in range(64):
            if not used >> s & 1:
                continue
            data = inferior.read_memory(int(records) + s * slab * size, slab * size)
            for k in range(slab):
                if struct.unpack_from("<I", data, k * size + gen)[0] % 2 == 1:
                    yield records[s * slab + k]


def workers(rt):
    for i in range(int(rt["nstarted"])):
        yield rt["workers"][i]


def worker_of(rt, task):
    """The worker that runs it; None: none does."""
    for w in workers(rt):
        if int(w["own"]["current"]) == int(task.address):
            return w
    return None


def text(value):
    return value.string() if int(value) != 0 else ""


def describe(rt, task):
    name = text(task["name"])
    who = '%5d  %s%s' % (int(task["index"]) + 1, '"%s", ' % name if name else "", text(task["site"]))
    w = worker_of(rt, task)
    reason = task["wait"]["reason"]
    if w is not None:
        return "%s: running on worker %d, thread %d" % (who, int(w["own"]["id"]), int(w["thread_id"]))
    if int(reason) != 0:
        waited = max(int(w["own"]["about"]) for w in workers(rt)) - int(task["wait"]["since"])
        return "%s: %s (%#x)%s" % (who, text(reason["text"]), int(task["wait"]["object"]),
                                   ", for %.1f s" % (waited / 1e9) if waited >= 10**9 else "")
    if int(task["sp"]) == 0:
        return "%s: %s" % (who, STACK_NONE)
    return "%s: ready to run" % who


def visible(rt):
    return [t for t in tasks(rt) if not bool(t["hidden"])]


# --- calls ---

# Where sni_arch_switch has put the registers of a stack that it left: see src/arch.
SAVED = {
    "i386:x86-64": ("rip", "rsp", 56, {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48}),
    "aarch64": ("pc", "sp", 160, dict([("x29", 0), ("pc", 8)] + [("x%d" % (19 + i), 16 + 8 * i) for i in range(10)])),
}


class Frame:
    """What identifies a frame for gdb."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Parked(gdb.unwinder.Unwinder):
    """While `sp` is set, the caller of the innermost frame is the code that left the stack there."""

    def __init__(self):
        super().__init__("sennit parked task")
        self.sp = None

    def __call__(self, frame):
        if self.sp is None or frame.level() != 0:
            return None
        arch = SAVED.get(frame.architecture().name())
        if arch is None:
            return None
        pc, sp, size, places = arch
        word = gdb.lookup_type("unsigned long")
        info = frame.create_unwind_info(Frame(gdb.Value(self.sp).cast(word), frame.read_register(pc)))
        for register, place in places.items():
            value = gdb.Value(self.sp + place).cast(word.pointer()).dereference()
            info.add_saved_register(register, value.cast(frame.read_register(register).type))
        info.add_saved_register(sp, gdb.Value(self.sp + size).cast(frame.read_register(sp).type))
        return info


parked = Parked()
gdb.unwinder.register_unwinder(None, parked, replace=True)


def print_frames(frame):
    n = 0
    while frame is not None and frame.is_valid() and n < 100:
        name = frame.name() or "??"
        if name == "sni_arch_entry":
            break
        sal = frame.find_sal()
        where = " at %s:%d" % (sal.symtab.filename, sal.line) if sal.symtab else ""
        gdb.write("#%-3d %#018x in %s%s\n" % (n, frame.pc(), name, where))
        n += 1
        try:
            frame = frame.older()
        except gdb.error as e:
            gdb.write("     (%s)\n" % e)
            break


def print_parked(task):
    try:
        gdb.parse_and_eval("&sni_arch_parked")
    except gdb.error:
        raise SennitError("this library switches stacks by ucontext, which keeps to itself where they stand")
    parked.sp = int(task["sp"])
    gdb.invalidate_cached_frames()
    try:
        print_frames(gdb.newest_frame().older())
    finally:
        parked.sp = None
        gdb.invalidate_cached_frames()


def print_running(worker):
    selected = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == int(worker["thread_id"]):
            thread.switch()
            try:
                print_frames(gdb.newest_frame())
            finally:
                selected.switch()
            return
    gdb.write("     (its thread is not here)\n")


def print_calls(rt, task):
    gdb.write(describe(rt, task).lstrip() + "\n")
    worker = worker_of(rt, task)
    if worker is not None:
        print_running(worker)
    elif int(task["sp"]) != 0:
        print_parked(task)


# --- commands ---


class InfoSennit(gdb.Command):
    """Show what Sennit's runtime does."""

    def __init__(self):
        super().__init__("info sennit", gdb.COMMAND_STATUS, prefix=True)


class InfoSennitTasks(gdb.Command):
    """List all tasks: number, name, where it was started, what it does."""

    def __init__(self):
        super().__init__("info sennit tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        rt = runtime()
        found = visible(rt)
        gdb.write("%d tasks, %d workers\n" % (len(found), int(rt["nstarted"])))
        for t in found:
            gdb.write(describe(rt, t) + "\n")


class Sennit(gdb.Command):
    """Look at Sennit's tasks."""

    def __init__(self):
        super().__init__("sennit", gdb.COMMAND_STACK, prefix=True)


class SennitBt(gdb.Command):
    """The calls of a task: sennit bt NUMBER, or sennit bt all."""

    def __init__(self):
        super().__init__("sennit bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        rt = runtime()
        word = argument.strip()
        if word == "all":
            for t in visible(rt):
                print_calls(rt, t)
            return
        if not word.isdigit():
            raise SennitError("sennit bt NUMBER, as `info sennit tasks` shows it, or: sennit bt all")
        for t in tasks(rt):
            if int(t["index"]) + 1 == int(word):
                print_calls(rt, t)
                return
        raise SennitError("no task %s" % word)


InfoSennit()
InfoSennitTasks()
Sennit()
SennitBt()
