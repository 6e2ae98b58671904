/* SPDX-License-Identifier: Apache-2.0 */
#include "http/worker.h"

#include <pthread.h>

#define THREADS_MAX 8

struct workers {
    unsigned threads, queue_max;
    pthread_t thread[THREADS_MAX];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct work *first, **last;
    unsigned queued;
    bool is_stopping;
};

static struct work *next_work(struct workers *workers)
{
    struct work *work;

    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->is_stopping)
        pthread_cond_wait(&workers->changed, &workers->lock);
    work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = &workers->first;
        workers->queued--;
    }
    pthread_mutex_unlock(&workers->lock);
    return work;
}

static void *worker(void *arg)
{
    struct workers *workers = arg;

    for (struct work *work = next_work(workers); work; work = next_work(workers))
        work->run(work);
    return NULL;
}

int workers_start(unsigned threads, unsigned queue_max, struct workers **ret, struct error *err)
{
    CLEANUP(workers_stop) struct workers *workers = calloc(1, sizeof *workers);

    if (!workers)
        return fail_internal(err, "out of memory");
    workers->queue_max = queue_max;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    for (; workers->threads < threads && workers->threads < THREADS_MAX; workers->threads++) {
        int error = pthread_create(&workers->thread[workers->threads], NULL, worker, workers);
        if (error)
            return fail_internal(err, "start a worker: error %d", error);
    }
    *ret = MOVE(workers);
    return 0;
}

bool workers_take(struct workers *workers, struct work *work)
{
    bool is_taken;

    pthread_mutex_lock(&workers->lock);
    is_taken = workers->queued < workers->queue_max && !workers->is_stopping;
    if (is_taken) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->queued++;
        pthread_cond_signal(&workers->changed);
    }
    pthread_mutex_unlock(&workers->lock);
    return is_taken;
}

void workers_stop(struct workers **workers)
{
    struct workers *old = MOVE(*workers);

    if (!old)
        return;
    pthread_mutex_lock(&old->lock);
    old->is_stopping = true;
    pthread_cond_broadcast(&old->changed);
    pthread_mutex_unlock(&old->lock);
    for (unsigned i = 0; i < old->threads; i++)
        pthread_join(old->thread[i], NULL);
    pthread_cond_destroy(&old->changed);
    pthread_mutex_destroy(&old->lock);
    free(old);
}
