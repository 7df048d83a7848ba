/* internal.h - the parts of the audit: fences that were, judgements, accounts, sums. */
#ifndef NETENFORCE_AUDIT_INTERNAL_H
#define NETENFORCE_AUDIT_INTERNAL_H

#include <netenforce/audit.h>
#include <netenforce/reason.h>

/* The fence in force, at 0, and those before it. */
#define FENCES_MAX 8

struct fences {
    struct ne_fence list[FENCES_MAX];
    unsigned ticks[FENCES_MAX]; /* since each was replaced */
    unsigned count;
};

void fences_add(struct fences *fences, struct ne_fence *fence);
void fences_tick(struct fences *fences); /* forget what was replaced some ticks ago */
void fences_free(struct fences *fences);

/* What is known of a logged packet. */
struct found {
    struct ne_reason words; /* no verdict, option or rule where the fences differ */
    const char *endpoint;   /* id; NULL: nobody's. Points into a fence */
    const char *policy;     /* id of the policy that was asked; NULL: none */
    const char *bridge;     /* that the sender is on */
};

/* judge_logged() - By all @fences, as audit.h says. Pure. */
struct found judge_logged(const struct fences *fences, const struct ne_logged *logged,
                          const char *interface);

/* One endpoint's account. */
struct account {
    char id[NE_ID_SIZE];
    char network[NE_ID_SIZE];
    uint64_t counted; /* the counter, when it was last read */
    uint64_t seen;    /* events of packets */
    uint64_t told;    /* as suppressed */
    uint64_t pending; /* for its next event */
    uint64_t read_at; /* the tick of the reading; one between two ticks belongs to the later */
    bool changed;     /* by the last reading */
    bool present;     /* at the last reading */
};

struct accounts {
    struct account *list; /* in the order of ids */
    size_t count;
    size_t room;
};

/* account_of() - The account of @id, made if it is missing. Return: valid until another is made;
 * NULL without memory. */
struct account *account_of(struct accounts *accounts, const char *id);

/* account_untold() - How many counted packets nobody was told of. */
uint64_t account_untold(const struct account *account);

/* Sums for the metrics, by network. */
#define SUM_REASONS 10
#define SUM_PROTOS  6

struct sum {
    char network[NE_ID_SIZE]; /* empty: not known */
    uint64_t packets[SUM_REASONS][SUM_PROTOS];
};

struct sums {
    struct sum *list; /* in the order of networks */
    size_t count;
    size_t room;
};

#define UNLOGGED  "unlogged"
#define ANY_PROTO "any"

void sums_add(struct sums *sums, const char *network, const char *reason, const char *proto,
              uint64_t packets);
void sums_forget(struct sums *sums, const struct ne_model *model); /* networks that are gone */
int sums_visit(const struct sums *sums,
               int (*visit)(void *context, const char *network, const char *reason,
                            const char *proto, uint64_t count),
               void *context);

struct ne_audit {
    const struct ne_model *model;
    struct ne_firewall *firewall;
    struct fences fences;
    struct accounts accounts;
    struct sums sums;
    uint64_t tick;
    uint64_t read_at; /* during a reading */
    bool begun;       /* the counters were read once */
    bool active;      /* something may be left to be told */
};

#endif
