// barrier.c in C++.
#include <sennit.h>

#include <cstdio>
#include <cstring>

enum { ROWS = 12, COLUMNS = 40, TASKS = 4, GENERATIONS = 100 };
enum { DIFFERS = SN_EUSER };

struct board {
    unsigned char cell[ROWS][COLUMNS];
};

// Computes rows `first` to `last` - 1 of the next generation; the board's edges meet.
static void live(const board *now, board *next, int first, int last)
{
    for (int i = first; i < last; i++)
        for (int j = 0; j < COLUMNS; j++) {
            int around = 0;
            for (int k = 0; k < 9; k++)
                if (k != 4)
                    around += now->cell[(i + k / 3 + ROWS - 1) % ROWS][(j + k % 3 + COLUMNS - 1) % COLUMNS];
            next->cell[i][j] = around == 3 || (around == 2 && now->cell[i][j]);
        }
}

struct world {
    board boards[2]; // generation n is in boards[n % 2]
    sn_barrier generation;
    int generations;
};

struct part {
    world *of;
    int first, last;
};

static int quarter(sn_ctx *ctx, void *arg)
{
    auto *p = static_cast<part *>(arg);
    world *w = p->of;
    int r = 0;

    for (int n = 0; n < GENERATIONS && r >= 0; n++) {
        live(&w->boards[n % 2], &w->boards[(n + 1) % 2], p->first, p->last);
        r = sn_barrier_wait(ctx, &w->generation);
        if (r == 1) // the last to arrive: exactly one in each generation
            w->generations++;
    }
    return r < 0 ? r : 0;
}

static int together(sn_ctx *ctx, world *w)
{
    sn_group g;
    int r = 0;

    sn_barrier_init(&w->generation, TASKS);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS && r == 0; i++) {
        part p = { w, i * ROWS / TASKS, (i + 1) * ROWS / TASKS };
        r = sn_group_go_copy(&g, quarter, &p);
    }
    if (r < 0)
        sn_group_cancel(&g); // those who have started would wait for one who never comes
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static void alone(board boards[2])
{
    for (int n = 0; n < GENERATIONS; n++)
        live(&boards[n % 2], &boards[(n + 1) % 2], 0, ROWS);
}

static int app(sn_ctx *ctx, void *)
{
    static const char seed[3][4] = { ".##", "##.", ".#." }; // five cells that live for long
    static world w;
    board sequential[2];
    int r;

    for (int i = 0; i < 9; i++)
        w.boards[0].cell[ROWS / 2 + i / 3][COLUMNS / 2 + i % 3] = seed[i / 3][i % 3] == '#';
    std::memcpy(sequential, w.boards, sizeof sequential);
    alone(sequential);
    if ((r = together(ctx, &w)) < 0)
        return r;
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++)
            std::putchar(w.boards[GENERATIONS % 2].cell[i][j] ? '#' : '.');
        std::putchar('\n');
    }
    std::printf("generation %d, by %d tasks\n", w.generations, TASKS);
    return std::memcmp(sequential, w.boards, sizeof sequential) == 0 && w.generations == GENERATIONS ? 0 : DIFFERS;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
