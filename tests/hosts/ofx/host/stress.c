#include "host.h"

#include <stdlib.h>
#include <string.h>

/* Threads: some render one instance, others load, describe, create, render and destroy as fast as they can. */
typedef struct Job {
  Effect *effect;
  int count, first, frames, bad, churn;
  uint32_t sums[256];
} Job;

static uint32_t sum_of(const unsigned char *s, size_t n) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < n; i++) h = (h ^ s[i]) * 16777619u;
  return h;
}

static uint32_t render_once(Job *job, Effect *e, int time) {
  const Layout *l = &e->output;
  const size_t size = (size_t)(l->w * l->h * l->size * l->count);
  int window[4] = {l->x1, l->y1, l->x1 + l->w, l->y1 + l->h};
  unsigned char *tight = malloc(size);
  memset(tight, 0x5A, size);
  Image *target = image_new(e, l, tight);
  if (render(e, target, time, window, 1, -1) != kOfxStatOK) job->bad++;
  image_take(target, tight);
  uint32_t sum = sum_of(tight, size);
  image_free(target);
  free(tight);
  return sum;
}

static void churn_once(Job *job, int time) {
  OfxStatus status[2], made;
  set_host();
  job->bad += main_entry(kOfxActionLoad, NULL, NULL, NULL) != kOfxStatOK;
  Effect *d = describe(kOfxImageEffectContextFilter, status), *e = create(d, kOfxImageEffectContextFilter, &made);
  job->bad += status[0] != kOfxStatOK || status[1] != kOfxStatOK || made != kOfxStatOK;
  e->source = job->effect->source;
  e->output = job->effect->output;
  e->first = job->effect->first;
  e->frame_count = job->effect->frame_count;
  e->frames = job->effect->frames;
  for (Param *p = job->effect->params.first; p; p = p->next) {
    Param *q = params_find(&e->params, p->name);
    memcpy(q->v, p->v, sizeof q->v);
    param_set_text(q, p->s);
  }
  job->sums[time - job->first] = render_once(job, e, time);
  job->bad += main_entry(kOfxActionDestroyInstance, e, NULL, NULL) != kOfxStatOK;
  e->frames = NULL;
  effect_free(e);
  effect_free(d);
}

static void *work(void *arg) {
  Job *job = arg;
  for (int i = 0; i < job->count; i++) {
    int time = job->first + i % job->frames;
    if (job->churn)
      churn_once(job, time);
    else
      job->sums[time - job->first] = render_once(job, job->effect, time);
  }
  return NULL;
}

void stress(Effect *e, int threads, int churn, int count) {
  int bad = 0, different = 0;
  pthread_t id[32];
  Job *jobs = calloc(32, sizeof *jobs);
  for (int i = 0; i < threads + churn; i++) {
    jobs[i].effect = e, jobs[i].count = count, jobs[i].first = e->first, jobs[i].frames = e->frame_count,
    jobs[i].churn = i >= threads;
    pthread_create(&id[i], NULL, work, &jobs[i]);
  }
  for (int i = 0; i < threads + churn; i++) pthread_join(id[i], NULL);
  for (int i = 0; i < threads + churn; i++) {
    bad += jobs[i].bad;
    different += memcmp(jobs[i].sums, jobs[0].sums, sizeof jobs[0].sums) != 0;
  }
  printf("{\"bad\": %d, \"different\": %d}\n", bad, different);
  free(jobs);
}
