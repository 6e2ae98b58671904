/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define PROCESSES_MAX 32
#define FAILURES_MAX 20
#define RUN_LIMIT 300 /* seconds; a hang guard */

/* Shared by all processes. */
struct floor_plan {
    _Atomic uint64_t next;
    struct board boards[PROCESSES_MAX];
};

struct crew {
    struct runs *runs;
    struct floor_plan *shared;
    char folder[64];
    pid_t pids[PROCESSES_MAX];
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("%zu bytes of shared memory: %m", size);
    return memory;
}

/* In memory where possible: nothing of it needs to outlive the machine. */
static void make_folder(char ret[64])
{
    const char *const places[] = {"/dev/shm", getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (!places[i])
            continue;
        snprintf(ret, 64, "%.40s/otad-sim-XXXXXX", places[i]);
        if (mkdtemp(ret))
            return;
    }
    die("no folder for the simulator: %m");
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status, (void)kind, (void)at;
    return remove(path);
}

/* -- a process -- */

static _Noreturn void work(struct crew *crew, size_t place)
{
    struct runs *runs = crew->runs;
    struct board *board = &crew->shared->boards[place];
    struct engine *engine;
    uint64_t index;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    board_use(board);
    board->is_at_work = board->has_failed = false;
    engine = engine_open(crew->folder);
    while ((index = atomic_fetch_add(&crew->shared->next, 1)) < runs->count) {
        double began = seconds_now();

        board->number = index;
        board->is_at_work = true;
        board->has_failed = false;
        alarm(RUN_LIMIT);
        runs->run(engine, runs->first + index, runs->arg);
        runs->results[index].seconds = seconds_now() - began;
        runs->results[index].state = RUN_PASSED;
        board->is_at_work = false;
    }
    engine_close(&engine);
    exit(0); /* where a sanitizer looks for what was not freed */
}

static void begin_work(struct crew *crew, size_t place)
{
    fflush(stdout);
    crew->pids[place] = fork();
    if (crew->pids[place] < 0)
        die("fork: %m");
    if (crew->pids[place] == 0)
        work(crew, place);
}

/* -- their parent -- */

static void describe_end(const struct board *board, int status, char *ret, size_t room)
{
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (board->has_failed)
        snprintf(ret, room, "%s", board->text);
    else if (signal)
        snprintf(ret, room, "ended by signal %d%s", signal,
                 signal == SIGALRM ? ": no end was in sight" : "");
    else
        snprintf(ret, room, "ended with %d%s", WEXITSTATUS(status),
                 board->is_at_work ? "" : " when its runs were over");
}

static void note_end(struct crew *crew, size_t place, int status)
{
    const struct board *board = &crew->shared->boards[place];
    struct runs *runs = crew->runs;
    struct run *run = &runs->results[board->number];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    runs->failed++;
    run->state = RUN_FAILED;
    run->broken = board->has_failed ? board->broken : INVARIANTS;
    describe_end(board, status, run->text, sizeof run->text);
}

static size_t place_of(const struct crew *crew, pid_t pid)
{
    size_t place = 0;

    while (crew->pids[place] != pid)
        place++;
    return place;
}

static void oversee(struct crew *crew, size_t processes)
{
    size_t left = processes;

    for (size_t place = 0; place < processes; place++)
        begin_work(crew, place);
    while (left > 0) {
        int status;
        size_t place = place_of(crew, wait(&status));

        note_end(crew, place, status);
        if (crew->runs->failed >= FAILURES_MAX)
            atomic_store(&crew->shared->next, crew->runs->count);
        if (atomic_load(&crew->shared->next) < crew->runs->count)
            begin_work(crew, place);
        else
            left--;
    }
}

void runs_do(struct runs *runs)
{
    struct crew crew = {.runs = runs};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t processes = (size_t)(runs->processes  ? runs->processes
                                : processors > 0 ? processors
                                                 : 1);
    double began = seconds_now();

    if (processes > PROCESSES_MAX)
        processes = PROCESSES_MAX;
    if (processes > runs->count)
        processes = (size_t)runs->count;
    crew.shared = share(sizeof *crew.shared);
    runs->results = share((size_t)runs->count * sizeof *runs->results);
    make_folder(crew.folder);
    oversee(&crew, processes);
    for (size_t place = 0; place < processes; place++)
        for (int i = 0; i < INVARIANTS; i++)
            runs->checked[i] += crew.shared->boards[place].checked[i];
    nftw(crew.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    munmap(crew.shared, sizeof *crew.shared);
    runs->seconds = seconds_now() - began;
}

void runs_free(struct runs *runs)
{
    munmap(runs->results, (size_t)runs->count * sizeof *runs->results);
    runs->results = NULL;
}
