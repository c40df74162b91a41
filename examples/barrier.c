/* Conway's game of life, computed by four tasks: each has a quarter of the rows, and reads its neighbours' edges, so that
 * all must have done a generation before any begins the next. That is a barrier: all wait for each other, again and again,
 * where a wait group would have one wait for the others. What comes out is what one task computes alone. */
#include <sennit.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 12, COLUMNS = 40, TASKS = 4, GENERATIONS = 100 };
enum { DIFFERS = SN_EUSER };

struct board {
    unsigned char cell[ROWS][COLUMNS];
};

/* Computes rows `first` to `last` - 1 of the next generation; the board's edges meet. */
static void live(const struct board *now, struct board *next, int first, int last)
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
    struct board boards[2]; /* generation n is in boards[n % 2] */
    sn_barrier generation;
    int generations;
};

struct part {
    struct world *of;
    int first, last;
};

static int quarter(sn_ctx *ctx, void *arg)
{
    struct part *p = arg;
    struct world *w = p->of;
    int r = 0;

    for (int n = 0; n < GENERATIONS && r >= 0; n++) {
        live(&w->boards[n % 2], &w->boards[(n + 1) % 2], p->first, p->last);
        r = sn_barrier_wait(ctx, &w->generation);
        if (r == 1) /* the last to arrive: exactly one in each generation */
            w->generations++;
    }
    return r < 0 ? r : 0;
}

static int together(sn_ctx *ctx, struct world *w)
{
    sn_group g;
    int r = 0;

    sn_barrier_init(&w->generation, TASKS);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS && r == 0; i++) {
        struct part p = { w, i * ROWS / TASKS, (i + 1) * ROWS / TASKS };
        r = sn_group_go_copy(&g, quarter, &p);
    }
    if (r < 0)
        sn_group_cancel(&g); /* those who have started would wait for one who never comes */
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static void alone(struct board boards[2])
{
    for (int n = 0; n < GENERATIONS; n++)
        live(&boards[n % 2], &boards[(n + 1) % 2], 0, ROWS);
}

static int app(sn_ctx *ctx, void *arg)
{
    static const char seed[3][4] = { ".##", "##.", ".#." }; /* five cells that live for long */
    static struct world w;
    struct board sequential[2];
    int r;

    (void)arg;
    for (int i = 0; i < 9; i++)
        w.boards[0].cell[ROWS / 2 + i / 3][COLUMNS / 2 + i % 3] = seed[i / 3][i % 3] == '#';
    memcpy(sequential, w.boards, sizeof sequential);
    alone(sequential);
    if ((r = together(ctx, &w)) < 0)
        return r;
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++)
            putchar(w.boards[GENERATIONS % 2].cell[i][j] ? '#' : '.');
        putchar('\n');
    }
    printf("generation %d, by %d tasks\n", w.generations, TASKS);
    return memcmp(sequential, w.boards, sizeof sequential) == 0 && w.generations == GENERATIONS ? 0 : DIFFERS;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
